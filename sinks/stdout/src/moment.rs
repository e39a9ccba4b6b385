//! A moment as RFC 3339 text in UTC, with as many digits after the second as it has.

use time::OffsetDateTime;

use crate::Timestamp;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say; others become
/// the nearest.
const SAYABLE: (i64, i64) = (-62_135_596_800, 253_402_300_799);

/// As `2026-11-23T10:32:46Z`, or `2026-11-23T10:32:46.25Z`.
pub fn rfc3339(moment: &Timestamp) -> String {
    let seconds = moment.seconds.clamp(SAYABLE.0, SAYABLE.1);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match moment.nanoseconds {
        0 => whole + "Z",
        rest => format!("{whole}.{}Z", format!("{rest:09}").trim_end_matches('0')),
    }
}
