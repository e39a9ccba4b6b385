//! Version 1: HMAC-SHA1 over a canonical text (doc "Request signatures", go `signature.go`, py
//! `auth.py` AuthV1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{Signable, is_own_header};

/// The signature that belongs into `Authorization: LOG {id}:{signature}`.
#[must_use]
pub fn signature(secret: &str, request: &Signable<'_>) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, canonical_text(request).as_bytes()))
}

/// The text that is signed: useful in a message when two sides don't agree.
#[must_use]
pub fn canonical_text(request: &Signable<'_>) -> String {
    let date = match request.header("date") {
        "" => request.header("x-log-date"),
        date => date,
    };
    let mut text = String::with_capacity(512);
    let first_lines = [
        request.method,
        request.header("content-md5"),
        request.header("content-type"),
        date,
    ];
    for line in first_lines {
        text.push_str(line);
        text.push('\n');
    }
    // py adds x-log-date after signing, for proxies that drop Date: one that repeats Date isn't
    // covered.
    let covered = request.sorted_headers(is_own_header).into_iter();
    for (name, value) in covered.filter(|(name, value)| *name != "x-log-date" || *value != date) {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text.push_str(request.path);
    for (position, (name, value)) in request.sorted_params().into_iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}
