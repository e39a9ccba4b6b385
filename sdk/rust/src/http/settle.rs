//! What an answer means for the events that its request was about.

use std::time::Duration;

use super::{Answer, Error, Response};
use crate::{Error as Outcome, Failure, failures};

/// Characters of an answer's body that are told.
const LONGEST_WORDS: usize = 200;

/// What an answer means for the events it was about: `Ok` where they are stored.
///
/// | answer | means |
/// |---|---|
/// | 2xx | stored |
/// | 408, 425, 429, 5xx | retry, not before the seconds of `Retry-After` |
/// | 3xx, 401, 403, 404, 405, 407, 410 | misconfigured |
/// | other 4xx | refused |
/// | denied, invalid request | misconfigured |
/// | request too large | refused |
/// | no answer for another reason | retry |
///
/// # Errors
/// Everything but the first row.
pub fn settle(answer: &Answer) -> Result<(), Outcome> {
    match answer {
        Ok(response) if response.is_success() => Ok(()),
        Ok(response) => Err(of_response(response)),
        Err(error) => Err(of_error(error)),
    }
}

/// As [`settle`] for answers that each are about one event, in the order of the events: what `save`
/// returns.
///
/// # Errors
/// As [`failures`].
pub fn settle_all(answers: &[Answer]) -> Result<Vec<Failure>, Outcome> {
    failures(answers.iter().map(settle))
}

fn of_response(response: &Response) -> Outcome {
    let status = response.status;
    let reason = match words(&response.body) {
        Some(words) => format!("the destination answered {status}: {words}"),
        None => format!("the destination answered {status}"),
    };
    match status {
        300..400 | 401 | 403 | 404 | 405 | 407 | 410 => Outcome::misconfigured(reason),
        408 | 425 | 429 => retry(reason, response),
        400..500 => Outcome::refused(reason),
        // 5xx; and what no destination should answer says nothing against the events either.
        _ => retry(reason, response),
    }
}

/// Seconds only: for a date the clocks of both sides would have to agree.
fn retry(reason: String, response: &Response) -> Outcome {
    let seconds = response
        .header("retry-after")
        .and_then(|value| value.trim().parse::<u32>().ok());
    match seconds {
        Some(seconds) => Outcome::retry_after(reason, Duration::from_secs(seconds.into())),
        None => Outcome::retry(reason),
    }
}

fn of_error(error: &Error) -> Outcome {
    let reason = |case: &str, words: &str| match words {
        "" => format!("no answer from the destination: {case}"),
        words => format!("no answer from the destination: {case}: {words}"),
    };
    match error {
        Error::Denied(words) => Outcome::misconfigured(reason("denied", words)),
        Error::InvalidRequest(words) => Outcome::misconfigured(reason("invalid request", words)),
        Error::RequestTooLarge(limit) => Outcome::refused(reason(
            "request too large",
            &format!("at most {limit} bytes are granted"),
        )),
        Error::Dns(words) => Outcome::retry(reason("dns", words)),
        Error::Connect(words) => Outcome::retry(reason("connect", words)),
        Error::Tls(words) => Outcome::retry(reason("tls", words)),
        Error::Proxy(words) => Outcome::retry(reason("proxy", words)),
        Error::NotSent(words) => Outcome::retry(reason("not sent", words)),
        Error::Timeout => Outcome::retry(reason("timeout", "")),
        Error::Interrupted(words) => Outcome::retry(reason("interrupted", words)),
        Error::Protocol(words) => Outcome::retry(reason("protocol", words)),
        Error::Other(words) => Outcome::retry(reason("other", words)),
    }
}

/// The beginning of a body, if it is text.
fn words(body: &[u8]) -> Option<String> {
    // A character has four bytes at most: more need not be looked at.
    let beginning = body.get(..LONGEST_WORDS * 4).unwrap_or(body);
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        // Only the last character was cut.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(beginning.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let text: String = text.trim().chars().take(LONGEST_WORDS).collect();
    let is_text = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    (is_text && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    fn status(status: u16) -> Answer {
        Ok(fake::response(status, &[], "words"))
    }

    #[test]
    fn a_status_decides_who_must_act() {
        for stored in [200, 201, 202, 204, 299] {
            assert_eq!(settle(&status(stored)), Ok(()), "{stored}");
        }
        for later in [408, 425, 429, 500, 502, 503, 504, 599, 100, 600] {
            assert_eq!(
                settle(&status(later)),
                Err(Outcome::retry(format!(
                    "the destination answered {later}: words"
                )))
            );
        }
        for person in [
            300, 301, 302, 304, 307, 308, 399, 401, 403, 404, 405, 407, 410,
        ] {
            assert_eq!(
                settle(&status(person)),
                Err(Outcome::misconfigured(format!(
                    "the destination answered {person}: words"
                )))
            );
        }
        for events in [400, 402, 406, 409, 411, 413, 414, 415, 422, 431, 451, 499] {
            assert_eq!(
                settle(&status(events)),
                Err(Outcome::refused(format!(
                    "the destination answered {events}: words"
                )))
            );
        }
    }

    #[test]
    fn a_destination_may_say_when_to_come_again_in_seconds() {
        let answer = |value: &str| settle(&Ok(fake::response(429, &[("Retry-After", value)], "")));
        let reason = "the destination answered 429";
        assert_eq!(
            answer("7"),
            Err(Outcome::retry_after(reason, Duration::from_secs(7)))
        );
        for other in [
            "Wed, 21 Oct 2026 07:28:00 GMT",
            "-1",
            "1.5",
            "",
            "99999999999",
        ] {
            assert_eq!(answer(other), Err(Outcome::retry(reason)), "{other}");
        }
    }

    #[test]
    fn no_answer_is_told_with_its_case() {
        let settle = |error| settle(&Err(error));
        let words = || "why".to_owned();
        let no = |case: &str| format!("no answer from the destination: {case}");
        assert_eq!(
            settle(Error::Denied(words())),
            Err(Outcome::misconfigured(no("denied: why")))
        );
        assert_eq!(
            settle(Error::InvalidRequest(words())),
            Err(Outcome::misconfigured(no("invalid request: why")))
        );
        assert_eq!(
            settle(Error::RequestTooLarge(9)),
            Err(Outcome::refused(no(
                "request too large: at most 9 bytes are granted"
            )))
        );
        assert_eq!(settle(Error::Timeout), Err(Outcome::retry(no("timeout"))));
        let others = [
            Error::Dns(words()),
            Error::Connect(words()),
            Error::Tls(words()),
            Error::Proxy(words()),
            Error::NotSent(words()),
        ];
        for error in others.into_iter().chain([
            Error::Interrupted(words()),
            Error::Protocol(words()),
            Error::Other(words()),
        ]) {
            assert!(
                matches!(settle(error.clone()), Err(Outcome::Retry(_))),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_body_is_told_as_far_as_it_is_text() {
        let told = |body: &[u8]| words(body);
        assert_eq!(told(b" two\nlines\n"), Some("two\nlines".to_owned()));
        assert_eq!(told("ü".repeat(1000).as_bytes()), Some("ü".repeat(200)));
        assert_eq!(
            told("\u{1F600}".repeat(1000).as_bytes()),
            Some("\u{1F600}".repeat(200))
        );
        assert_eq!(
            told(format!("a{}", "\u{1F600}".repeat(1000)).as_bytes())
                .map(|text| text.chars().count()),
            Some(200)
        );
        for none in [
            b"".as_slice(),
            b" \n",
            b"\x1f\x8b\x08",
            b"a\0b",
            b"\xff\xfe",
        ] {
            assert_eq!(told(none), None, "{none:?}");
        }
    }

    #[test]
    fn answers_about_one_event_each_name_those_that_failed() {
        let failed = Failure::refused(1, "the destination answered 400: words");
        assert_eq!(settle_all(&[status(202), status(400)]), Ok(vec![failed]));
    }
}
