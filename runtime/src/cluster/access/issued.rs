//! Credentials as they were issued: a header, or the certificate of a client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use kube::config::AuthInfo;
use serde_json::json;

/// The value of the header for a token; white space around it is none of it. `whose` begins the
/// sentence where it can't be one.
pub(super) fn bearer(token: &str, whose: &str) -> Result<HeaderValue, String> {
    let token = token.trim_start_matches('\u{feff}').trim();
    if token.is_empty() {
        return Err(format!("{whose} is empty"));
    }
    let place = token.chars().position(|c| !(' '..='~').contains(&c));
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| place.is_none()).ok_or_else(|| {
        let place = place.map_or_else(String::new, |place| format!(", at character {}", place + 1));
        format!("{whose} has a character that no header may hold{place}, such as a line end: write the token alone")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The value of the header for a user and a password.
pub(super) fn basic(name: &str, password: &str) -> Result<HeaderValue, String> {
    use base64::Engine;
    let written = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    let mut value =
        HeaderValue::try_from(format!("Basic {written}")).map_err(|why| why.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A certificate of a client, and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Identity {
    /// Into what kube makes a connection of.
    pub(super) fn enter(&self, login: &mut AuthInfo) -> Result<(), String> {
        use base64::Engine;
        let [certificate, key] = [&self.certificate, &self.key]
            .map(|text| base64::engine::general_purpose::STANDARD.encode(text));
        let entered = json!({ "client-certificate-data": certificate, "client-key-data": key });
        *login = serde_json::from_value(entered).map_err(|why| why.to_string())?;
        Ok(())
    }
}

/// Credentials as they were issued.
pub(super) struct Issued {
    pub header: Option<HeaderValue>,
    pub identity: Option<Identity>,
    /// When they end, where they do.
    pub until: Option<SystemTime>,
    pub(super) at: Instant,
    /// The API server does not take them.
    refused: AtomicBool,
}

impl Issued {
    pub(super) fn new(
        header: Option<HeaderValue>,
        identity: Option<Identity>,
        until: Option<SystemTime>,
    ) -> Self {
        Self {
            header,
            identity,
            until,
            at: Instant::now(),
            refused: AtomicBool::new(false),
        }
    }

    /// The next request needs others. (As client-go does after a 401.)
    pub(super) fn are_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether they hold for longer than this.
    pub(super) fn hold(&self, longer: Duration) -> bool {
        let ends_later = |until: SystemTime| {
            until
                .duration_since(SystemTime::now())
                .is_ok_and(|rest| rest > longer)
        };
        !self.refused.load(Ordering::Relaxed) && self.until.is_none_or(ends_later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_without_the_white_space_around_it_and_refused_with_some_in_it() {
        assert_eq!(bearer(" abc.def\r\n", "t").unwrap(), "Bearer abc.def");
        for bad in ["a\nb", "a\u{e4}", "a\u{0}b", "a\tb\n"] {
            let why = bearer(bad, "the token").unwrap_err();
            assert!(why.contains("at character 2"), "{why}");
        }
        assert_eq!(
            bearer(" \n", "the token"),
            Err("the token is empty".to_owned())
        );
    }
}
