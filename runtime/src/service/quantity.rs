//! Sizes and times, as settings have them.

use std::time::Duration;

/// Bytes with a unit as Kubernetes writes it: Ki, Mi, Gi.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let refuse = || {
        format!("{text:?} is not a size: write a number and one of Ki, Mi and Gi, such as 512Mi")
    };
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit {
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        _ => return Err(refuse()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|size| *size >= 1 << 20)
        .ok_or_else(refuse)
}

/// A time with its unit: ms, s, m or h.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => {
            return digits
                .parse()
                .map(Duration::from_millis)
                .map_err(|_| format!("{text:?} is not a time"));
        }
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => {
            return Err(format!(
                "{text:?} is not a time: write a number and one of ms, s, m and h, such as 90s"
            ));
        }
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|n| n.checked_mul(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is not a time"))
}
