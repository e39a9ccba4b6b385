//! Identities: by which key the file knows an event, and how long it does.

use std::time::Duration;

use rusqlite::types::Value;

/// Times the API server's `--event-ttl` for which identities are kept, since an audit asks for
/// them.
const IDENTITIES: u32 = 4;
/// How long they are kept at least while the API server was not seen to forget events: it may keep
/// them for longer than the operator says.
const UNSURE: Duration = Duration::from_secs(48 * 3600);
/// No `--event-ttl` is longer: an event that lived for longer was forgotten for another reason.
const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long identities are kept: an event that the API server still shows must be known, or a list
/// stores it again. `said` is its `--event-ttl` by the operator's word, `seen` the longest that it
/// was seen to have an event.
pub(super) fn identities_kept(said: Duration, seen: Duration) -> Duration {
    let longest = said.max(seen.min(LONGEST_LIFE)) * IDENTITIES;
    // A tenth less: leases of etcd are shared by events that are written soon after each other.
    if seen >= said / 10 * 9 {
        longest
    } else {
        longest.max(UNSURE)
    }
}

/// A resource version as a key has it.
pub(super) fn compact_version(version: &str) -> Value {
    // Only the canonical form of a number, so that two texts never share a key.
    match version.parse::<i64>() {
        Ok(number) if number.to_string() == version => Value::Integer(number),
        _ => Value::Text(version.to_owned()),
    }
}

/// A uid as a key has it: short where it is a UUID.
pub(super) fn compact_uid(uid: &str) -> Value {
    let parts: Vec<&str> = uid.split('-').collect();
    let canonical = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && uid
            .bytes()
            .all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'));
    match canonical.then(|| u128::from_str_radix(&parts.concat(), 16)) {
        Some(Ok(number)) => Value::Blob(number.to_be_bytes().to_vec()),
        _ => Value::Text(uid.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_kept_for_longer_than_the_api_server_shows_events_whatever_the_operator_says()
    {
        const HOUR: Duration = Duration::from_secs(3600);
        for (said, seen, kept) in [
            (HOUR, Duration::ZERO, UNSURE),
            (HOUR, HOUR, HOUR * 4),
            (HOUR, HOUR * 3, HOUR * 12),
            (HOUR / 900, HOUR / 120, HOUR / 30),
            (HOUR, Duration::from_secs(5), UNSURE),
            (HOUR * 24, HOUR, HOUR * 96),
            (HOUR, HOUR * 24 * 365, LONGEST_LIFE * 4),
        ] {
            assert_eq!(identities_kept(said, seen), kept, "{said:?}, seen {seen:?}");
        }
    }
}
