//! The parts of a secret that say something alone: user, password, host, path and query of a URL,
//! leaves of JSON, values of pairs and headers, lines. Pure.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A shorter part is not searched for: it would be found where it isn't meant.
pub(super) const SHORTEST: usize = 8;
/// Parts of parts, so many deep.
const DEEPEST: usize = 6;
/// Parts of one secret, at most.
const MOST: usize = 1_000;
/// Of a part of at least so many bytes pieces are searched for, too.
const SPLIT: usize = 16;
/// A part that is longer is searched for by its pieces alone.
pub(super) const LONGEST: usize = 1 << 10;
/// Bytes of a piece.
const PIECE: usize = 12;
/// Bytes between the beginnings of two pieces: so a run of 15 bytes of a part is found, wherever it
/// was cut.
const STEP: usize = 4;
/// And of a part of more than [`DENSE`] bytes: a run of 63 bytes is found.
const WIDE_STEP: usize = 52;
/// See [`WIDE_STEP`].
const DENSE: usize = 256;
/// Pieces of one secret, at most: enough for one of 64 KiB.
const MOST_PIECES: usize = 1_300;

/// The whole, all its parts, and pieces of those that are not made of parts.
pub(super) fn of(secret: &str) -> BTreeSet<String> {
    let mut found = Found::default();
    found.take(secret, DEEPEST, true);
    let mut pieces = BTreeSet::new();
    for leaf in &found.leaves {
        pieces.extend(split(leaf).take(MOST_PIECES.saturating_sub(pieces.len())));
    }
    found.parts.retain(|part| part.len() <= LONGEST);
    found.parts.extend(pieces);
    if secret.len() > LONGEST {
        return found.parts;
    }
    // As it is, whatever it was taken apart into.
    found.parts.insert(secret.to_owned());
    found.parts
}

/// Whether some of it is searched for by pieces that lie apart.
pub(super) fn is_long(secret: &str) -> bool {
    secret.len() > DENSE
        && secret
            .split(char::is_whitespace)
            .any(|word| word.len() > DENSE)
}

/// Pieces of a text, at the boundaries of its characters.
fn split(text: &str) -> impl Iterator<Item = String> {
    let (long, step) = (
        text.len() >= SPLIT,
        if text.len() > DENSE { WIDE_STEP } else { STEP },
    );
    let last = text.len().saturating_sub(PIECE);
    (0..last)
        .step_by(step)
        .chain([last])
        .filter(move |_| long)
        .filter_map(|start| {
            let start = (start..).find(|place| text.is_char_boundary(*place))?;
            let end = (start + PIECE..=text.len()).find(|place| text.is_char_boundary(*place))?;
            text.get(start..end).map(str::to_owned)
        })
}

#[derive(Default)]
struct Found {
    parts: BTreeSet<String>,
    /// Those that are not made of others.
    leaves: BTreeSet<String>,
}

impl Found {
    /// `named`: the host of a URL counts, too. It doesn't inside of JSON, where it is mostly a
    /// service that everybody knows.
    fn take(&mut self, text: &str, deep: usize, named: bool) {
        let text = text.trim().trim_matches(['"', '\'']).trim();
        if text.len() < SHORTEST || self.parts.len() >= MOST || !self.parts.insert(text.to_owned())
        {
            return;
        }
        let Some(deep) = deep.checked_sub(1) else {
            return;
        };
        let parts = parts(text, named);
        if parts.is_empty() {
            self.leaves.insert(text.to_owned());
        }
        for Part { text, named } in parts {
            self.take(&text, deep, named);
        }
    }
}

struct Part {
    text: String,
    named: bool,
}

/// What a text is made of; nothing where it is one piece.
fn parts(text: &str, named: bool) -> Vec<Part> {
    let all = |texts: Vec<String>| texts.into_iter().map(|text| Part { text, named }).collect();
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(text)
    {
        let mut leaves = Vec::new();
        strings(&value, &mut leaves);
        return leaves
            .into_iter()
            .map(|text| Part { text, named: false })
            .collect();
    }
    if text.contains(['\n', '\r']) {
        return all(text.lines().map(str::to_owned).collect());
    }
    if let Some((name, value)) = text.split_once(':')
        && value.starts_with(char::is_whitespace)
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        return all(vec![value.to_owned()]);
    }
    if let Some((scheme, rest)) = text.split_once("://")
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return all(of_url(rest, named));
    }
    all(of_words(text))
}

/// Words and values of pairs; where there is but one word, what stands between its marks.
fn of_words(text: &str) -> Vec<String> {
    let pieces: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | ','))
        .filter(|piece| !piece.is_empty())
        .collect();
    let is_key = |key: &str| {
        !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let value = |piece: &str| {
        piece
            .split_once('=')
            .filter(|(key, value)| is_key(key) && !value.trim_matches('=').is_empty())
            .map(|(_, value)| value.to_owned())
    };
    if pieces.len() > 1 || pieces.iter().any(|piece| value(piece).is_some()) {
        let of_basic = pieces
            .iter()
            .zip(pieces.iter().skip(1))
            .filter(|(word, _)| word.eq_ignore_ascii_case("basic"))
            .filter_map(|(_, text)| decoded(text));
        let own = pieces
            .iter()
            .map(|piece| value(piece).unwrap_or_else(|| (*piece).to_owned()));
        return own.chain(of_basic.collect::<Vec<_>>()).collect();
    }
    let tokens: Vec<String> = text
        .split(['@', ':', '/', '?', '#', '(', ')', '|', '='])
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
        .collect();
    if tokens.len() > 1 { tokens } else { Vec::new() }
}

/// User and password, as they were before they were encoded.
fn decoded(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

fn of_url(rest: &str, named: bool) -> Vec<String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (login, place) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(login, place)| (Some(login), place));
    let mut parts: Vec<String> = login
        .into_iter()
        .flat_map(|login| login.splitn(2, ':'))
        .map(str::to_owned)
        .collect();
    if named {
        let host = place
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(place, |(host, _)| host);
        parts.push(host.to_owned());
    }
    let (tail, fragment) = tail
        .split_once('#')
        .map_or((tail, None), |(tail, fragment)| (tail, Some(fragment)));
    let (path, query) = tail
        .split_once('?')
        .map_or((tail, None), |(path, query)| (path, Some(query)));
    parts.push(tail.to_owned());
    parts.push(path.trim_start_matches('/').to_owned());
    parts.extend(path.split('/').map(str::to_owned));
    parts.extend(query.into_iter().chain(fragment).map(str::to_owned));
    let decoded: Vec<String> = parts
        .iter()
        .filter(|part| part.contains('%'))
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    parts.extend(decoded);
    parts
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        Value::Number(number) => found.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_something_alone_is_a_part() {
        for (secret, expected) in [
            (
                "https://user-name:pass%40word@hooks.example.com/services/T01/B01/aVerySecretToken?sig=0123456789&a=1#fragment-1",
                &[
                    "user-name",
                    "pass%40word",
                    "pass@word",
                    "hooks.example.com",
                    "services/T01/B01/aVerySecretToken",
                    "aVerySecretToken",
                    "0123456789",
                    "fragment-1",
                ][..],
            ),
            (
                r#"{"type":"service_account","private_key":"-----BEGIN\nMC4CAQAwBQYDK2Vw\n","deep":[{"token":"abcdefgh-1"}],"id":123456789}"#,
                &[
                    "service_account",
                    "MC4CAQAwBQYDK2Vw",
                    "abcdefgh-1",
                    "123456789",
                ],
            ),
            (
                "Server=db;User Id=sa;Password=hunter2hunter2;",
                &["hunter2hunter2"],
            ),
            (
                "Authorization: Basic dXNlci1vbmU6cGFzc3dvcmQtMQ==",
                &[
                    "dXNlci1vbmU6cGFzc3dvcmQtMQ==",
                    "user-one:password-1",
                    "user-one",
                    "password-1",
                ],
            ),
            (
                "X-Api-Key: sk_live_0123456789\nX-Other: another-one",
                &["sk_live_0123456789", "another-one"],
            ),
            (
                "user:a-password@tcp(db.example.com:3306)/name",
                &["a-password"],
            ),
            (
                "AccountKey=abcd/efgh+ijkl0123==;EndpointSuffix=core",
                &["abcd/efgh+ijkl0123=="],
            ),
        ] {
            let found = of(secret);
            assert!(found.contains(secret.trim()), "{secret}");
            for part in expected {
                assert!(found.contains(*part), "{part:?} of {secret:?}: {found:?}");
            }
        }
    }

    #[test]
    fn names_of_fields_pairs_and_headers_are_no_parts() {
        for (secret, name) in [
            (
                r#"{"private_key":"x","client_email":"someone@example.com"}"#,
                "client_email",
            ),
            ("SharedAccessKey=0123456789", "SharedAccessKey"),
            ("X-Api-Key-Name: 0123456789", "X-Api-Key-Name"),
            (
                r#"{"token_uri":"https://oauth2.example.com/token"}"#,
                "oauth2.example.com",
            ),
        ] {
            assert!(!of(secret).contains(name), "{name}");
        }
    }

    #[test]
    fn of_a_long_part_each_run_of_fifteen_bytes_has_a_piece() {
        let secret: String = (0..100_u8)
            .map(|n| char::from(b'!' + n % 90))
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let found = of(&secret);
        for run in secret.as_bytes().windows(15) {
            let run = std::str::from_utf8(run).unwrap_or_default();
            assert!(
                found.iter().any(|part| run.contains(part.as_str())),
                "{run}"
            );
        }
    }
}
