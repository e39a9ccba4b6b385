//! What a watch sends: one JSON object a line. Pure.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Deletion, Error, Raw};

/// Longer lines are refused: an API server takes no object over etcd's 1.5 MiB, twice that with its managedFields.
const LONGEST_LINE: usize = 16 << 20;

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
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Status {
    pub code: u16,
    pub message: String,
    pub reason: String,
}

impl Status {
    pub(super) fn into_error(self) -> Error {
        match (self.code, self.reason.as_str()) {
            (410, _) | (_, "Expired" | "Gone") => Error::Expired,
            (status, _) => Error::Busy { status, message: self.message, after: None },
        }
    }
}

/// Reads one line of a watch. An `ERROR` line is an [`Error`]; code 410 is [`Error::Expired`].
pub fn parse_line(line: &str) -> Result<Line, Error> {
    let protocol = |why: serde_json::Error| Error::Protocol(format!("a line of the watch is not what it should be: {why}"));
    let envelope: Envelope<'_> = serde_json::from_str(line).map_err(protocol)?;
    match envelope.kind {
        "ADDED" | "MODIFIED" => {
            let (raw, resource_version) = Raw::from_object(envelope.object.get()).map_err(protocol)?;
            Ok(Line::Event { raw, resource_version })
        }
        "DELETED" => Ok(Line::Deleted(serde_json::from_str(envelope.object.get()).map_err(protocol)?)),
        "BOOKMARK" => {
            let (_, resource_version) = Raw::from_object(envelope.object.get()).map_err(protocol)?;
            Ok(Line::Progress { resource_version })
        }
        "ERROR" => {
            let status: Status = serde_json::from_str(envelope.object.get()).map_err(protocol)?;
            Err(status.into_error())
        }
        other => Err(Error::Protocol(format!("a watch sent a line of the unknown type {other:?}"))),
    }
}

/// Puts lines together from pieces as the network cuts them.
#[derive(Debug, Default)]
pub struct Assembler {
    buffer: Vec<u8>,
    searched: usize,
}

impl Assembler {
    /// Adds a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Takes out every whole line, without line ends; empty lines are left out.
    pub fn lines(&mut self) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(length) = self.buffer.get(start.max(self.searched)..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
            let end = start.max(self.searched) + length;
            let line = self.buffer.get(start..end).unwrap_or_default();
            let line = std::str::from_utf8(line).map_err(|why| Error::Protocol(format!("a line of the watch is not UTF-8: {why}")))?;
            if !line.trim().is_empty() {
                lines.push(line.to_owned());
            }
            start = end + 1;
            self.searched = start;
        }
        self.buffer.drain(..start);
        self.searched = self.buffer.len();
        if self.searched > LONGEST_LINE {
            return Err(Error::Protocol(format!("a line of the watch is over {LONGEST_LINE} bytes")));
        }
        Ok(lines)
    }
}
