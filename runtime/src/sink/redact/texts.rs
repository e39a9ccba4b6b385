//! Texts about a grant, for those outside of this stage: without its secrets.

use crate::sink::grant::Grant;

use super::Redactor;

/// A text about a grant, for people: without the secrets of the grant.
pub fn words(grant: &Grant, text: &str) -> String {
    Redactor::new(&grant.env).words(text)
}

/// Bytes without the secrets of a grant.
pub fn redacted(grant: &Grant, bytes: &[u8]) -> Vec<u8> {
    Redactor::new(&grant.env).redact(bytes).into_owned()
}
