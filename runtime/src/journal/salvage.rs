//! Salvage: moves what can be read of a damaged file into a new one, and notes the rest as a gap.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use super::reader::checksum;
use super::room::with_suffix;
use super::store::seconds;
use super::{Error, Position, schema};

/// Rows copied at once while nothing is wrong.
const AT_ONCE: i64 = 500;

/// Puts a new file in the place of a damaged one, which is kept for a person. Nobody may have the old one open for writing.
pub(super) fn salvage(file: &Path, durable: bool, now: SystemTime) -> Result<(), Error> {
    let at = seconds(now);
    let kept_as = with_suffix(file, &format!(".damaged-{at}"));
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(file, suffix), with_suffix(&kept_as, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(|why| Error::Folder { path: from, why })?;
        }
    }
    let new = Connection::open(file)?;
    schema::prepare(&new, durable)?;
    let old = Connection::open_with_flags(&kept_as, OpenFlags::SQLITE_OPEN_READ_WRITE);
    new.execute_batch("BEGIN IMMEDIATE")?;
    let (mut rows, mut lost) = (0, 0);
    match old {
        Ok(old) => (rows, lost) = copy(&old, &new, at)?,
        Err(_) => note(&new, None, at)?,
    }
    new.execute_batch("COMMIT")?;
    tracing::error!(
        kept_as = %kept_as.display(), rows, lost,
        "The journal was damaged on the disk. What could be read was moved to a new file; `kubedl-events gaps` lists the rest."
    );
    Ok(())
}

/// Gives how many rows were moved, and how many that some sink still needed are gone.
fn copy(old: &Connection, new: &Connection, at: i64) -> Result<(u64, u64), Error> {
    for (table, columns) in [("checkpoints", 4), ("cursors", 5), ("dead_letters", 11), ("gaps", 12), ("selections", 3), ("origins", 3)] {
        by_rowid(old, new, table, columns)?;
    }
    let rows = by_rowid(old, new, "events", 8)?;
    identities(old, new)?;
    let facts = old.query_row("SELECT cluster, epoch, last_position FROM journal", [], |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Position>(2)?))
    });
    let seen: Position = new.query_row("SELECT max(coalesce((SELECT max(position) FROM events), 0), coalesce((SELECT max(position) FROM cursors), 0), coalesce((SELECT max(position) FROM identities), 0))", [], |row| row.get(0))?;
    let (cluster, epoch, last) = match facts {
        Ok((cluster, epoch, last)) => (cluster, epoch, last.max(seen)),
        Err(_) => {
            let epoch: i64 = new.query_row("SELECT coalesce(max(epoch), 1) FROM identities", [], |row| row.get(0))?;
            (None, epoch, seen)
        }
    };
    new.execute("UPDATE journal SET cluster = ?1, epoch = ?2, last_position = ?3", (cluster, epoch, last))?;
    let lost = account(new, last, at)?;
    Ok((rows, lost))
}

/// Copies a table in the order of its row ids, and goes around what can't be read.
fn by_rowid(old: &Connection, new: &Connection, table: &str, columns: usize) -> Result<u64, Error> {
    let marks = vec!["?"; columns].join(", ");
    let Ok(mut select) = old.prepare(&format!("SELECT rowid, * FROM {table} WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?3")) else {
        return Ok(0);
    };
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    let last: Option<i64> = old.query_row(&format!("SELECT max(rowid) FROM {table}"), [], |row| row.get(0)).optional().ok().flatten().flatten();
    // Where the end can't be read, a stretch without any row that can is taken for it.
    let (mut after, mut barren, mut copied) = (0_i64, 0_i64, 0);
    while last.is_none_or(|last| after < last) && barren < 1_000_000 {
        let single = barren > 0;
        let through = if single { after + 1 } else { i64::MAX };
        let mut batch: Vec<Vec<Value>> = Vec::new();
        let whole = read_some(&mut select, after, through, columns, &mut batch);
        let reached = batch.last().and_then(|row| if let Some(Value::Integer(id)) = row.first() { Some(*id) } else { None });
        for row in batch {
            if table == "events" && !is_intact(&row) {
                continue;
            }
            insert.execute(params_from_iter(row.into_iter().skip(1)))?;
            copied += 1;
        }
        match (reached, whole) {
            (Some(reached), whole) => (after, barren) = (reached, i64::from(!whole)),
            (None, true) if !single => break,
            (None, _) => (after, barren) = (after + 1, barren + 1),
        }
    }
    Ok(copied)
}

/// False when it ended with an error; what came before it is in `rows`.
fn read_some(select: &mut rusqlite::Statement<'_>, after: i64, through: i64, columns: usize, rows: &mut Vec<Vec<Value>>) -> bool {
    let Ok(mut found) = select.query((after, through, AT_ONCE)) else { return false };
    loop {
        match found.next() {
            Ok(Some(row)) => {
                let Ok(values) = (0..=columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>() else { return false };
                rows.push(values);
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Whether a row of `events` (with its row id in front) has the text that its CRC was made of.
fn is_intact(row: &[Value]) -> bool {
    let text = |place: usize| match row.get(place) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let number = |place: usize| if let Some(Value::Integer(number)) = row.get(place) { *number } else { -1 };
    number(8) == i64::from(checksum(number(1), number(3), [text(5), text(6), text(7)])) && text(7).is_some()
}

/// Copies identities from both ends, up to what can't be read: without one, a list adds an event a second time, and loses none.
fn identities(old: &Connection, new: &Connection) -> Result<(), Error> {
    for order in ["", " DESC"] {
        let select = format!("SELECT * FROM identities ORDER BY epoch{order}, resource_version{order}, uid{order}");
        let Ok(mut select) = old.prepare(&select) else { return Ok(()) };
        let mut insert = new.prepare("INSERT OR IGNORE INTO identities VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        let Ok(mut rows) = select.query([]) else { continue };
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let Ok(values) = (0..7).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>() else { break };
                    insert.execute(params_from_iter(values))?;
                }
                Ok(None) => return Ok(()),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Notes for each sink the rows that it still needed and that are gone. Gives how many such rows there are.
fn account(new: &Connection, last: Position, at: i64) -> Result<u64, Error> {
    let mut statement = new.prepare("SELECT sink, position FROM cursors WHERE active")?;
    let cursors: Vec<(String, Position)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut most = 0;
    for (sink, position) in &cursors {
        let there: i64 = new.query_row("SELECT count(*) FROM events WHERE position > ?1", [position], |row| row.get(0))?;
        let lost = (last - position - there).max(0);
        if lost > 0 {
            note(new, Some(sink), at)?;
        }
        most = most.max(lost);
    }
    let checkpoints: i64 = new.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0))?;
    if cursors.is_empty() || checkpoints == 0 {
        note(new, None, at)?;
    }
    Ok(u64::try_from(most).unwrap_or(0))
}

fn note(new: &Connection, sink: Option<&str>, at: i64) -> Result<(), Error> {
    let certain = sink.is_some();
    let reason = "rows of the journal were damaged on the disk and could not be saved";
    let since: Option<i64> = new
        .query_row(
            "SELECT observed_at / 1000000000 FROM events WHERE ?1 IS NOT NULL AND position <= (SELECT position FROM cursors WHERE sink = ?1) \
             ORDER BY position DESC LIMIT 1",
            [sink],
            |row| row.get(0),
        )
        .optional()?;
    new.execute("INSERT INTO gaps (sink, since, until, certain, reason) VALUES (?1, ?2, ?3, ?4, ?5)", (sink, since, at, certain, reason))?;
    Ok(())
}
