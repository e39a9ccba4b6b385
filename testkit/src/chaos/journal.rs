//! The program's journal, as it lies in its file (`runtime/src/journal/schema.rs`).

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::account::{Gap, Journal, Letter, Row};
use super::put::{Shown, number_of};

/// Reads the journal of a data folder, as far as `sink` is concerned. The program may run meanwhile.
///
/// # Errors
/// When the file is not there, is no journal, or has a row that is no event.
pub fn read(data: &Path, sink: &str) -> rusqlite::Result<Journal> {
    let connection = Connection::open_with_flags(data.join("journal.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut journal = Journal::default();
    let mut rows = connection.prepare("SELECT position, raw FROM events ORDER BY position")?;
    for row in rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (position, raw) = row?;
        let event: Shown =
            serde_json::from_str(&raw).map_err(|why| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(why)))?;
        let identity = (event.metadata.uid, event.metadata.resource_version);
        journal.rows.push(Row { position, number: number_of(&event.message), identity });
    }
    let mut identities = connection.prepare("SELECT uid, resource_version, position FROM identities")?;
    for identity in identities.query_map([], |row| Ok(((uid(row.get_ref(0)?), text(row.get_ref(1)?)), row.get(2)?)))? {
        let (identity, position) = identity?;
        journal.identities.insert(identity, position);
    }
    let mut letters = connection.prepare("SELECT position, reason FROM dead_letters WHERE sink IN ('', ?1)")?;
    let found = letters.query_map([sink], |row| Ok(Letter { position: row.get(0)?, reason: row.get(1)? }))?;
    journal.letters = found.collect::<Result<_, _>>()?;
    let mut gaps = connection.prepare("SELECT sink, since, until, certain, reason FROM gaps ORDER BY id")?;
    let found =
        gaps.query_map([], |row| Ok(Gap { sink: row.get(0)?, since: row.get(1)?, until: row.get(2)?, certain: row.get(3)?, reason: row.get(4)? }))?;
    journal.gaps = found.collect::<Result<_, _>>()?;
    Ok(journal)
}

/// 16 bytes where it is a UUID, else text.
fn uid(value: ValueRef<'_>) -> String {
    let ValueRef::Blob(bytes) = value else { return text(value) };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// An integer where it is one, else text.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}
