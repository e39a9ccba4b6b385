//! One table of a damaged file, copied in the order of its row ids, around what can't be read.

use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};

use crate::journal::error::Error;
use crate::journal::row::{Position, checksum};

/// Rows copied at once while nothing is wrong.
const AT_ONCE: i64 = 500;
/// Places in a row that are tried for nothing: some seconds.
const MOST_BARREN: i64 = 1_000_000;
/// Bytes of rows after which they are committed.
const COMMIT_BYTES: usize = 4 << 20;

/// What came of copying a table.
pub(super) struct Copied {
    pub(super) rows: u64,
    /// All that was there.
    pub(super) whole: bool,
}

/// Copies a table in the order of its row ids, and goes around what can't be read.
pub(super) fn by_rowid(
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
    let copied = copy_rows(old, new, table, columns, &mut select, &mut insert)?;
    new.execute_batch("COMMIT")?;
    Ok(copied)
}

/// Copies the rows of a table, in a transaction that was begun; it is committed now and then.
fn copy_rows(
    old: &Connection,
    new: &Connection,
    table: &str,
    columns: usize,
    select: &mut Statement<'_>,
    insert: &mut Statement<'_>,
) -> Result<Copied, Error> {
    let mut bytes = 0;
    let is_sound = |row: &[Value]| table != "events" || is_intact(row);
    let last = old.query_row(&format!("SELECT max(rowid) FROM {table}"), [], |row| {
        row.get::<_, Option<i64>>(0)
    });
    let mut all = last.is_ok();
    let last = last.unwrap_or_default();
    // Where the end can't be read, a stretch without any row that can is taken for it; but what a
    // sink still needs is looked for where it begins.
    let mut needed = first_needed(new, table)?;
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
        } = read_some(select, (after, through), columns, is_sound, &mut batch);
        all &= ended_well && !passed_over;
        let whole = ended_well && !(passed_over && batch.is_empty());
        let reached = batch.last().and_then(|row| row_id(row));
        copied += batch.len() as u64;
        bytes += insert_all(insert, batch)?;
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

/// Writes rows; gives their bytes.
fn insert_all(insert: &mut Statement<'_>, rows: Vec<Vec<Value>>) -> rusqlite::Result<usize> {
    let mut bytes = 0;
    for row in rows {
        bytes += row.iter().map(size).sum::<usize>();
        insert.execute(params_from_iter(row.into_iter().skip(1)))?;
    }
    Ok(bytes)
}

fn row_id(row: &[Value]) -> Option<i64> {
    if let Some(Value::Integer(id)) = row.first() {
        Some(*id)
    } else {
        None
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 8,
    }
}

/// Where the rows of a table begin that a sink still needs, by the cursors that were saved; none
/// where there are none.
fn first_needed(new: &Connection, table: &str) -> Result<Option<Position>, Error> {
    if table != "events" {
        return Ok(None);
    }
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
    select: &mut Statement<'_>,
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
