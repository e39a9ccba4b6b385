//! Which events are there already. Graphite stores what it is given as often as it is given it.

use std::fmt::Write;

use kubedl_events_sink::{Error, Retry, http};
use serde_json::Value;

use crate::tags::Identity;

/// 2001-09-09. Before, seconds have eight digits or so, which Graphite may read as a date: such
/// events are looked for since 1970.
const UNMISTAKABLE: i64 = 1_000_000_000;

/// The query of `/events/get_data` for one version of an event that happened at this second since
/// 1970.
pub fn query(identity: &Identity, seconds: i64) -> String {
    let (from, until) = if seconds > UNMISTAKABLE {
        (seconds - 1, seconds + 2)
    } else {
        (0, UNMISTAKABLE + 2)
    };
    format!(
        "tags={}%20{}&set=intersection&from={from}&until={until}",
        escape(&identity.uid),
        escape(&identity.resource_version)
    )
}

/// Whether an answer has it.
///
/// # Errors
/// When the answer doesn't tell: the event must not be sent again then.
pub fn is_there(answer: &http::Answer, identity: &Identity) -> Result<bool, Error> {
    http::settle(answer)
        .map_err(|error| prefixed(error, "cannot look whether the event is stored already: "))?;
    let body = answer
        .as_ref()
        .map(|response| response.body.as_slice())
        .unwrap_or_default();
    // Graphite says [] for nothing; who says nothing at all to this would say so to the event too,
    // which then counts as stored.
    if body.is_empty() {
        return Ok(false);
    }
    let Ok(Value::Array(events)) = serde_json::from_slice(body) else {
        return Err(Error::misconfigured(
            "cannot look whether the event is stored already: the answer is not a list of Graphite's events",
        ));
    };
    // Graphite 0.9 doesn't know set=intersection, and finds more than was asked for.
    Ok(events
        .iter()
        .any(|event| has(event, &identity.uid) && has(event, &identity.resource_version)))
}

fn has(event: &Value, wanted: &str) -> bool {
    match event.get("tags") {
        Some(Value::Array(tags)) => tags.iter().any(|tag| tag == wanted),
        Some(Value::String(tags)) => tags.split(' ').any(|tag| tag == wanted),
        _ => false,
    }
}

fn prefixed(error: Error, words: &str) -> Error {
    match error {
        Error::Retry(Retry { reason, after_ms }) => Error::Retry(Retry {
            reason: format!("{words}{reason}"),
            after_ms,
        }),
        // What the destination makes of the question is no verdict on the event.
        Error::Refused(reason) | Error::Misconfigured(reason) => {
            Error::misconfigured(format!("{words}{reason}"))
        }
    }
}

/// A text as a value in a query (RFC 3986, section 2.3).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a text can't fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
