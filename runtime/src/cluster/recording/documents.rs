//! YAML documents among other things, and the items of one that can't be read as a whole. Pure.

use std::borrow::Cow;
use std::ops::Range;

use super::objects::{Odd, Piece, TEXT};
use crate::cluster::yaml::{self, Node};

/// Keys of Kubernetes objects and lists, as a line of YAML begins with them.
const KEYS: [&str; 7] = ["apiVersion:", "kind:", "items:", "metadata:", "involvedObject:", "regarding:", "event:"];

/// The lines of a text, with their places; line ends are left out.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (Range<usize>, &[u8])> {
    let mut at = 0;
    bytes.split(|byte| *byte == b'\n').map(move |line| {
        let range = at..at + line.len();
        at = range.end + 1;
        (range, line.trim_ascii_end())
    })
}

/// A line without its indentation and the dash of an item.
fn begins_with_key(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"- ").map_or(line, <[u8]>::trim_ascii_start);
    KEYS.iter().any(|key| line.starts_with(key.as_bytes()))
}

/// Whether a line may belong to a document: a key, an item, what is indented, a comment.
fn may_be_yaml(line: &[u8]) -> bool {
    let key = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-')).count();
    let after = line.get(key..).unwrap_or_default();
    let has_key = key > 0 && (after == b":" || after.starts_with(b": "));
    has_key
        || line.is_empty()
        || line == b"-"
        || matches!(line.first(), Some(b' ' | b'#' | b'%'))
        || line.starts_with(b"- ")
        || line.starts_with(b"---")
}

/// Whether a text is YAML, and from where on: a line with the key of an object comes before any line of JSON.
pub(super) fn begin(bytes: &[u8]) -> Option<usize> {
    let mut from = None;
    for (range, line) in lines(bytes) {
        if matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        from = if may_be_yaml(line) { from.or(Some(range.start)) } else { None };
        if begins_with_key(line) {
            return from;
        }
    }
    None
}

/// Visits the documents of a text in their order, and what is none.
pub(super) fn pieces(bytes: &[u8], begin: usize, visit: &mut dyn FnMut(Piece<'_>)) {
    let (mut start, mut start_line) = (begin, None);
    for (number, (range, line)) in (1..).zip(lines(bytes)) {
        if range.start < begin {
            if !line.is_empty() {
                let text = String::from_utf8_lossy(line).into_owned();
                visit(Piece::Odd(Odd { text, line: number, column: 1, why: "it is text before the first document".to_owned(), kind: TEXT }));
            }
            continue;
        }
        let first = *start_line.get_or_insert(number);
        let marker = line == b"---" || line == b"..." || line.starts_with(b"--- ");
        if marker || range.end == bytes.len() {
            let end = if marker { range.start } else { range.end };
            document(bytes.get(start..end).unwrap_or_default(), first, visit);
            start = if line.len() > 3 { range.start } else { range.end };
            start_line = Some(number);
        }
    }
}

fn document(bytes: &[u8], line: usize, visit: &mut dyn FnMut(Piece<'_>)) {
    let significant = |line: &[u8]| !line.trim_ascii().is_empty() && !matches!(line.trim_ascii_start().first(), Some(b'#' | b'%'));
    if !lines(bytes).any(|(_, line)| significant(line)) {
        return;
    }
    let why = match read(bytes) {
        Ok(nodes) => {
            for node in nodes {
                visit(Piece::Whole { json: Cow::Owned(node), line });
            }
            return;
        }
        Err(why) => why,
    };
    let items = items(bytes);
    if items.is_empty() {
        return visit(Piece::Odd(odd(bytes, line, &why)));
    }
    let mut told = false;
    let mut place = (0, line);
    for item in items {
        place = (item.start, place.1 + bytes.get(place.0..item.start).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count());
        let mut text = bytes.get(item).unwrap_or_default().to_vec();
        if let Some(dash) = text.iter_mut().find(|byte| **byte == b'-') {
            *dash = b' ';
        }
        match read(&text) {
            Ok(nodes) => nodes.into_iter().for_each(|node| visit(Piece::Whole { json: Cow::Owned(node), line: place.1 })),
            Err(why) => {
                told = true;
                visit(Piece::Odd(odd(&text, place.1, &why)));
            }
        }
    }
    if !told {
        visit(Piece::Odd(odd(bytes, line, &why)));
    }
}

/// Why a document can't be read: the line in it, and words.
type Why = (usize, String, &'static str);

/// Documents as JSON.
fn read(bytes: &[u8]) -> Result<Vec<String>, Why> {
    let text = std::str::from_utf8(bytes).map_err(|why| {
        let line = 1 + bytes.get(..why.valid_up_to()).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        (line, format!("the byte 0x{:02x} is not UTF-8", bytes.get(why.valid_up_to()).copied().unwrap_or_default()), "not UTF-8")
    })?;
    let nodes = yaml::documents(text).map_err(|why| (why.line, format!("it is no YAML: {}", why.why), "no YAML"))?;
    Ok(nodes.iter().filter(|node| !node.is_null()).map(|node: &std::sync::Arc<Node>| yaml::to_json(node)).collect())
}

fn odd(bytes: &[u8], line: usize, (within, why, kind): &Why) -> Odd {
    Odd { text: String::from_utf8_lossy(bytes).trim_end().to_owned(), line: line + within - 1, column: 1, why: why.clone(), kind }
}

/// The items of a document's list, by their indentation: each begins with a dash below `items:`, or in the first column. What can belong to none of
/// them belongs to the one before it, if another follows.
fn items(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut items, mut indent, mut begun, mut closed): (Vec<Range<usize>>, Option<usize>, bool, bool) = (Vec::new(), None, false, false);
    for (range, line) in lines(bytes) {
        let spaces = line.iter().take_while(|byte| **byte == b' ').count();
        let rest = line.get(spaces..).unwrap_or_default();
        let dash = rest == b"-" || rest.starts_with(b"- ");
        if indent.is_none() && dash && (begun || spaces == 0) {
            indent = Some(spaces);
        }
        let Some(indent) = indent else {
            begun |= line == b"items:";
            continue;
        };
        if dash && spaces == indent {
            if let Some(before) = items.last_mut() {
                before.end = range.start;
            }
            items.push(range);
            closed = false;
        } else if spaces <= indent && !rest.is_empty() && !rest.starts_with(b"#") {
            closed = true;
        } else if let (Some(item), false) = (items.last_mut(), closed) {
            item.end = range.end;
        }
    }
    items
}
