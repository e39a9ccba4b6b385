//! Whether this machine's clock and those of destinations agree.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Response;

/// Seconds by which clocks may differ. Signed requests are refused at 15 minutes by SLS and others,
/// at 5 by some.
const TOLERATED: i64 = 4 * 60;

/// Remembers that it was said.
#[derive(Debug, Default)]
pub(super) struct Skew(AtomicBool);

impl Skew {
    /// By how many seconds the destination is ahead, the first time that it is too many.
    pub fn of(&self, answer: &Response, now: SystemTime) -> Option<i64> {
        let ahead = ahead(answer, now).filter(|ahead| ahead.abs() > TOLERATED)?;
        (!self.0.swap(true, Ordering::Relaxed)).then_some(ahead)
    }
}

/// By the answer's `Date` (RFC 9110, section 6.6.1).
fn ahead(answer: &Response, now: SystemTime) -> Option<i64> {
    let (_, date) = answer
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    let there = DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(std::str::from_utf8(date).ok()?.trim())
        .ok()?;
    Some(there.as_second() - Timestamp::try_from(now).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(date: &str) -> Response {
        Response {
            status: 200,
            headers: vec![("Date".to_owned(), date.as_bytes().to_vec())],
            body: Vec::new(),
            truncated: false,
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_once() {
        // 784111777 s since 1970: the example of RFC 9110.
        let now = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let skew = Skew::default();
        let answer = answer("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(skew.of(&answer, now(784_111_777 + 200)), None);
        assert_eq!(skew.of(&answer, now(784_111_777 + 3_600)), Some(-3_600));
        assert_eq!(
            skew.of(&answer, now(784_111_777 - 3_600)),
            None,
            "it was said"
        );
    }

    #[test]
    fn what_is_no_date_says_nothing() {
        assert_eq!(
            Skew::default().of(&answer("soon"), SystemTime::UNIX_EPOCH),
            None
        );
        assert_eq!(
            Skew::default().of(
                &Response {
                    headers: Vec::new(),
                    ..answer("")
                },
                SystemTime::UNIX_EPOCH
            ),
            None
        );
    }
}
