//! What can be read of a damaged file, row by row, and an account of the rest.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::journal::error::Error;
use crate::journal::row::Position;
use crate::journal::schema;

use super::table::{Copied, by_rowid};

/// Fills a new file with what can be read of the old one.
pub(super) fn copy_into(
    building: &Path,
    old: rusqlite::Result<Connection>,
    at: i64,
    event_ttl: Duration,
) -> Result<(u64, u64), Error> {
    let new = Connection::open(building)?;
    schema::prepare_unsafe(&new)?;
    let counts = match old {
        Ok(old) => copy(&old, &new, at, event_ttl)?,
        Err(_) => {
            note(&new, None, at, event_ttl)?;
            (0, 0)
        }
    };
    // In the file from now on, so that nobody has to change it.
    new.pragma_update(None, "journal_mode", "WAL")?;
    new.close().map_err(|(_, why)| why)?;
    Ok(counts)
}

/// Gives how many rows were moved, and how many that some sink still needed are gone.
fn copy(
    old: &Connection,
    new: &Connection,
    at: i64,
    event_ttl: Duration,
) -> Result<(u64, u64), Error> {
    let mut forgotten = Vec::new();
    for (table, columns) in [
        ("checkpoints", 4),
        ("cursors", 5),
        ("dead_letters", 11),
        ("gaps", 12),
        ("selections", 3),
        ("origins", 3),
    ] {
        if !by_rowid(old, new, table, columns)?.whole {
            forgotten.push(table);
        }
    }
    let Copied { rows, .. } = by_rowid(old, new, "events", 8)?;
    identities(old, new)?;
    let facts = old.query_row(
        "SELECT cluster, epoch, last_position FROM journal",
        [],
        |row| {
            Ok((
                row.get::<_, Option<String>>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, Position>(2)?,
            ))
        },
    );
    let seen: Position = new.query_row("SELECT max(coalesce((SELECT max(position) FROM events), 0), coalesce((SELECT max(position) FROM cursors), 0), coalesce((SELECT max(position) FROM identities), 0))", [], |row| row.get(0))?;
    let (cluster, epoch, last) = match facts {
        Ok((cluster, epoch, last)) => (cluster, epoch, last.max(seen)),
        Err(_) => {
            let epoch: i64 = new.query_row(
                "SELECT coalesce(max(epoch), 1) FROM identities",
                [],
                |row| row.get(0),
            )?;
            (None, epoch, seen)
        }
    };
    new.execute(
        "UPDATE journal SET cluster = ?1, epoch = ?2, last_position = ?3",
        (cluster, epoch, last),
    )?;
    let lost = account(new, last, at, event_ttl)?;
    for (table, reason) in FORGOTTEN {
        if forgotten.contains(&table) {
            // Of which sink and of when, nobody can say.
            new.execute(
                "INSERT INTO gaps (until, certain, reason) VALUES (?1, 0, ?2)",
                (at, reason),
            )?;
        }
    }
    Ok((rows, lost))
}

/// Tables that say which events are not stored, and the gap that stands for what they said.
const FORGOTTEN: [(&str, &str); 2] = [
    (
        "dead_letters",
        "dead letters were damaged on the disk: which events are not stored is no longer known of all of them",
    ),
    (
        "gaps",
        "gaps were damaged on the disk: where events were missing before is no longer known of all of them",
    ),
];

/// Copies identities from both ends, up to what can't be read: without one, a list adds an event a
/// second time, and loses none.
fn identities(old: &Connection, new: &Connection) -> Result<(), Error> {
    new.execute_batch("BEGIN")?;
    copy_identities(old, new)?;
    Ok(new.execute_batch("COMMIT")?)
}

fn copy_identities(old: &Connection, new: &Connection) -> Result<(), Error> {
    for order in ["", " DESC"] {
        let select = format!(
            "SELECT * FROM identities ORDER BY epoch{order}, resource_version{order}, uid{order}"
        );
        let Ok(mut select) = old.prepare(&select) else {
            return Ok(());
        };
        let mut insert =
            new.prepare("INSERT OR IGNORE INTO identities VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        let Ok(mut rows) = select.query([]) else {
            continue;
        };
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let Ok(values) = (0..7)
                        .map(|column| row.get(column))
                        .collect::<rusqlite::Result<Vec<Value>>>()
                    else {
                        break;
                    };
                    insert.execute(params_from_iter(values))?;
                }
                Ok(None) => return Ok(()),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Notes for each sink the rows that it still needed and that are gone. Gives how many such rows
/// there are.
fn account(new: &Connection, last: Position, at: i64, event_ttl: Duration) -> Result<u64, Error> {
    let mut statement = new.prepare("SELECT sink, position FROM cursors WHERE active")?;
    let cursors: Vec<(String, Position)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut most = 0;
    for (sink, position) in &cursors {
        let there: i64 = new.query_row(
            "SELECT count(*) FROM events WHERE position > ?1",
            [position],
            |row| row.get(0),
        )?;
        let lost = (last - position - there).max(0);
        if lost > 0 {
            note(new, Some(sink), at, event_ttl)?;
        }
        most = most.max(lost);
    }
    let checkpoints: i64 =
        new.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0))?;
    if cursors.is_empty() || checkpoints == 0 {
        note(new, None, at, event_ttl)?;
    }
    Ok(u64::try_from(most).unwrap_or(0))
}

fn note(new: &Connection, sink: Option<&str>, at: i64, event_ttl: Duration) -> Result<(), Error> {
    let certain = sink.is_some();
    let reason = "rows of the journal were damaged on the disk and could not be saved";
    let since: Option<i64> = new
        .query_row(
            "SELECT observed_at / 1000000000 - ?2 FROM events WHERE ?1 IS NOT NULL AND position <= (SELECT position FROM cursors WHERE sink = ?1) \
             ORDER BY position DESC LIMIT 1",
            (sink, i64::try_from(event_ttl.as_secs()).unwrap_or(i64::MAX)),
            |row| row.get(0),
        )
        .optional()?;
    new.execute(
        "INSERT INTO gaps (sink, since, until, certain, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
        (sink, since, at, certain, reason),
    )?;
    Ok(())
}
