//! Version 4: HMAC-SHA256 with a key for one day and region (doc "Request signatures V4", go
//! `signature_v4.go`, py `auth.py` AuthV4).

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};

use super::{Signable, is_own_header};

/// RFC 3986 unreserved characters stay.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The signature that belongs into `Authorization: SLS4-HMAC-SHA256
/// Credential={id}/{scope},Signature={signature}`.
///
/// Date and body hash are taken from the headers `x-log-date` and `x-log-content-sha256`.
#[must_use]
pub fn signature(secret: &str, region: &str, request: &Signable<'_>) -> String {
    let date = request.header("x-log-date");
    let day = date.get(..8).unwrap_or(date);
    let hash = hex(digest::digest(&digest::SHA256, canonical_text(request).as_bytes()).as_ref());
    let to_sign = format!("SLS4-HMAC-SHA256\n{date}\n{}\n{hash}", scope(day, region));
    let mut key = sign(format!("aliyun_v4{secret}").as_bytes(), day);
    for part in [region, "sls", "aliyun_v4_request"] {
        key = sign(key.as_ref(), part);
    }
    hex(sign(key.as_ref(), &to_sign).as_ref())
}

/// `{day}/{region}/sls/aliyun_v4_request`
#[must_use]
pub fn scope(day: &str, region: &str) -> String {
    format!("{day}/{region}/sls/aliyun_v4_request")
}

/// The hash that belongs into `x-log-content-sha256`.
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, body).as_ref())
}

/// The canonical request: useful in a message when two sides don't agree.
#[must_use]
pub fn canonical_text(request: &Signable<'_>) -> String {
    let mut text = format!("{}\n{}\n", request.method, request.path);
    for (position, (name, value)) in request.sorted_params().into_iter().enumerate() {
        let separator = if position == 0 { "" } else { "&" };
        let assignment = if value.is_empty() { "" } else { "=" };
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "{separator}{name}{assignment}{}",
            utf8_percent_encode(value, ESCAPED)
        );
    }
    text.push('\n');
    let headers = request
        .sorted_headers(|name| name == "host" || name == "content-type" || is_own_header(name));
    for (name, value) in &headers {
        let _ = writeln!(text, "{name}:{value}");
    }
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let _ = write!(
        text,
        "\n{}\n{}",
        names.join(";"),
        request.header("x-log-content-sha256")
    );
    text
}

fn sign(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
