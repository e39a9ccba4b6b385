//! The server's clock, which a test may set wrong, and the two date formats of requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a request's date may be off: doc "Common error codes", RequestTimeTooSkewed.
pub(crate) const GREATEST_SKEW_SECONDS: u64 = 15 * 60;

/// One reading of the clock, as the server pretends it to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now(SystemTime);

impl Now {
    pub(crate) fn with_offset(seconds: i64) -> Self {
        let shift = Duration::from_secs(seconds.unsigned_abs());
        let real = SystemTime::now();
        let shifted = if seconds < 0 {
            real.checked_sub(shift)
        } else {
            real.checked_add(shift)
        };
        Self(shifted.unwrap_or(real))
    }

    pub(crate) fn unix_seconds(self) -> i64 {
        seconds_since_1970(self.0)
    }

    /// For the header `Date`.
    pub(crate) fn http_date(self) -> String {
        httpdate::fmt_http_date(self.0)
    }

    pub(crate) fn is_near(self, unix_seconds: i64) -> bool {
        self.unix_seconds().abs_diff(unix_seconds) <= GREATEST_SKEW_SECONDS
    }
}

fn seconds_since_1970(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds)
        }
    }
}

/// The real wall clock in nanoseconds since 1970, for comparing arrivals with other processes.
pub(crate) fn wall_nanoseconds() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// `Tue, 15 Nov 1994 08:12:31 GMT` and no other of HTTP's date formats, as unix seconds.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text).ok()?;
    (httpdate::fmt_http_date(time) == text).then(|| seconds_since_1970(time))
}

/// `19941115T081231Z`, the `x-log-date` of version 4, as unix seconds.
pub(crate) fn parse_compact_date(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let exact = civil.strftime("%Y%m%dT%H%M%SZ").to_string() == text;
    let time = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
    exact.then(|| time.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_name_the_same_second() {
        assert_eq!(
            parse_http_date("Tue, 15 Nov 1994 08:12:31 GMT"),
            Some(784_887_151)
        );
        assert_eq!(parse_compact_date("19941115T081231Z"), Some(784_887_151));
    }

    #[test]
    fn other_formats_are_not_dates() {
        for text in [
            "Tuesday, 15-Nov-94 08:12:31 GMT",
            "Tue, 15 Nov 1994 08:12:31 +0000",
            "784887151",
            "",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
        for text in ["1994-11-15T08:12:31Z", "19941115T081231", "19941115T81231Z"] {
            assert_eq!(parse_compact_date(text), None, "{text}");
        }
    }
}
