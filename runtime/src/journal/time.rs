//! Times as the file has them: numbers since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|t| i64::try_from(t.as_secs()).ok())
        .unwrap_or(0)
}

/// The same; none for 1970 itself, which stands for a time that nobody knows.
pub(super) fn known_seconds(time: SystemTime) -> Option<i64> {
    Some(seconds(time)).filter(|seconds| *seconds > 0)
}

/// The reverse of [`known_seconds`].
pub(super) fn known_time(seconds: Option<i64>) -> SystemTime {
    time(seconds.unwrap_or(0))
}

/// The time so many seconds after 1970.
pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|t| i64::try_from(t.as_nanos()).ok())
        .unwrap_or(0)
}
