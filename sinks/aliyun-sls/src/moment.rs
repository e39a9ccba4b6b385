//! Moments as text, in the three forms that SLS and KubeDL's reader want, all in UTC and whole
//! seconds.

use crate::prelude::{String, format};
use time::{Date, Month, OffsetDateTime, Time};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say.
const SAYABLE: (i64, i64) = (-62_135_596_800, 253_402_300_799);

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds since 1970 as `2026-11-23T10:32:46Z`; years beyond 1..9999 become the nearest of them.
pub fn rfc3339(seconds: i64) -> [u8; 20] {
    let at = date_time(seconds);
    let (year, month, day) = (at.year().unsigned_abs(), u8::from(at.month()), at.day());
    let [century, years] = [year / 100 % 100, year % 100].map(|n| pair(n as u8));
    let [month, day, hour, minute, second] =
        [month, day, at.hour(), at.minute(), at.second()].map(pair);
    let ((c1, c2), (y1, y2), (m1, m2), (d1, d2)) = (century, years, month, day);
    let ((h1, h2), (i1, i2), (s1, s2)) = (hour, minute, second);
    [
        c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2, b'Z',
    ]
}

/// Seconds since 1970 as `20261123T103246Z`, the form of the header `x-log-date` (aliyun-log-go-sdk
/// signature_v4.go ISO8601).
pub fn compact(seconds: i64) -> String {
    rfc3339(seconds)
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b':'))
        .map(|&byte| char::from(byte))
        .collect()
}

/// Seconds since 1970 as `Mon, 23 Nov 2026 10:32:46 GMT`, the form of the header `Date` (RFC 9110,
/// 5.6.7).
pub fn http_date(seconds: i64) -> String {
    let at = date_time(seconds);
    let weekday = WEEKDAYS
        .get(usize::from(at.weekday().number_days_from_monday()))
        .copied()
        .unwrap_or_default();
    let month = MONTHS
        .get(usize::from(u8::from(at.month())) - 1)
        .copied()
        .unwrap_or_default();
    let (day, year, hour, minute, second) =
        (at.day(), at.year(), at.hour(), at.minute(), at.second());
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The seconds since 1970 that a header `Date` gives; none when it is not in the form of
/// [`http_date`].
pub fn parse_http_date(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let _weekday = words.next()?;
    let day = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let year = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u8>().ok());
    let time = Time::from_hms(clock.next()??, clock.next()??, clock.next()??).ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month as u8 + 1).ok()?, day).ok()?;
    Some(date.with_time(time).assume_utc().unix_timestamp())
}

fn date_time(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds.clamp(SAYABLE.0, SAYABLE.1))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn pair(number: u8) -> (u8, u8) {
    (b'0' + number / 10 % 10, b'0' + number % 10)
}
