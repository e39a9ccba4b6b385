//! How much a sink may use.

use std::time::Duration;

use schemars::JsonSchema;
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
    /// Requests a minute.
    pub requests_per_minute: u64,
    /// Bytes of bodies a minute.
    pub bytes_per_minute: u64,
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
            // Far more than a sink sends that has a request for each event, and catches up.
            requests_per_minute: 600_000,
            bytes_per_minute: 2 << 30,
        }
    }
}

/// Limits that differ from the defaults: sizes such as 64MiB, times such as 60s.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Limits")]
pub struct Written {
    /// Memory of an instance, all its memories together; 64MiB by default, from 1MiB to 4GiB.
    memory: Option<Size>,
    /// Time of one call, waits included; 60s by default, at most 1h.
    call: Option<Time>,
    /// Events a batch; 1000 by default, or what the sink asks for.
    batch_events: Option<Count<10_000>>,
    /// Bytes of JSON a batch; 1MiB by default, or what the sink asks for; never more than an eighth
    /// of the memory.
    batch_bytes: Option<Size>,
    /// Requests that run at a time; 8 by default.
    http_width: Option<Count<64>>,
    /// Requests a minute; 600000 by default. What is over is not sent, and tried again.
    requests_per_minute: Option<Count<10_000_000>>,
    /// Bytes of bodies a minute; 2GiB by default. What is over is not sent, and tried again.
    bytes_per_minute: Option<Size>,
}

impl Written {
    /// Fills in the defaults.
    pub(super) fn resolve(&self) -> Limits {
        let default = Limits::default();
        Limits {
            memory: self.memory.map_or(default.memory, |Size(bytes)| bytes),
            call: self.call.map_or(default.call, |Time(time)| time),
            batch_events: self.batch_events.map(|Count(count)| count),
            batch_bytes: self.batch_bytes.map(|Size(bytes)| bytes),
            http_width: self
                .http_width
                .map_or(default.http_width, |Count(count)| count),
            requests_per_minute: self
                .requests_per_minute
                .map_or(default.requests_per_minute, |Count(count)| count as u64),
            bytes_per_minute: self
                .bytes_per_minute
                .map_or(default.bytes_per_minute, |Size(bytes)| bytes as u64),
            ..default
        }
    }
}

/// A number from 1 to a limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
#[schemars(inline, with = "u64", extend("minimum" = 1, "maximum" = MOST))]
struct Count<const MOST: usize>(usize);

impl<const MOST: usize> TryFrom<u64> for Count<MOST> {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        let count = usize::try_from(number)
            .ok()
            .filter(|count| (1..=MOST).contains(count));
        count
            .map(Self)
            .ok_or_else(|| format!("{number} must be from 1 to {MOST}"))
    }
}

/// Bytes, from 1 MiB to 4 GiB, or less than that for a batch.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9]+ ?(B|KiB|MiB|GiB)$"))]
struct Size(usize);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is not a size from 1KiB to 4GiB: write a number and one of B, KiB, MiB and GiB, such as 64MiB"
            )
        };
        let (digits, unit) = split(&text);
        let factor = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(refuse()),
        };
        let bytes = digits
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_mul(factor));
        bytes
            .filter(|bytes| (1 << 10..=4 << 30).contains(bytes))
            .map(Self)
            .ok_or_else(refuse)
    }
}

/// A time, up to an hour.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9]+ ?(ms|s|m)$"))]
struct Time(Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is not a time up to an hour: write a number and one of ms, s and m, such as 60s or 500ms"
            )
        };
        let (digits, unit) = split(&text);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(refuse()),
        };
        let time = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Duration::from_millis);
        time.filter(|time| !time.is_zero() && *time <= Duration::from_secs(3600))
            .map(Self)
            .ok_or_else(refuse)
    }
}

/// A number, and its unit with or without a space before it.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits, unit.strip_prefix(' ').unwrap_or(unit))
}
