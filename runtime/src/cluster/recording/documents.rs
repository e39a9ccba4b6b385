//! YAML documents among other things, and the items of one that can't be read as a whole. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use super::objects::{self, Found};
use super::piece::{CUT, Odd, Piece, TEXT};
use super::sought::says_what_it_is;
use super::yaml_lines::lines;
use crate::cluster::yaml::{self, Node};

/// Visits the documents of a part of a file whose first line has the number `line`; `ends_file`:
/// nothing follows it.
fn block<'a>(bytes: &'a [u8], line: usize, ends_file: bool, visit: &mut dyn FnMut(Piece<'a>)) {
    let (mut start, mut start_line) = (0, line);
    for (number, (range, text)) in (line..).zip(lines(bytes)) {
        if number > line && (text == b"---" || text == b"..." || text.starts_with(b"--- ")) {
            document(
                bytes.get(start..range.start).unwrap_or_default(),
                start_line,
                false,
                visit,
            );
            (start, start_line) = if text.len() > 3 {
                (range.start, number)
            } else {
                (range.end, number)
            };
        }
    }
    document(
        bytes.get(start..).unwrap_or_default(),
        start_line,
        ends_file,
        visit,
    );
}

/// Visits the documents of a text in their order, and what is none.
pub(super) fn pieces<'a>(bytes: &'a [u8], begin: usize, visit: &mut dyn FnMut(Piece<'a>)) {
    let mut first = 1;
    for (_, line) in lines(bytes).take_while(|(range, _)| range.start < begin) {
        if !line.is_empty() {
            let text = String::from_utf8_lossy(line).into_owned();
            visit(Piece::Odd(Odd {
                text,
                line: first,
                column: 1,
                why: "it is text before the first document".to_owned(),
                kind: TEXT,
            }));
        }
        first += 1;
    }
    block(bytes.get(begin..).unwrap_or_default(), first, true, visit);
}

/// Visits the parts of a text of JSON among other things, YAML too, in their order.
pub(super) fn pieces_among_json<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Piece<'a>)) {
    objects::find(bytes, true, 1, &mut |found| match found {
        Found::Piece(piece) => visit(piece),
        Found::Yaml {
            bytes,
            line,
            ends_file,
        } => block(bytes, line, ends_file, visit),
    });
}

fn document<'a>(bytes: &'a [u8], line: usize, ends_file: bool, visit: &mut dyn FnMut(Piece<'a>)) {
    let significant = |line: &[u8]| {
        !line.trim_ascii().is_empty()
            && !matches!(line.trim_ascii_start().first(), Some(b'#' | b'%'))
    };
    if !lines(bytes).any(|(_, line)| significant(line)) {
        return;
    }
    let why = match read(bytes) {
        Ok(nodes) => {
            if let Some(why) = nodes
                .last()
                .filter(|_| ends_file)
                .and_then(|node| cut(bytes, node))
            {
                return but_the_last(bytes, line, why, visit);
            }
            if nodes
                .iter()
                .any(|node| node.starts_with('[') || says_what_it_is(node))
            {
                return nodes.into_iter().for_each(|node| {
                    visit(Piece::Whole {
                        json: Cow::Owned(node),
                        line,
                    })
                });
            }
            return without_objects(bytes, line, Ok(nodes), visit);
        }
        Err(why) => why,
    };
    let items = items(bytes);
    if items.is_empty() {
        return without_objects(bytes, line, Err(why), visit);
    }
    if !each_item(bytes, line, items, visit) {
        visit(Piece::Odd(odd(bytes, line, &why)));
    }
}

/// Visits the items of a document that can't be read as a whole; says whether one of them can't be
/// read either.
fn each_item<'a>(
    bytes: &'a [u8],
    line: usize,
    items: Vec<Range<usize>>,
    visit: &mut dyn FnMut(Piece<'a>),
) -> bool {
    let mut told = false;
    let mut place = (0, line);
    for item in items {
        place = (
            item.start,
            place.1
                + bytes
                    .get(place.0..item.start)
                    .unwrap_or_default()
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count(),
        );
        let text = without_dash(bytes, item);
        match read(&text) {
            Ok(nodes) => nodes.into_iter().for_each(|node| {
                visit(Piece::Whole {
                    json: Cow::Owned(node),
                    line: place.1,
                })
            }),
            Err(why) => {
                told = true;
                visit(Piece::Odd(odd(&text, place.1, &why)));
            }
        }
    }
    told
}

/// Why the last object of a file that is YAML as far as it goes may be half of one. kubectl writes
/// keys in their order, and a line end last.
fn cut(bytes: &[u8], node: &str) -> Option<Why> {
    let keys = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(node).unwrap_or_default();
    let has = |key: &str| keys.contains_key(key);
    let kind = keys
        .get("kind")
        .map_or("", |kind| kind.get().trim_matches('"'));
    let half_a_kind = ["List", "EventList"].iter().any(|whole| {
        whole
            .strip_prefix(kind)
            .is_some_and(|rest| !rest.is_empty())
    });
    // Behind its items a list may have more keys, and only they are cut then.
    let ends_with_object = if has("items") {
        top_key(bytes) == Some(b"items:")
    } else {
        node.starts_with("[{") || says_what_it_is(node)
    };
    let why = if has("apiVersion") && has("items") && half_a_kind {
        "the file ends before the kind of its list, so that this, its last object, may be half of one"
    } else if ends_with_object && !ends_whole(bytes) {
        "the file has no line end behind this, its last object, which may be half of one: add one where it is whole"
    } else {
        return None;
    };
    Some((1, why.to_owned(), CUT))
}

/// Whether a document ends with a line end, or closes what it opened.
fn ends_whole(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\n") || matches!(bytes.trim_ascii_end().last(), Some(b'}' | b']'))
}

/// The last line that begins a key in the first column.
fn top_key(bytes: &[u8]) -> Option<&[u8]> {
    lines(bytes)
        .map(|(_, line)| line)
        .filter(|line| line.first().is_some_and(|byte| byte.is_ascii_alphabetic()))
        .last()
}

/// Visits the objects of a document but the last, which is odd.
fn but_the_last<'a>(bytes: &'a [u8], line: usize, why: Why, visit: &mut dyn FnMut(Piece<'a>)) {
    let mut items = items(bytes);
    let Some(last) = items.pop() else {
        return visit(Piece::Odd(odd(bytes, line, &why)));
    };
    let line_of = |place: usize| {
        line + bytes
            .get(..place)
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    };
    for item in items {
        let line = line_of(item.start);
        for node in read(&without_dash(bytes, item)).into_iter().flatten() {
            visit(Piece::Whole {
                json: Cow::Owned(node),
                line,
            });
        }
    }
    let line = line_of(last.start);
    visit(Piece::Odd(odd(&without_dash(bytes, last), line, &why)));
}

/// An item's text as that of a document.
fn without_dash(bytes: &[u8], item: Range<usize>) -> Vec<u8> {
    let mut text = bytes.get(item).unwrap_or_default().to_vec();
    if let Some(dash) = text.iter_mut().find(|byte| **byte == b'-') {
        *dash = b' ';
    }
    text
}

/// What is no object as YAML: lines of a log, or of a stream of server-sent events, may begin as
/// YAML does, too, and have objects of JSON in them.
fn without_objects<'a>(
    bytes: &'a [u8],
    line: usize,
    found: Result<Vec<String>, Why>,
    visit: &mut dyn FnMut(Piece<'a>),
) {
    let mut others = Vec::new();
    objects::find(bytes, false, line, &mut |found| {
        if let Found::Piece(piece) = found {
            others.push(piece);
        }
    });
    if others
        .iter()
        .any(|piece| matches!(piece, Piece::Whole { json, .. } if says_what_it_is(json)))
    {
        return others.into_iter().for_each(visit);
    }
    match found {
        // Something in it is told for what it is.
        Ok(nodes)
            if nodes.iter().any(|node| {
                node.get(1..)
                    .is_some_and(|inner| inner.contains(['{', '[']))
            }) =>
        {
            nodes.into_iter().for_each(|node| {
                visit(Piece::Whole {
                    json: Cow::Owned(node),
                    line,
                })
            });
        }
        Ok(_) => visit(Piece::Odd(odd(
            bytes,
            line,
            &(
                1,
                "it is YAML, and no Kubernetes object".to_owned(),
                "no object",
            ),
        ))),
        Err(why) => visit(Piece::Odd(odd(bytes, line, &why))),
    }
}

/// Why a document can't be read: the line in it, and words.
type Why = (usize, String, &'static str);

/// Documents as JSON.
fn read(bytes: &[u8]) -> Result<Vec<String>, Why> {
    let text = std::str::from_utf8(bytes).map_err(|why| {
        let line = 1 + bytes
            .get(..why.valid_up_to())
            .unwrap_or_default()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        (
            line,
            format!(
                "the byte 0x{:02x} is not UTF-8",
                bytes.get(why.valid_up_to()).copied().unwrap_or_default()
            ),
            "not UTF-8",
        )
    })?;
    let nodes = yaml::documents(text)
        .map_err(|why| (why.line, format!("it is no YAML: {}", why.why), "no YAML"))?;
    Ok(nodes
        .iter()
        .filter(|node| !node.is_null())
        .map(|node: &std::sync::Arc<Node>| yaml::to_json(node))
        .collect())
}

fn odd(bytes: &[u8], line: usize, (within, why, kind): &Why) -> Odd {
    Odd {
        text: String::from_utf8_lossy(bytes).trim_end().to_owned(),
        line: line + within - 1,
        column: 1,
        why: why.clone(),
        kind,
    }
}

/// The items of a document's list, by their indentation: each begins with a dash below `items:`, or
/// in the first column. What can belong to none of them belongs to the one before it, if another
/// follows.
fn items(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut items, mut indent, mut begun, mut closed): (
        Vec<Range<usize>>,
        Option<usize>,
        bool,
        bool,
    ) = (Vec::new(), None, false, false);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::recording::yaml_lines::begin;

    /// As kubectl writes it.
    const LIST: &str = "apiVersion: v1
items:
- apiVersion: v1
  involvedObject:
    kind: Pod
    name: p
  kind: Event
  message: a text
  metadata:
    name: one
  reason: R
  type: Normal
- apiVersion: v1
  involvedObject:
    kind: Pod
    name: p
  kind: Event
  message: \"a text of
    two lines\"
  metadata:
    name: two
  reason: R
  source: {}
  type: Normal
kind: List
metadata:
  resourceVersion: \"\"
";

    /// What is whole in it, and how much is odd.
    fn read_all(text: &str) -> (Vec<String>, usize) {
        let (mut whole, mut odd) = (Vec::new(), 0);
        let begin = begin(text.as_bytes()).unwrap_or(0);
        pieces(text.as_bytes(), begin, &mut |piece| match piece {
            Piece::Whole { json, .. } => whole.push(json.into_owned()),
            Piece::Odd(_) => odd += 1,
        });
        (whole, odd)
    }

    #[test]
    fn half_an_object_is_never_taken_for_a_whole_one_wherever_a_list_is_cut() {
        let (mut items, at): (Vec<String>, _) =
            (Vec::new(), LIST.find("- apiVersion: v1\n  involvedObject:\n    kind: Pod\n    name: p\n  kind: Event\n  message: \"a").unwrap());
        for text in [
            &LIST[LIST.find("- ").unwrap()..at],
            &LIST[at..LIST.find("kind: List").unwrap()],
        ] {
            items.extend(read(text.replacen('-', " ", 1).as_bytes()).unwrap());
        }
        let tail = LIST.find("kind: List").unwrap();
        for end in at + 1..LIST.len() {
            let (whole, odd) = read_all(&LIST[..end]);
            // In its tail it is a list; before that, each object by itself.
            let is_list = whole.len() == 1 && whole[0].contains("\"items\"");
            let is_right = if is_list {
                odd == 0 && items.iter().all(|item| whole[0].contains(item.as_str()))
            } else {
                odd == 1 && (whole == items[..1] || end > tail && whole == items)
            };
            assert!(
                is_right,
                "cut behind {:?}: {whole:?}, {odd} odd",
                &LIST[..end]
            );
        }
        assert_eq!(read_all(LIST).1, 0);
        for whole in [
            "kind: List\napiVersion: v1\nitems:\n- kind: Event\n  metadata: {name: a}\n",
            "kind: Event\nmetadata: {name: a}",
            "- kind: Event\n  metadata: {name: a}\n",
        ] {
            assert_eq!(
                (read_all(whole).0.len(), read_all(whole).1),
                (1, 0),
                "{whole}"
            );
        }
        for cut in [
            "kind: Event\nmetadata: {name: a}\nmessage: half",
            "kind: List\nitems:\n- kind: Event\n  message: half",
            "- kind: Event\n  message: half",
        ] {
            assert_eq!(read_all(cut), (vec![], 1), "{cut}");
        }
    }
}
