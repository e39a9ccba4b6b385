//! Signatures of requests, computed anew from what arrived. Both versions are pure functions.

pub mod v1;
pub mod v4;

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// `POST`, `GET`.
    pub method: &'a str,
    /// The path as sent, still percent-encoded.
    pub path: &'a str,
    /// Decoded parameters.
    pub params: &'a [(String, String)],
    /// Headers with lower-case names and trimmed values.
    pub headers: &'a [(String, String)],
}

impl Signable<'_> {
    fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    fn sorted_params(&self) -> Vec<(&str, &str)> {
        let mut params: Vec<_> = self
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        params.sort_unstable();
        params
    }

    fn sorted_headers(&self, is_signed: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let signed = self.headers.iter().filter(|(name, _)| is_signed(name));
        let mut signed: Vec<_> = signed
            .map(|(name, value)| (name.as_str(), value.trim()))
            .collect();
        signed.sort_unstable();
        signed
    }
}

/// `x-log-*` and `x-acs-*`, but not `x-log-meta-*` (py `util.py` `_is_extra_sign_header`).
fn is_own_header(name: &str) -> bool {
    name.starts_with("x-acs-") || (name.starts_with("x-log-") && !name.starts_with("x-log-meta-"))
}
