//! The body of PutLogs: a `LogGroup` in protobuf (aliyun-log-go-sdk log.proto, proto2), written by
//! hand.
//!
//! ```text
//! LogContent { required string Key=1; required string Value=2 }
//! Log        { required uint32 Time=1; repeated LogContent Contents=2 }
//! LogGroup   { repeated Log Logs=1; optional string Topic=3; Source=4 }
//! ```
//!
//! A required field is written even when it is empty: a group without one can't be parsed by SLS.

use crate::prelude::Vec;

/// Field numbers with their wire type: 0 is a varint, 2 is a length and so many bytes.
const LOG_TIME: u8 = 1 << 3;
const LOG_CONTENT: u8 = 2 << 3 | 2;
const CONTENT_KEY: u8 = 1 << 3 | 2;
const CONTENT_VALUE: u8 = 2 << 3 | 2;
const GROUP_LOG: u8 = 1 << 3 | 2;
const GROUP_TOPIC: u8 = 3 << 3 | 2;
const GROUP_SOURCE: u8 = 4 << 3 | 2;

/// Encoded logs, one after another in one buffer: any choice of them makes a group without encoding
/// again.
#[derive(Debug, Default)]
pub struct Logs {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Logs {
    /// Adds a log. `contents` is run twice, for the sizes and for the bytes, and must give the same
    /// both times.
    pub fn push(&mut self, time: u32, contents: impl Fn(&mut dyn FnMut(&str, &str))) {
        let mut size = 1 + varint_size(time as usize);
        contents(&mut |key, value| size += field_size(content_size(key, value)));
        let out = &mut self.bytes;
        out.reserve(field_size(size));
        header(out, GROUP_LOG, size);
        header(out, LOG_TIME, time as usize);
        contents(&mut |key, value| {
            header(out, LOG_CONTENT, content_size(key, value));
            text(out, CONTENT_KEY, key);
            text(out, CONTENT_VALUE, value);
        });
        self.ends.push(self.bytes.len());
    }

    /// The bytes of the log at `index`, as a field of its group; empty beyond the last.
    pub fn get(&self, index: usize) -> &[u8] {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        let range = self
            .ends
            .get(index)
            .and_then(|end| self.bytes.get(start..*end));
        range.unwrap_or_default()
    }

    /// The group of the logs at `indices`, with an empty topic, as KubeDL's reader wants it.
    pub fn group(&self, indices: &[usize], source: &str) -> Vec<u8> {
        let size: usize = indices.iter().map(|index| self.get(*index).len()).sum();
        let mut out = Vec::with_capacity(size + trailer_size(source));
        indices
            .iter()
            .for_each(|index| out.extend_from_slice(self.get(*index)));
        text(&mut out, GROUP_TOPIC, "");
        text(&mut out, GROUP_SOURCE, source);
        out
    }
}

/// The bytes of a group beside its logs.
pub fn trailer_size(source: &str) -> usize {
    field_size(0) + field_size(source.len())
}

fn content_size(key: &str, value: &str) -> usize {
    field_size(key.len()) + field_size(value.len())
}

/// All field numbers here are below 16, so a tag is one byte.
fn field_size(length: usize) -> usize {
    1 + varint_size(length) + length
}

fn varint_size(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn header(out: &mut Vec<u8>, tag: u8, mut number: usize) {
    out.push(tag);
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn text(out: &mut Vec<u8>, tag: u8, value: &str) {
    header(out, tag, value.len());
    out.extend_from_slice(value.as_bytes());
}
