//! What can be read of a damaged file, row by row, and an account of the rest.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::journal::error::Error;
use crate::journal::row::{Position, checksum};
use crate::journal::schema;

/// Rows copied at once while nothing is wrong.
const AT_ONCE: i64 = 500;
/// Places in a row that are tried for nothing: some seconds.
const MOST_BARREN: i64 = 1_000_000;
/// Bytes of rows after which they are committed.
const COMMIT_BYTES: usize = 4 << 20;
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

/// What came of copying a table.
struct Copied {
    rows: u64,
    /// All that was there.
    whole: bool,
}

/// Copies a table in the order of its row ids, and goes around what can't be read.
fn by_rowid(
    old: &Connection,
    new: &Connection,
    table: &str,
    columns: usize,
) -> Result<Copied, Error> {
    let marks = vec!["?"; columns].join(", ");
    let there = old.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = ?1",
        [table],
        |row| row.get::<_, bool>(0),
    );
    let Ok(mut select) = old.prepare(&format!(
        "SELECT rowid, * FROM {table} WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?3"
    )) else {
        // Journals of earlier versions have not all of them.
        return Ok(Copied {
            rows: 0,
            whole: there != Ok(true),
        });
    };
    if is_lost(old, table) {
        return Ok(Copied {
            rows: 0,
            whole: false,
        });
    }
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    new.execute_batch("BEGIN")?;
    let mut bytes = 0;
    let is_sound = |row: &[Value]| table != "events" || is_intact(row);
    let last = old.query_row(&format!("SELECT max(rowid) FROM {table}"), [], |row| {
        row.get::<_, Option<i64>>(0)
    });
    let mut all = last.is_ok();
    let last = last.unwrap_or_default();
    // Where the end can't be read, a stretch without any row that can is taken for it; but what a
    // sink still needs is looked for where it begins.
    let mut needed = if table == "events" {
        first_needed(new)?
    } else {
        None
    };
    let (mut after, mut barren, mut copied) = (0_i64, 0_i64, 0);
    while last.is_none_or(|last| after < last) {
        if barren >= MOST_BARREN {
            let Some(place) = needed.take().filter(|place| *place > after) else {
                break;
            };
            after = place;
            barren = 1;
        }
        let single = barren > 0;
        let through = if single {
            after.saturating_add(1)
        } else {
            i64::MAX
        };
        let mut batch: Vec<Vec<Value>> = Vec::new();
        let Stretch {
            ended_well,
            passed_over,
        } = read_some(&mut select, (after, through), columns, is_sound, &mut batch);
        all &= ended_well && !passed_over;
        let whole = ended_well && !(passed_over && batch.is_empty());
        let reached = batch.last().and_then(|row| {
            if let Some(Value::Integer(id)) = row.first() {
                Some(*id)
            } else {
                None
            }
        });
        for row in batch {
            bytes += row.iter().map(size).sum::<usize>();
            insert.execute(params_from_iter(row.into_iter().skip(1)))?;
            copied += 1;
        }
        if bytes > COMMIT_BYTES {
            new.execute_batch("COMMIT; BEGIN")?;
            bytes = 0;
        }
        match (reached, whole) {
            (Some(reached), whole) => (after, barren) = (reached, i64::from(!whole)),
            (None, true) if !single => break,
            (None, _) => (after, barren) = (after.saturating_add(1), barren + 1),
        }
    }
    new.execute_batch("COMMIT")?;
    Ok(Copied {
        rows: copied,
        whole: all,
    })
}

/// Whether no way leads into a table, as when its first page is damaged: then no row of it has to
/// be tried.
fn is_lost(old: &Connection, table: &str) -> bool {
    const WAYS: i64 = 64;
    let last: i64 = old
        .query_row("SELECT last_position FROM journal", [], |row| row.get(0))
        .unwrap_or(1_000_000);
    let Ok(mut way) = old.prepare(&format!("SELECT 1 FROM {table} WHERE rowid = ?1")) else {
        return true;
    };
    let mut leads = |rowid: i64| way.exists([rowid]).is_ok();
    !leads(1) && !leads(i64::MAX) && !(1..WAYS).any(|part| leads(last / WAYS * part + last % WAYS))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 8,
    }
}

/// Where the rows begin that a sink still needs, by the cursors that were saved; none where there
/// are none.
fn first_needed(new: &Connection) -> Result<Option<Position>, Error> {
    Ok(new.query_row(
        "SELECT min(position) FROM cursors WHERE active",
        [],
        |row| row.get(0),
    )?)
}

/// How reading a stretch of a table ended.
struct Stretch {
    /// Without an error, and without a row that is not where it belongs, as on a damaged page.
    ended_well: bool,
    /// A row that can't be read, or is not sound, was passed over; its place says nothing.
    passed_over: bool,
}

/// Adds to `rows` those that are sound, in order.
fn read_some(
    select: &mut rusqlite::Statement<'_>,
    (after, through): (i64, i64),
    columns: usize,
    is_sound: impl Fn(&[Value]) -> bool,
    rows: &mut Vec<Vec<Value>>,
) -> Stretch {
    let (mut reached, mut passed_over) = (after, false);
    let Ok(mut found) = select.query((after, through, AT_ONCE)) else {
        return Stretch {
            ended_well: false,
            passed_over,
        };
    };
    loop {
        let values = match found.next() {
            Ok(Some(row)) => (0..=columns)
                .map(|column| row.get(column))
                .collect::<rusqlite::Result<Vec<Value>>>(),
            Ok(None) => {
                return Stretch {
                    ended_well: true,
                    passed_over,
                };
            }
            Err(_) => {
                return Stretch {
                    ended_well: false,
                    passed_over,
                };
            }
        };
        let Some(values) = values.ok().filter(|values| is_sound(values)) else {
            passed_over = true;
            continue;
        };
        match values.first() {
            Some(Value::Integer(id)) if (reached.saturating_add(1)..=through).contains(id) => {
                reached = *id
            }
            _ => {
                return Stretch {
                    ended_well: false,
                    passed_over,
                };
            }
        }
        rows.push(values);
    }
}

/// Whether a row of `events` (with its row id in front) has the text that its CRC was made of.
fn is_intact(row: &[Value]) -> bool {
    let text = |place: usize| match row.get(place) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let number = |place: usize| {
        if let Some(Value::Integer(number)) = row.get(place) {
            *number
        } else {
            -1
        }
    };
    number(8) == i64::from(checksum(number(1), number(3), [text(5), text(6), text(7)]))
        && text(7).is_some()
}

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
