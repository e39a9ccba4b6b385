//! What a watch sends: one JSON object a line. Pure.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::raw::{Outline, is_object, members, text};
use super::{Deletion, Error, Raw, Unreadable};

/// Longer lines are refused: an API server takes no object over etcd's 1.5 MiB, twice that with its
/// managedFields.
const LONGEST_LINE: usize = 16 << 20;
/// After so many lines of which none could be read it is no watch.
const MOST_GARBLED: u64 = 1_000;
/// What an error without a code is taken for.
const NO_CODE: u16 = 500;

/// One line of a watch.
#[derive(Debug)]
pub enum Line {
    /// `ADDED` or `MODIFIED`: news.
    Event {
        /// The object.
        raw: Raw,
        /// Its resource version.
        resource_version: String,
    },
    /// `DELETED`: it has expired, or somebody deleted it; that is no news.
    Deleted(Deletion),
    /// `BOOKMARK`: only the resource version moves.
    Progress {
        /// The new resource version.
        resource_version: String,
    },
    /// A line that can't be read; those after it can.
    Unreadable {
        /// The line, and what is wrong with it.
        unreadable: Unreadable,
        /// Whether it is a line of a watch at all, and not of something that answers in its place.
        of_watch: bool,
    },
}

/// Kubernetes' answer to what failed (`metav1.Status`). What is null or missing, or of another type
/// than it should be, is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub code: u16,
    pub message: String,
    pub reason: String,
    /// `details.retryAfterSeconds`.
    pub after: Option<Duration>,
}

impl Status {
    /// Reads a JSON object.
    pub(super) fn of(json: &str) -> Result<Self, serde_json::Error> {
        let [code, message, reason, details] =
            members(json, &["code", "message", "reason", "details"])?;
        let inner = details
            .filter(|details| is_object(Some(details)))
            .map(|details| members(details.get(), &["retryAfterSeconds"]));
        let [after] = inner.transpose()?.unwrap_or_default();
        let number = |value| text(value).and_then(|text| text.trim().parse::<u64>().ok());
        let words = |value| text(value).unwrap_or_default().into_owned();
        let code = number(code)
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or_default();
        let after = number(after)
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs);
        Ok(Self {
            code,
            message: words(message),
            reason: words(reason),
            after,
        })
    }

    pub(super) fn into_error(self) -> Error {
        match (self.code, self.reason.as_str()) {
            (410, _) | (_, "Expired" | "Gone") => Error::Expired,
            (code, reason) => {
                let (status, silent) = if code == 0 {
                    (NO_CODE, "an error without a code, and without words")
                } else {
                    (code, "without words")
                };
                let words = if self.message.is_empty() {
                    reason
                } else {
                    &self.message
                };
                let message = if words.is_empty() { silent } else { words }.to_owned();
                Error::Busy {
                    status,
                    message,
                    after: self.after,
                }
            }
        }
    }
}

/// Reads a line of a watch on which more than one object may stand, where something between here
/// and the API server left line ends out.
pub fn parse_lines(line: &[u8]) -> Vec<Result<Line, Error>> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let first = parse_line(line);
    if !matches!(
        first,
        Ok(Line::Unreadable {
            of_watch: false,
            ..
        })
    ) {
        return vec![first];
    }
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<IgnoredAny>();
    let (mut lines, mut start) = (Vec::new(), 0);
    while let Some(Ok(_)) = values.next() {
        let end = values.byte_offset();
        lines.push(parse_line(line.get(start..end).unwrap_or_default()));
        start = end;
    }
    let rest = line.get(start..).unwrap_or_default();
    if start > 0 && !rest.trim_ascii().is_empty() {
        lines.push(parse_line(rest));
    }
    if lines.len() > 1 { lines } else { vec![first] }
}

/// Reads one line of a watch. One that can't be read is a [`Line::Unreadable`].
///
/// # Errors
/// That which an `ERROR` line tells; code 410 is [`Error::Expired`]. [`Error::Protocol`] when it
/// tells none.
pub fn parse_line(line: impl AsRef<[u8]>) -> Result<Line, Error> {
    let bytes = line.as_ref();
    let line = String::from_utf8_lossy(bytes);
    let outline = Outline::of(&line);
    let change = outline
        .as_ref()
        .ok()
        .and_then(|outline| text(outline.change));
    let unreadable = |why, kind, of_watch| Ok(unreadable(&line, why, kind, of_watch));
    let (outline, change) = match (&outline, change.as_deref()) {
        (Ok(outline), Some(change)) => (outline, change),
        (Ok(_), None) => {
            return unreadable("it has no type".to_owned(), "line without a type", false);
        }
        (Err(why), _) => return unreadable(why.to_string(), "line that is no JSON", false),
    };
    if change == "ERROR" {
        return Err(told(outline.object));
    }
    if let (Cow::Owned(_), Err(why)) = (&line, std::str::from_utf8(bytes)) {
        return unreadable(why.to_string(), "line that is not UTF-8", true);
    }
    let Some(object) = outline.object else {
        return unreadable(
            "it has no object".to_owned(),
            "line without an object",
            true,
        );
    };
    Ok(read_object(&line, change, object))
}

/// A line of a watch of which an object is told.
fn read_object(line: &str, change: &str, object: &RawValue) -> Line {
    match change {
        "DELETED" => match serde_json::from_str(object.get()) {
            Ok(deletion) => Line::Deleted(deletion),
            Err(why) => unreadable(
                line,
                why.to_string(),
                "line with an object that can't be read",
                true,
            ),
        },
        "ADDED" | "MODIFIED" | "BOOKMARK" => match Raw::from_object(object.get()) {
            Ok((raw, resource_version)) if matches!(change, "ADDED" | "MODIFIED") => Line::Event {
                raw,
                resource_version,
            },
            Ok((_, resource_version)) => Line::Progress { resource_version },
            Err(why) => unreadable(
                line,
                why.to_string(),
                "line with an object that can't be read",
                true,
            ),
        },
        other => unreadable(
            line,
            format!("a watch has no lines of the type {other:?}"),
            "line of an unknown type",
            true,
        ),
    }
}

/// A line that can't be read.
fn unreadable(line: &str, why: String, kind: &'static str, of_watch: bool) -> Line {
    Line::Unreadable {
        unreadable: Unreadable {
            text: line.to_owned(),
            reason: format!("a line of the watch is not what it should be: {why}"),
            kind,
        },
        of_watch,
    }
}

/// What an `ERROR` line tells.
fn told(object: Option<&RawValue>) -> Error {
    let status = object
        .filter(|object| is_object(Some(object)))
        .map(|object| Status::of(object.get()));
    match status {
        Some(Ok(status)) => status.into_error(),
        Some(Err(why)) => Error::Protocol(format!(
            "the watch ended with an error that can't be read: {why}"
        )),
        None => {
            Error::Protocol("the watch ended with an error that does not say what it is".to_owned())
        }
    }
}

/// Puts lines together from pieces as the network cuts them.
#[derive(Debug, Default)]
pub struct Assembler {
    buffer: Vec<u8>,
    searched: usize,
    /// Of all its lines.
    readable: u64,
    garbled: u64,
    /// Lines that may be of something that answers in place of the API server: they are handed on
    /// when one of a watch has come.
    held: Vec<Unreadable>,
    of_watch: bool,
}

impl Assembler {
    /// Adds a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Takes out every whole line, without line ends; empty lines are left out.
    pub fn lines(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(length) = self
            .buffer
            .get(start.max(self.searched)..)
            .and_then(|rest| rest.iter().position(|b| *b == b'\n'))
        {
            let end = start.max(self.searched) + length;
            let line = self.buffer.get(start..end).unwrap_or_default();
            if !line.trim_ascii().is_empty() {
                lines.push(line.to_owned());
            }
            start = end + 1;
            self.searched = start;
        }
        self.buffer.drain(..start);
        self.searched = self.buffer.len();
        if self.searched > LONGEST_LINE {
            return Err(Error::Protocol(format!(
                "a line of the watch is over {LONGEST_LINE} bytes"
            )));
        }
        Ok(lines)
    }

    /// Takes out what stands behind the last line end when the body has ended in order, where that
    /// is whole.
    pub fn last_line(&mut self) -> Option<Vec<u8>> {
        serde_json::from_slice::<IgnoredAny>(&self.buffer).ok()?;
        self.searched = 0;
        Some(std::mem::take(&mut self.buffer))
    }

    /// Notes that a line could be read.
    pub(super) fn understood(&mut self) {
        (self.readable, self.of_watch) = (self.readable + 1, true);
    }

    /// Notes a line that could not be read.
    pub(super) fn garbled(&mut self, unreadable: Unreadable, of_watch: bool) {
        self.garbled += 1;
        self.of_watch |= of_watch;
        self.held.push(unreadable);
    }

    /// What could not be read, as soon as it is known that this is a watch.
    pub(super) fn unreadable(&mut self) -> Vec<Unreadable> {
        if self.of_watch {
            std::mem::take(&mut self.held)
        } else {
            Vec::new()
        }
    }

    /// What is wrong when, `ended` or not, none of its lines could be read.
    pub(super) fn is_no_watch(&self, ended: bool) -> Option<Error> {
        let garbled = self.garbled;
        let fails = self.readable == 0 && garbled > 0 && (ended || garbled >= MOST_GARBLED);
        fails.then(|| {
            Error::Protocol(format!(
                "the watch sent {garbled} lines, of which none can be read"
            ))
        })
    }
}
