//! What can go wrong between this program and the API server, in words that say what it is.

use std::collections::BTreeMap;
use std::error::Error as Cause;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, RETRY_AFTER};
use serde::de::IgnoredAny;

use super::trust;
use crate::cluster::Error;
use crate::cluster::line::Status;
use crate::shown::brief;

/// Why there is no answer of an API server.
#[derive(Clone, Debug)]
pub(in crate::cluster) enum Failure {
    /// There are no credentials.
    Credentials(String),
    /// No connection, or none that can be trusted.
    Unreachable(String),
    /// Something answered that is no API server, or in a way that none answers.
    Foreign {
        /// HTTP status.
        status: u16,
        /// `Retry-After`.
        after: Option<Duration>,
        /// What it is.
        words: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(words) | Self::Unreachable(words) | Self::Foreign { words, .. } => {
                f.write_str(words)
            }
        }
    }
}

impl Cause for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Credentials(words) => Self::Credentials(words),
            Failure::Unreachable(words) => Self::Unreachable(words),
            // What is busy says when to come again.
            Failure::Foreign {
                status,
                after,
                words,
            } if status == 429 || status >= 500 => Self::Busy {
                status,
                message: words,
                after,
            },
            Failure::Foreign { words, .. } => Self::Protocol(words),
        }
    }
}

/// A time to wait, in seconds or until a date (RFC 9110, section 10.2.3). A date counts by the
/// answer's own clock, where it says what that is.
pub(in crate::cluster) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = text(http::header::DATE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

/// An error with its causes: the outermost says little ("client error (Connect)").
pub(in crate::cluster) fn chain(error: &(dyn Cause + 'static)) -> String {
    let mut words = String::new();
    for link in links(error) {
        let text = link.to_string();
        if !words.contains(&text) {
            words = if words.is_empty() {
                text
            } else {
                format!("{words}: {text}")
            };
        }
    }
    words
}

/// An error and its causes. What is inside of an I/O error is one of them, and not only its cause.
fn links<'a>(error: &'a (dyn Cause + 'static)) -> impl Iterator<Item = &'a (dyn Cause + 'static)> {
    std::iter::successors(Some(error), |link| {
        let link: &'a (dyn Cause + 'static) = *link;
        let inner = link
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        inner
            .map(|inner| inner as &(dyn Cause + 'static))
            .or_else(|| link.source())
    })
}

/// Why a request got no answer from `place`, a URL's scheme, host and port.
pub(super) fn words(error: &(dyn Cause + 'static), place: &str) -> String {
    let whole = chain(error);
    for link in links(error) {
        if let Some(failure) = link.downcast_ref::<Failure>() {
            return failure.to_string();
        }
        if let Some(tls) = link.downcast_ref::<rustls::Error>() {
            return format!("{place} {}", trust::words(tls));
        }
        if link
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return format!(
                "what answers at {place} does not speak HTTP: is it https:// and not http://, or another port? ({whole})"
            );
        }
    }
    if whole.contains("dns error") || whole.contains("failed to lookup address") {
        let why = links(error)
            .last()
            .map_or_else(String::new, ToString::to_string);
        return format!("the name in {place} has no address: {why}");
    }
    let kind = links(error)
        .find_map(|link| link.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    match kind {
        Some(ErrorKind::ConnectionRefused) => {
            format!("nothing listens at {place} (connection refused)")
        }
        Some(ErrorKind::TimedOut) => format!("no answer from {place} in time"),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
            format!("there is no way to {place}: {whole}")
        }
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
            format!("{place} closed the connection ({whole})")
        }
        _ => format!("{place}: {whole}"),
    }
}

/// What an answer says that is no success: a Status, or the beginning of what stands in its place.
pub(in crate::cluster) fn status_of(body: &[u8]) -> Status {
    let status = std::str::from_utf8(body)
        .ok()
        .and_then(|json| Status::of(json).ok())
        .unwrap_or_default();
    if !status.message.is_empty() {
        return status;
    }
    let beginning = brief(String::from_utf8_lossy(body).trim());
    Status {
        message: if beginning.is_empty() {
            "without words".to_owned()
        } else {
            beginning
        },
        ..status
    }
}

/// What is wrong with the text of a success that isn't what was asked for. Nothing of a page but
/// its title is told.
pub(in crate::cluster) fn unreadable(body: &[u8], why: &str) -> String {
    let text = String::from_utf8_lossy(body);
    let begin = text.trim_start();
    if begin.is_empty() {
        return "it is empty: something between this program and the API server answers in its place".to_owned();
    }
    if begin.starts_with('<') {
        let title = begin
            .split_once("<title>")
            .and_then(|(_, rest)| rest.split_once("</title>"));
        let title = brief(title.map_or("", |(title, _)| title.trim()));
        let title = if title.is_empty() {
            String::new()
        } else {
            format!(", \"{title}\"")
        };
        return format!(
            "it is a web page{title}, such as the login of a proxy: the URL must be that of the API server itself"
        );
    }
    if body.starts_with(&[0x1f, 0x8b]) {
        return "it is compressed (gzip) without saying so".to_owned();
    }
    if !begin.starts_with('{') {
        return format!(
            "it begins with \"{}\", and is no JSON object: something between this program and the API server answers in its place",
            brief(begin)
        );
    }
    if serde_json::from_str::<BTreeMap<String, IgnoredAny>>(begin)
        .is_ok_and(|object| !object.contains_key("kind"))
    {
        return format!(
            "{why}: it begins with \"{}\", and has no kind as an API server's answers have",
            brief(begin)
        );
    }
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn after(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        retry_after(&headers).map(|time| time.as_secs())
    }

    #[test]
    fn a_time_to_wait_is_seconds_or_a_date_in_each_form_of_http() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        assert_eq!(after(&[("retry-after", " 7 ")]), Some(7));
        assert_eq!(
            after(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), date]),
            Some(7)
        );
        assert_eq!(
            after(&[("retry-after", "Sunday, 06-Nov-94 08:49:37 GMT"), date]),
            Some(7)
        );
        assert_eq!(
            after(&[("retry-after", "Sun Nov  6 08:49:37 1994"), date]),
            Some(7)
        );
        assert_eq!(
            after(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            Some(0),
            "it is over"
        );
        for none in ["", "soon", "-1", "1.5"] {
            assert_eq!(after(&[("retry-after", none)]), None, "{none}");
        }
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn of_a_page_the_title_is_told_and_nothing_else() {
        let told = unreadable(b" <!DOCTYPE html><title>Sign\nin</title><p>secret", "x");
        assert!(
            told.contains("\"Sign in\"") && !told.contains("secret"),
            "{told}"
        );
        assert!(
            unreadable("<title>a\u{1b}[2J\u{202e}b</title>".as_bytes(), "x")
                .contains("\"a\\u{1b}[2J\\u{202e}b\"")
        );
        assert_eq!(
            status_of("\u{9b}2J\u{200b}".as_bytes()).message,
            "\\u{9b}2J\\u{200b}"
        );
        assert_eq!(status_of(b" \n").message, "without words");
        assert!(unreadable(b"\x1f\x8b\x08", "x").contains("gzip"));
        assert_eq!(unreadable(b"{", "x"), "x");
        assert_eq!(unreadable(b"{\"kind\":\"Status\"}", "x"), "x");
        assert!(unreadable(b"{\"error\":\"no tenant\"}", "x").contains("no tenant"));
    }
}
