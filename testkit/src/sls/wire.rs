//! Strict proto2 decoding of a `LogGroup` (go `log.proto`, rs `logs.proto`, doc "Data encoding").
//!
//! ```text
//! LogContent { required string Key=1; required string Value=2 }   LogTag { the same }
//! Log        { required uint32 Time=1; repeated LogContent Contents=2; optional fixed32 Time_ns=4 }
//! LogGroup   { repeated Log Logs=1; optional string Category=2, Topic=3, Source=4, MachineUUID=5; repeated LogTag LogTags=6 }
//! ```
//! Stricter than proto2 asks (own): a known field with another wire type, or a single field sent
//! twice, is an error. Unknown fields are skipped, as proto2 wants.

use std::fmt;

/// A decoded group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogGroup {
    /// The logs in the order sent.
    pub logs: Vec<Log>,
    /// `Topic`, empty if not sent.
    pub topic: String,
    /// `Source`, empty if not sent.
    pub source: String,
    /// `LogTags` in the order sent.
    pub tags: Vec<(String, String)>,
}

/// One log of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Unix seconds.
    pub time: u32,
    /// The nanoseconds within that second, if sent.
    pub time_ns: Option<u32>,
    /// Keys and values in the order sent.
    pub contents: Vec<(String, String)>,
}

/// Why bytes are not a `LogGroup`; the text is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Decodes the bytes of one uncompressed `LogGroup`.
///
/// # Errors
/// When a required field is missing, or anything is truncated, of a wrong type, repeated, out of
/// range or not UTF-8.
pub fn decode_group(bytes: &[u8]) -> Result<LogGroup, Malformed> {
    let mut group = LogGroup::default();
    let (mut category, mut topic, mut source, mut machine) = (None, None, None, None);
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => group.logs.push(decode_log(value.bytes("Logs")?)?),
            2 => once(&mut category, value.text("Category")?, "Category")?,
            3 => once(&mut topic, value.text("Topic")?, "Topic")?,
            4 => once(&mut source, value.text("Source")?, "Source")?,
            5 => once(&mut machine, value.text("MachineUUID")?, "MachineUUID")?,
            6 => group
                .tags
                .push(decode_pair(value.bytes("LogTags")?, "LogTag")?),
            _ => {}
        }
    }
    group.topic = topic.unwrap_or_default();
    group.source = source.unwrap_or_default();
    Ok(group)
}

fn decode_log(bytes: &[u8]) -> Result<Log, Malformed> {
    let (mut time, mut time_ns, mut contents) = (None, None, Vec::with_capacity(16));
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => once(&mut time, value.uint32("Time")?, "Time")?,
            2 => contents.push(decode_pair(value.bytes("Contents")?, "LogContent")?),
            4 => once(&mut time_ns, value.fixed32("Time_ns")?, "Time_ns")?,
            _ => {}
        }
    }
    let time = time.ok_or_else(|| malformed("A Log has no Time, which is required"))?;
    Ok(Log {
        time,
        time_ns,
        contents,
    })
}

fn decode_pair(bytes: &[u8], message: &str) -> Result<(String, String), Malformed> {
    let (mut key, mut value) = (None, None);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => once(&mut key, field.text("Key")?, "Key")?,
            2 => once(&mut value, field.text("Value")?, "Value")?,
            _ => {}
        }
    }
    let key = key.ok_or_else(|| malformed(format!("A {message} has no Key, which is required")))?;
    let value = value.ok_or_else(|| {
        malformed(format!(
            "The {message} {key:?} has no Value, which is required even when empty"
        ))
    })?;
    Ok((key, value))
}

fn once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(format!("The field {name} is sent twice"))),
    }
}

fn malformed(text: impl Into<String>) -> Malformed {
    Malformed(text.into() + ".")
}

/// A field's value by its wire type.
enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Value<'a> {
    fn bytes(self, name: &str) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(malformed(format!(
                "The field {name} is not length-delimited"
            ))),
        }
    }

    fn text(self, name: &str) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.bytes(name)?);
        text.map(str::to_owned)
            .map_err(|cause| malformed(format!("The field {name} is not UTF-8: {cause}")))
    }

    fn uint32(self, name: &str) -> Result<u32, Malformed> {
        match self {
            Value::Varint(number) => u32::try_from(number)
                .map_err(|_| malformed(format!("The field {name} is {number}, over 32 bits"))),
            _ => Err(malformed(format!("The field {name} is not a varint"))),
        }
    }

    fn fixed32(self, name: &str) -> Result<u32, Malformed> {
        match self {
            Value::Fixed32(number) => Ok(number),
            _ => Err(malformed(format!("The field {name} is not a fixed32"))),
        }
    }
}

/// The fields of a message that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        // protobuf: field numbers are 1 to 2^29 - 1.
        if number == 0 || number >= 1 << 29 {
            return Err(malformed(format!("There is no field number {number}")));
        }
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed64
            }
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                let bytes = self.take(4)?;
                let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| truncated())?;
                Value::Fixed32(u32::from_le_bytes(bytes))
            }
            other => {
                return Err(malformed(format!(
                    "The field {number} has the wire type {other}"
                )));
            }
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(truncated)?;
            self.0 = rest;
            // The tenth byte has room for one bit only.
            if shift == 63 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(malformed("A varint is over 64 bits"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn truncated() -> Malformed {
    malformed("The message is truncated")
}
