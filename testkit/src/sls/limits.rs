//! Limits of one write.

use super::refusal::Refusal;
use super::wire::{Log, LogGroup};

/// A value: doc "Log".
const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// Topic, source and keys: doc "Log".
const MAX_NAME_BYTES: usize = 128;
/// How old a log may be: doc "PutLogs".
const OLDEST_SECONDS: i64 = 7 * 24 * 3600;
/// How far in the future a log may lie: doc "PutLogs".
const NEWEST_SECONDS: i64 = 15 * 60;
/// Keys that the service fills itself: doc "Log".
const RESERVED_KEYS: [&str; 6] = [
    "__time__",
    "__source__",
    "__topic__",
    "__partition_time__",
    "_extract_others_",
    "__extract_others__",
];

/// How much one write may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of the group before compression.
    pub raw_bytes: usize,
    /// The number of logs.
    pub logs: usize,
}

impl Default for Limits {
    /// The older pages of the vendor, so that what passes here passes everywhere: 3 MB and 4096
    /// logs.
    fn default() -> Self {
        Self {
            raw_bytes: 3 * 1024 * 1024,
            logs: 4096,
        }
    }
}

impl Limits {
    /// The present pages of the vendor and py `put_logs`: 10 MB and 512,000 logs.
    #[must_use]
    pub fn newest() -> Self {
        Self {
            raw_bytes: 10 * 1024 * 1024,
            logs: 512_000,
        }
    }

    pub(crate) fn check_size(&self, raw_bytes: usize) -> Result<(), Refusal> {
        if raw_bytes <= self.raw_bytes {
            return Ok(());
        }
        let message = format!(
            "The body is {raw_bytes} bytes before compression, over {}.",
            self.raw_bytes
        );
        Err(Refusal::bad("PostBodyTooLarge", message))
    }

    /// Checks everything but the size. One bad log refuses the group.
    pub(crate) fn check_group(&self, group: &LogGroup, now_seconds: i64) -> Result<(), Refusal> {
        if group.logs.len() > self.logs {
            let message = format!(
                "The group holds {} logs, over {}.",
                group.logs.len(),
                self.logs
            );
            return Err(Refusal::bad("PostBodyTooLarge", message));
        }
        // No SDK sends an empty group (go `PutLogs` returns before it), so one is a client's fault:
        // own.
        if group.logs.is_empty() {
            return Err(invalid("The group holds no log."));
        }
        for (name, value) in [("topic", &group.topic), ("source", &group.source)] {
            if value.len() > MAX_NAME_BYTES {
                return Err(invalid(format!(
                    "The {name} is {} bytes, over {MAX_NAME_BYTES}.",
                    value.len()
                )));
            }
        }
        for (key, value) in &group.tags {
            check_value(key, value)?;
        }
        group
            .logs
            .iter()
            .try_for_each(|log| check_log(log, now_seconds))
    }
}

fn check_log(log: &Log, now_seconds: i64) -> Result<(), Refusal> {
    let time = i64::from(log.time);
    if time < now_seconds - OLDEST_SECONDS || time > now_seconds + NEWEST_SECONDS {
        return Err(invalid(format!(
            "The post data time is out of range: {time}, while the server has {now_seconds}."
        )));
    }
    if log
        .time_ns
        .is_some_and(|nanoseconds| nanoseconds > 999_999_999)
    {
        return Err(invalid("Time_ns is over 999999999."));
    }
    if log.contents.is_empty() {
        return Err(invalid("A log has no contents."));
    }
    for (key, value) in &log.contents {
        if !is_valid_key(key) {
            return Err(Refusal::bad(
                "InvalidKey",
                format!("The key {key:?} is invalid."),
            ));
        }
        check_value(key, value)?;
    }
    Ok(())
}

/// Letters, digits and `_`, not beginning with a digit, not reserved: doc "Log".
fn is_valid_key(key: &str) -> bool {
    key.len() <= MAX_NAME_BYTES
        && key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED_KEYS.contains(&key)
}

fn check_value(key: &str, value: &str) -> Result<(), Refusal> {
    if value.len() <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(invalid(format!(
        "The value of {key:?} is {} bytes, over {MAX_VALUE_BYTES}.",
        value.len()
    )))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::bad("PostBodyInvalid", message)
}
