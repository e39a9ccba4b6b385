//! How much a sink may use.

use std::time::Duration;

use serde::Deserialize;

/// Limits of one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of one instance, all its memories together.
    pub memory: usize,
    /// Time of one call, waits included.
    pub call: Duration,
    /// Events a batch.
    pub batch_events: Option<usize>,
    /// Bytes of JSON a batch.
    pub batch_bytes: Option<usize>,
    /// Requests of `send-all` at a time.
    pub http_width: usize,
    /// Bytes of a request's body.
    pub request_body: usize,
    /// Bytes of an answer's body; more is cut.
    pub response_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            call: Duration::from_secs(60),
            batch_events: None,
            batch_bytes: None,
            http_width: 8,
            request_body: 32 << 20,
            response_body: 4 << 20,
        }
    }
}

/// Limits as written in a grant: sizes such as `64MiB`, times such as `60s`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Written {
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    call: Option<String>,
    #[serde(default)]
    batch_events: Option<usize>,
    #[serde(default)]
    batch_bytes: Option<String>,
    #[serde(default)]
    http_width: Option<usize>,
}

impl Written {
    /// Fills in the defaults.
    pub(super) fn resolve(&self) -> Result<Limits, String> {
        let mut limits = Limits { batch_events: self.batch_events, ..Limits::default() };
        if let Some(text) = &self.memory {
            limits.memory = size(text).ok_or_else(|| complain("memory", text, "a size such as 64MiB"))?;
        }
        if let Some(text) = &self.call {
            limits.call = time(text).ok_or_else(|| complain("call", text, "a time such as 60s or 500ms"))?;
        }
        if let Some(text) = &self.batch_bytes {
            limits.batch_bytes = Some(size(text).ok_or_else(|| complain("batch-bytes", text, "a size such as 3MiB"))?);
        }
        if let Some(width) = self.http_width {
            if !(1..=64).contains(&width) {
                return Err(format!("limits: http-width is {width}, but must be from 1 to 64"));
            }
            limits.http_width = width;
        }
        if limits.batch_events == Some(0) {
            return Err("limits: batch-events is 0, but a batch needs at least one event".to_owned());
        }
        Ok(limits)
    }
}

fn complain(key: &str, text: &str, wanted: &str) -> String {
    format!("limits: {key} is {text:?}, but must be {wanted}")
}

fn size(text: &str) -> Option<usize> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(factor).filter(|size| *size > 0)
}

fn time(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().ok().filter(|number| *number > 0)?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}
