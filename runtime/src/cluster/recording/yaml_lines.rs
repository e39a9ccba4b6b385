//! Lines that may be YAML: where a document begins and ends. Pure.

use std::ops::Range;

/// Keys of Kubernetes objects and lists, as a line of YAML begins with them.
const KEYS: [&str; 7] = [
    "apiVersion",
    "kind",
    "items",
    "metadata",
    "involvedObject",
    "regarding",
    "event",
];

/// Lines before the first key by which an object is known.
const MOST_LINES: usize = 1_000;

/// The lines of a text, with their places; line ends are left out.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (Range<usize>, &[u8])> {
    let mut at = 0;
    bytes.split(|byte| *byte == b'\n').map(move |line| {
        let range = at..at + line.len();
        at = range.end + 1;
        (range, line.trim_ascii_end())
    })
}

/// Whether a line begins with a key, without its indentation, the dash of an item, and the brace of
/// a mapping that is written in one line.
pub(super) fn begins_with_key(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let line = line
        .strip_prefix(b"- ")
        .map_or(line, <[u8]>::trim_ascii_start);
    let line = line
        .strip_prefix(b"{")
        .map_or(line, <[u8]>::trim_ascii_start);
    let quote = line
        .first()
        .copied()
        .filter(|byte| matches!(byte, b'"' | b'\''));
    let line = if quote.is_some() {
        line.get(1..).unwrap_or_default()
    } else {
        line
    };
    let ends = |rest: &[u8]| match (quote, rest) {
        (Some(quote), [first, rest @ ..]) => {
            *first == quote && rest.trim_ascii_start().starts_with(b":")
        }
        (None, rest) => rest == b":" || rest.starts_with(b": "),
        _ => false,
    };
    KEYS.iter()
        .any(|key| line.strip_prefix(key.as_bytes()).is_some_and(ends))
}

/// Whether a document of YAML begins with a text, of which lines of JSON may follow later.
pub(super) fn begins_document(bytes: &[u8]) -> bool {
    for (_, line) in lines(bytes).take(MOST_LINES) {
        if begins_with_key(line) {
            return true;
        }
        if !may_be_yaml(line) {
            return false;
        }
    }
    false
}

/// Where a document that begins at `start` ends at the latest: before the next line that begins
/// with JSON.
pub(super) fn block_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let json = lines(rest)
        .skip(1)
        .find(|(_, line)| matches!(line.first(), Some(b'{' | b'[')));
    json.map_or(bytes.len(), |(range, _)| start + range.start)
}

/// Whether a line may belong to a document: a key, an item, what is indented, a comment.
fn may_be_yaml(line: &[u8]) -> bool {
    let key = line
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-')
        })
        .count();
    let after = line.get(key..).unwrap_or_default();
    let has_key = key > 0 && (after == b":" || after.starts_with(b": "));
    has_key
        || begins_with_key(line)
        || line.is_empty()
        || line == b"-"
        || matches!(line.first(), Some(b' ' | b'#' | b'%'))
        || line.starts_with(b"- ")
        || line.starts_with(b"---")
}

/// Whether a text is YAML, and from where on: no line begins with JSON, and one has the key of an
/// object.
pub(super) fn begin(bytes: &[u8]) -> Option<usize> {
    let (mut from, mut found) = (None, None);
    for (range, line) in lines(bytes) {
        if matches!(line.first(), Some(b'{' | b'[')) {
            return None;
        }
        if found.is_none() {
            from = if may_be_yaml(line) {
                from.or(Some(range.start))
            } else {
                None
            };
            found = from.filter(|_| begins_with_key(line));
        }
    }
    found
}
