//! What an answer means for the events of its request: as every sink has it, and with a date or a
//! body where the receiver says it so.

use std::time::{Duration, SystemTime};

use kubedl_events_sink::Error;
use kubedl_events_sink::http::{self, Answer, Response};
use regex_lite::Regex;

/// Characters of an answer's body that are told.
const LONGEST: usize = 200;

/// `Ok` where the events are stored. `stored_if` is what the body of a success must have in it;
/// without it every success counts.
///
/// # Errors
/// As [`http::settle`]; and to try again, where a success has another body.
pub fn settle(answer: &Answer, stored_if: Option<&Regex>, now: SystemTime) -> Result<(), Error> {
    match (http::settle(answer), answer) {
        (Ok(()), Ok(response)) => stored_if.map_or(Ok(()), |wanted| look(response, wanted)),
        // The seconds are read already; what is left is a date.
        (Err(Error::Retry(retry)), Ok(response)) if retry.after_ms.is_none() => {
            Err(match until_date(response, now) {
                Some(after) => Error::retry_after(retry.reason, after),
                None => Error::Retry(retry),
            })
        }
        (settled, _) => settled,
    }
}

fn look(response: &Response, wanted: &Regex) -> Result<(), Error> {
    let body = String::from_utf8_lossy(&response.body);
    if wanted.is_match(&body) {
        return Ok(());
    }
    let words: String = body.trim().chars().take(LONGEST).collect();
    Err(Error::retry(format!(
        "the destination answered {}, but with a body that WEBHOOK_STORED_IF does not match: {words:?}",
        response.status
    )))
}

/// How long it is until the date of `Retry-After` (RFC 9110, section 10.2.3), by the clock of the
/// answer, where it says what that is.
fn until_date(response: &Response, now: SystemTime) -> Option<Duration> {
    let date = |name| httpdate::parse_http_date(response.header(name)?.trim()).ok();
    let until = date("retry-after")?;
    Some(
        until
            .duration_since(date("date").unwrap_or(now))
            .unwrap_or_default(),
    )
}
