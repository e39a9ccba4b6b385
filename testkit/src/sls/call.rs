//! One request as the checks see it: decoded once, borrowed from there on.

use bytes::Bytes;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::signature::Signable;

/// Method, path, parameters, headers and body of a request.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Decoded names and values, in the order sent.
    pub(crate) params: Vec<(String, String)>,
    /// Lower-case names; values that aren't UTF-8 are left out, and so fail the signature.
    headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(head: &Parts, body: Bytes) -> Self {
        let headers = head.headers.iter().filter_map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).ok()?;
            Some((name.as_str().to_owned(), value.trim().to_owned()))
        });
        Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            params: head.uri.query().map(parse_query_string).unwrap_or_default(),
            headers: headers.collect(),
            body,
        }
    }

    /// The first header of this (lower-case) name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The first parameter of this name.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        first(&self.params, name)
    }

    /// What a signature covers.
    pub(crate) fn signable(&self) -> Signable<'_> {
        Signable {
            method: &self.method,
            path: &self.path,
            params: &self.params,
            headers: &self.headers,
        }
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// `a=b&c=%20+` as pairs. `+` is a space, as both the Go and the Python SDK write it.
pub(crate) fn parse_query_string(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|part| !part.is_empty());
    pairs
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}
