//! The program's journal, as it lies in its file (`runtime/src/journal/schema.rs`).

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::put::{Shown, number_of};
use super::record::{Gap, Journal, Letter, Row};

/// Reads the journal of a data folder, for all sinks. The program may run meanwhile.
///
/// # Errors
/// When the file is not there, is no journal, or has a row that is no event.
fn read(data: &Path) -> rusqlite::Result<Journal> {
    let connection = Connection::open_with_flags(
        data.join("journal.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let mut journal = Journal::default();
    let mut rows = connection.prepare("SELECT position, raw FROM events ORDER BY position")?;
    for row in rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (position, raw) = row?;
        let event: Shown = serde_json::from_str(&raw).map_err(|why| {
            rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(why))
        })?;
        let identity = (event.metadata.uid, event.metadata.resource_version);
        journal.rows.push(Row {
            position,
            number: number_of(&event.message),
            identity,
        });
    }
    let mut identities =
        connection.prepare("SELECT uid, resource_version, position FROM identities")?;
    for identity in identities.query_map([], |row| {
        Ok(((uid(row.get_ref(0)?), text(row.get_ref(1)?)), row.get(2)?))
    })? {
        let (identity, position) = identity?;
        journal.identities.insert(identity, position);
    }
    let mut letters = connection.prepare("SELECT sink, position, reason FROM dead_letters")?;
    let found = letters.query_map([], |row| {
        Ok(Letter {
            sink: row.get(0)?,
            position: row.get(1)?,
            reason: row.get(2)?,
        })
    })?;
    journal.letters = found.collect::<Result<_, _>>()?;
    let mut gaps = connection
        .prepare("SELECT scope, sink, since, until, certain, reason FROM gaps ORDER BY id")?;
    let found = gaps.query_map([], |row| {
        let (scope, sink, since, until) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Gap {
            scope,
            sink,
            since,
            until,
            certain: row.get(4)?,
            reason: row.get(5)?,
        })
    })?;
    journal.gaps = found.collect::<Result<_, _>>()?;
    Ok(journal)
}

/// What was read of a data folder's journals: of the one that is there, and of those whose disks
/// were taken away.
#[derive(Debug)]
pub(super) struct Readings {
    data: PathBuf,
    /// Of the journal that is there, before it deleted what is delivered.
    earlier: Option<Journal>,
    /// Those that are lost, as one, and the second since 1970 at which the last of them was.
    lost: Option<(Journal, i64)>,
}

impl Readings {
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            earlier: None,
            lost: None,
        }
    }

    /// Reads the journal, which may delete what is delivered from here on.
    pub fn remember(&mut self) -> rusqlite::Result<()> {
        let mut now = read(&self.data)?;
        if let Some(earlier) = self.earlier.take() {
            now.remember(earlier);
        }
        self.earlier = Some(now);
        Ok(())
    }

    /// All journals that there were, as one.
    pub fn all(&mut self) -> rusqlite::Result<Journal> {
        self.remember()?;
        let now = self.earlier.take().unwrap_or_default();
        let Some((mut all, second)) = self.lost.take() else {
            return Ok(now);
        };
        all.go_on_with(now, second);
        Ok(all)
    }

    /// Reads the journal, whose disk is taken away now, in nanoseconds since 1970.
    pub fn lose(&mut self, at_ns: u64) -> rusqlite::Result<()> {
        let all = self.all()?;
        self.lost = Some((all, i64::try_from(at_ns / 1_000_000_000).unwrap_or(0)));
        Ok(())
    }
}

/// 16 bytes where it is a UUID, else text.
fn uid(value: ValueRef<'_>) -> String {
    let ValueRef::Blob(bytes) = value else {
        return text(value);
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

/// An integer where it is one, else text.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}
