//! JSON objects among other things, one after the other: lines, Lists over many lines, what a log
//! or a cut left between them. Pure.
//!
//! What is whole is found even in what is broken around it: in an object or list that can't be read
//! to its end, each whole object that says what it is counts by itself, and what is left of the
//! rest is told as odd.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::line_numbers::Lines;
use super::piece::{CUT, NO_OBJECT, Odd, Piece, TEXT};
use super::sought::says_what_it_is;
use super::yaml_lines;

/// In one broken object, so many others may be open at its end; then nobody looks further into it.
const MOST_OPEN: usize = 64;

struct Reader<'a, 'v> {
    bytes: &'a [u8],
    /// Whether what is no JSON may be YAML.
    yaml: bool,
    lines: Lines<'a>,
    visit: &'v mut dyn FnMut(Found<'a>),
}

/// What is found among other things.
pub(super) enum Found<'a> {
    /// A part of its own.
    Piece(Piece<'a>),
    /// What may be YAML, up to the next line of JSON.
    Yaml {
        bytes: &'a [u8],
        line: usize,
        /// Nothing follows it.
        ends_file: bool,
    },
}

/// Visits the parts of a text in their order; its first line has the number `line`. `yaml`: what is
/// no JSON may be YAML.
pub(super) fn find<'a>(bytes: &'a [u8], yaml: bool, line: usize, visit: &mut dyn FnMut(Found<'a>)) {
    let mut reader = Reader {
        bytes,
        yaml,
        lines: Lines::new(bytes, line),
        visit,
    };
    let (mut at, mut broken) = (0, false);
    while let Some(start) = reader.next_start(at) {
        at = match bytes.get(start) {
            Some(b'[') if reader.is_prefix(start) => reader.text(start),
            Some(b'{' | b'[') => reader.object(start, &mut broken),
            // What is left of a list in which something was broken.
            Some(b']') if broken => reader.tail(start + 1),
            Some(b'}') if broken => start + 1,
            _ => reader.text(start),
        };
    }
}

/// The length of the JSON value that `bytes` begin with.
fn whole(bytes: &[u8]) -> Result<usize, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Err(why)) => Err(why),
        _ => Ok(values.byte_offset()),
    }
}

/// Whether a byte stands between objects.
fn is_separator(byte: u8) -> bool {
    // RFC 7464 begins each text with a record separator.
    byte.is_ascii_whitespace() || matches!(byte, b',' | 0x1e)
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        .map_or(bytes.len(), |length| at + length)
}

impl<'a> Reader<'a, '_> {
    fn give(&mut self, piece: Piece<'a>) {
        (self.visit)(Found::Piece(piece));
    }

    /// The next place where something stands.
    fn next_start(&self, mut at: usize) -> Option<usize> {
        loop {
            at += self
                .bytes
                .get(at..)?
                .iter()
                .position(|byte| !is_separator(*byte))?;
            let rest = self.bytes.get(at..)?;
            if rest.starts_with(b"\xef\xbb\xbf") {
                at += 3;
                continue;
            }
            let end = line_end(self.bytes, at);
            let line = self.bytes.get(at..end).unwrap_or_default().trim_ascii_end();
            if line != b"---" && line != b"..." {
                return Some(at);
            }
            at = end;
        }
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// An object, or a list, that begins at `start`. Gives where it ends.
    fn object(&mut self, start: usize, broken: &mut bool) -> usize {
        let mut because = None;
        let end = match whole(self.slice(start..self.bytes.len())) {
            Ok(length) => {
                let end = start + length;
                if let Ok(json) = std::str::from_utf8(self.slice(start..end)) {
                    let (line, _) = self.lines.of(start);
                    self.give(Piece::Whole {
                        json: Cow::Borrowed(json),
                        line,
                    });
                    return end;
                }
                end
            }
            // `{apiVersion: v1, ...}`
            Err(_)
                if self.yaml
                    && yaml_lines::begins_with_key(self.line_at(start))
                    && !self.is_quoted(start) =>
            {
                return self.yaml(start);
            }
            Err(why) => {
                let (line, _) = self.lines.of(start);
                because = (!why.is_eof()).then(|| placed(&why, line));
                self.broken_end(start, &why)
            }
        };
        *broken = true;
        self.salvage(start..end, because.as_deref());
        end
    }

    /// The end of a list, of which what stands behind its items begins at `start`.
    fn tail(&self, start: usize) -> usize {
        const HEAD: &[u8] = br#"{"":0"#;
        let list = std::io::Read::chain(HEAD, self.slice(start..self.bytes.len()));
        let mut values = serde_json::Deserializer::from_reader(list).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => (start + values.byte_offset())
                .saturating_sub(HEAD.len())
                .max(start),
            _ => start,
        }
    }

    /// Where something broken ends: before the next line that begins with an object, at the place
    /// of the fault or after it.
    fn broken_end(&self, start: usize, why: &serde_json::Error) -> usize {
        let (mut at, mut line) = (start, 1);
        while at < self.bytes.len() {
            at = line_end(self.bytes, at) + 1;
            line += 1;
            if line >= why.line() && matches!(self.bytes.get(at), Some(b'{' | b'[')) {
                return at;
            }
        }
        self.bytes.len()
    }

    /// Visits the whole objects in something broken, and what is left of it. `because`: what is
    /// wrong with it all, and where.
    fn salvage(&mut self, range: Range<usize>, because: Option<&str>) {
        let (mut left, mut at, mut open, mut odd) = (range.start, range.start + 1, 0, false);
        // What stands before the first that is found.
        let mut head = None;
        while open < MOST_OPEN
            && let Some(brace) = self
                .slice(at..range.end)
                .iter()
                .position(|byte| *byte == b'{')
                .map(|length| at + length)
        {
            at = brace + 1;
            let length = match whole(self.slice(brace..range.end)) {
                Ok(length) => length,
                Err(why) => {
                    open += usize::from(why.is_eof());
                    continue;
                }
            };
            let Ok(json) = std::str::from_utf8(self.slice(brace..brace + length)) else {
                continue;
            };
            if !says_what_it_is(json) {
                continue;
            }
            odd |= self.rest(left..brace, head.is_none());
            let (line, _) = self.lines.of(brace);
            self.give(Piece::Whole {
                json: Cow::Borrowed(json),
                line,
            });
            head.get_or_insert(left..brace);
            (left, at) = (brace + length, brace + length);
        }
        let next = self
            .slice(left..range.end)
            .iter()
            .find(|byte| !is_separator(**byte));
        match head.filter(|_| next.is_none_or(|byte| matches!(byte, b']' | b'}'))) {
            None => self.odd(left..range.end),
            // Only the end of the list is missing, or wrong.
            Some(head) if !odd => self.odd_for(head, because),
            Some(_) => {}
        }
    }

    /// What stands before a whole object in something broken; says whether that is odd.
    fn rest(&mut self, range: Range<usize>, first: bool) -> bool {
        let text = self.slice(range.clone());
        let end = text
            .iter()
            .rposition(|byte| !is_separator(*byte))
            .map_or(0, |place| place + 1);
        let opens = first && text.get(..end).is_some_and(|text| text.ends_with(b"["));
        if end == 0 || opens {
            return false;
        }
        self.odd(range);
        true
    }

    fn odd(&mut self, range: Range<usize>) {
        self.odd_for(range, None);
    }

    /// The head of something broken is whole as far as it goes: what is wrong stands behind it.
    fn odd_for(&mut self, range: Range<usize>, because: Option<&str>) {
        let text = self.slice(range.clone());
        let skipped = text
            .iter()
            .position(|byte| !is_separator(*byte))
            .unwrap_or(0);
        let text = text.get(skipped..).unwrap_or_default();
        let (line, column) = self.lines.of(range.start + skipped);
        let (why, kind) = match std::str::from_utf8(text) {
            Err(why) => {
                let byte = text.get(why.valid_up_to()).copied().unwrap_or_default();
                let (its_line, its_column) =
                    self.lines.of(range.start + skipped + why.valid_up_to());
                let place = if its_line == line {
                    String::new()
                } else {
                    format!(" at line {its_line} column {its_column}")
                };
                (
                    format!("the byte 0x{byte:02x}{place} is not UTF-8"),
                    "not UTF-8",
                )
            }
            Ok(_) => match whole(text) {
                Err(why) if why.is_eof() && because.is_some() => (
                    format!("it is no JSON: {}", because.unwrap_or_default()),
                    "no JSON",
                ),
                Err(why) if why.is_eof() => ("it ends in the middle".to_owned(), CUT),
                Err(why) => (format!("it is no JSON: {}", placed(&why, line)), "no JSON"),
                Ok(_) => ("what is around it is no JSON".to_owned(), "no JSON"),
            },
        };
        let text = String::from_utf8_lossy(text)
            .trim_end_matches([',', '\n', '\r', ' ', '\t'])
            .to_owned();
        self.give(Piece::Odd(Odd {
            text,
            line,
            column,
            why,
            kind,
        }));
    }

    fn line_at(&self, start: usize) -> &'a [u8] {
        self.slice(start..line_end(self.bytes, start))
            .trim_ascii_end()
    }

    /// Whether the first key behind a brace is in quotes, as in JSON.
    fn is_quoted(&self, start: usize) -> bool {
        self.slice(start + 1..self.bytes.len())
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            == Some(&b'"')
    }

    /// Whether a bracket opens no list, but stands before a line, as in `[pod/x/main] {...}`.
    fn is_prefix(&self, start: usize) -> bool {
        let next = self
            .slice(start + 1..self.bytes.len())
            .iter()
            .find(|byte| !byte.is_ascii_whitespace());
        next.is_some_and(|byte| {
            byte.is_ascii_alphabetic() && !matches!(byte, b'n' | b't' | b'f')
                || matches!(byte, b'/' | b'<' | b'(')
        })
    }

    /// YAML, up to the next line of JSON.
    fn yaml(&mut self, start: usize) -> usize {
        let end = yaml_lines::block_end(self.bytes, start);
        let (line, _) = self.lines.of(start);
        let bytes = self.slice(start..end);
        (self.visit)(Found::Yaml {
            bytes,
            line,
            ends_file: end == self.bytes.len(),
        });
        end
    }

    /// A line that begins with something else; an object may stand at its end, as in a container's
    /// log.
    fn text(&mut self, start: usize) -> usize {
        let is_first = start == 0 || self.bytes.get(start - 1) == Some(&b'\n');
        if self.yaml && is_first && yaml_lines::begins_document(self.slice(start..self.bytes.len()))
        {
            return self.yaml(start);
        }
        let end = line_end(self.bytes, start);
        let braces: Vec<usize> = self
            .slice(start..end)
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'{')
            .map(|(place, _)| place)
            .collect();
        for brace in braces
            .into_iter()
            .take(MOST_OPEN)
            .map(|place| start + place)
        {
            let Ok(length) = whole(self.slice(brace..self.bytes.len())) else {
                continue;
            };
            if let Ok(json) = std::str::from_utf8(self.slice(brace..brace + length))
                && says_what_it_is(json)
            {
                let (line, _) = self.lines.of(brace);
                self.give(Piece::Whole {
                    json: Cow::Borrowed(json),
                    line,
                });
                return brace + length;
            }
        }
        let text = String::from_utf8_lossy(self.slice(start..end))
            .trim_end()
            .to_owned();
        let (line, column) = self.lines.of(start);
        self.give(Piece::Odd(Odd {
            text,
            line,
            column,
            why: NO_OBJECT.to_owned(),
            kind: TEXT,
        }));
        end
    }
}

/// The words of an error, with its place in the file: its own begins with the object.
fn placed(why: &serde_json::Error, line: usize) -> String {
    let words = why.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    format!(
        "{words} at line {} column {}",
        line + why.line().saturating_sub(1),
        why.column()
    )
}
