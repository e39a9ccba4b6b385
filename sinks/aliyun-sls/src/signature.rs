//! The header `Authorization`, by version 1 (aliyun-log-go-sdk signature.go) and version 4
//! (signature_v4.go) of SLS.

use crate::prelude::{String, Vec, format};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::Output;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `POST`.
    pub method: &'a str,
    /// As sent, percent-escaped where it has to be.
    pub path: &'a str,
    /// Parameters sorted by name, in the canonical form of the version; empty for none.
    pub query: &'a str,
    /// All headers, names in lower case; those that a signature does not cover are left out of it
    /// here.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Message<'a> {
    fn header(&self, name: &str) -> &'a str {
        self.headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
            .unwrap_or_default()
    }

    fn sorted(&self, covered: impl Fn(&str) -> bool) -> Vec<(&'a str, &'a str)> {
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(self.headers.len());
        for header in self.headers.iter().filter(|(name, _)| covered(name)) {
            headers.insert(headers.partition_point(|before| before < header), *header);
        }
        headers
    }
}

/// Version 1: HMAC-SHA1. Needs the headers `date`, and for a body `content-md5` and `content-type`.
pub fn v1(key_id: &str, key_secret: &str, message: &Message) -> String {
    let mut text = String::with_capacity(512);
    let fixed = [
        message.method,
        message.header("content-md5"),
        message.header("content-type"),
        message.header("date"),
    ];
    for line in fixed {
        push_all(&mut text, &[line, "\n"]);
    }
    for (name, value) in message.sorted(is_own) {
        push_all(&mut text, &[name, ":", value.trim(), "\n"]);
    }
    text.push_str(message.path);
    if !message.query.is_empty() {
        push_all(&mut text, &["?", message.query]);
    }
    let signature = STANDARD.encode(mac::<Hmac<Sha1>>(key_secret.as_bytes(), text.as_bytes()));
    format!("LOG {key_id}:{signature}")
}

/// Version 4: HMAC-SHA256 with a key for one day and region. Needs the headers `host`, `x-log-date`
/// (as `20261123T103246Z`) and `x-log-content-sha256`.
pub fn v4(key_id: &str, key_secret: &str, region: &str, message: &Message) -> String {
    const END: &str = "aliyun_v4_request";
    let at = message.header("x-log-date");
    let day = at.get(..8).unwrap_or(at);
    let scope = format!("{day}/{region}/sls/{END}");
    let canonical = canonical_v4(message);
    let text = format!(
        "SLS4-HMAC-SHA256\n{at}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("aliyun_v4{key_secret}").into_bytes();
    for part in [day, region, "sls", END] {
        key = mac::<Hmac<Sha256>>(&key, part.as_bytes()).to_vec();
    }
    let signature = hex(&mac::<Hmac<Sha256>>(&key, text.as_bytes()));
    format!("SLS4-HMAC-SHA256 Credential={key_id}/{scope},Signature={signature}")
}

/// Lower case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn canonical_v4(message: &Message) -> String {
    let covered = message.sorted(|name| is_own(name) || name == "host" || name == "content-type");
    let mut text = String::with_capacity(1024);
    push_all(
        &mut text,
        &[
            message.method,
            "\n",
            message.path,
            "\n",
            message.query,
            "\n",
        ],
    );
    for (name, value) in &covered {
        push_all(&mut text, &[name, ":", value, "\n"]);
    }
    text.push('\n');
    for (place, (name, _)) in covered.iter().enumerate() {
        push_all(&mut text, &[if place > 0 { ";" } else { "" }, name]);
    }
    push_all(&mut text, &["\n", message.header("x-log-content-sha256")]);
    text
}

/// SLS's own headers: any that is sent must be signed, but for those that describe metadata.
fn is_own(name: &str) -> bool {
    (name.starts_with("x-log-") || name.starts_with("x-acs-")) && !name.starts_with("x-log-meta-")
}

fn push_all(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Output<M> {
    // HMAC takes a key of any length: there is no other case.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Output::<M>::default();
    };
    mac.update(message);
    mac.finalize().into_bytes()
}
