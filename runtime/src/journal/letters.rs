//! Dead letters: events that a sink will never store, unless a person says so.

use rusqlite::Connection;

use super::error::Error;
use super::row::{Position, Row};
use super::time::time;

/// An event that a sink will never store, or that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the journal.
    pub position: Position,
    /// The sink's words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// It may still be stored: the sink tries it again by itself, and it is no dead letter yet.
    pub held_back: bool,
}

/// A dead letter as it lies in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number in this journal.
    pub id: i64,
    /// The sink that won't have it; empty for an object that could not be read as an event.
    pub sink: String,
    /// The event's place in the journal; none for an object that was no event.
    pub position: Option<Position>,
    /// The sink's words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it lies here.
    pub died_at: std::time::SystemTime,
    /// The event, as the sink would get it.
    pub row: Row,
    /// Whether a person wants it tried again.
    pub requeued: bool,
    /// Whether the sink tries it again by itself, so that it is no dead letter yet.
    pub held_back: bool,
}

/// Values of the column `requeued`: a person wants it tried again; the sink tries it again by
/// itself.
pub(super) const REQUEUED: i64 = 1;
pub(super) const HELD_BACK: i64 = 2;

const COLUMNS: &str =
    "id, sink, position, reason, attempts, died_at, observed_at, job, labels, raw, requeued";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Letter> {
    let position: Option<Position> = row.get(2)?;
    Ok(Letter {
        id: row.get(0)?,
        sink: row.get(1)?,
        position,
        reason: row.get(3)?,
        attempts: row.get(4)?,
        died_at: time(row.get(5)?),
        row: Row {
            position: position.unwrap_or(0),
            scope: String::new(),
            observed_at: row.get(6)?,
            job: row.get(7)?,
            labels: row.get(8)?,
            raw: row.get(9)?,
        },
        requeued: row.get::<_, i64>(10)? == REQUEUED,
        held_back: row.get::<_, i64>(10)? == HELD_BACK,
    })
}

/// Letters with a number above `after`, the oldest first; of one sink, or of all.
pub(super) fn page(
    connection: &Connection,
    sink: Option<&str>,
    after: i64,
    most: usize,
) -> Result<Vec<Letter>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM dead_letters WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"))?;
    let rows = statement.query_map((after, sink, i64::try_from(most).unwrap_or(i64::MAX)), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Letters of a sink that a person wants tried again, the oldest first.
pub(super) fn requeued(
    connection: &Connection,
    sink: &str,
    most: usize,
) -> Result<Vec<Letter>, Error> {
    to_be_tried(connection, sink, REQUEUED, most)
}

/// Events of a sink that are held back, those that were tried least before the others.
pub(super) fn held_back(
    connection: &Connection,
    sink: &str,
    most: usize,
) -> Result<Vec<Letter>, Error> {
    to_be_tried(connection, sink, HELD_BACK, most)
}

fn to_be_tried(
    connection: &Connection,
    sink: &str,
    state: i64,
    most: usize,
) -> Result<Vec<Letter>, Error> {
    let order = if state == HELD_BACK {
        "attempts, id"
    } else {
        "id"
    };
    let select = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE sink = ?1 AND requeued = ?2 ORDER BY {order} LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let rows = statement.query_map((sink, state, i64::try_from(most).unwrap_or(i64::MAX)), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many dead letters a sink has.
pub(super) fn count(connection: &Connection, sink: &str) -> rusqlite::Result<i64> {
    let mut statement = connection
        .prepare_cached("SELECT count(*) FROM dead_letters WHERE sink = ?1 AND requeued <> ?2")?;
    statement.query_row((sink, HELD_BACK), |row| row.get(0))
}

/// Which letters a person means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By their numbers.
    Ids(Vec<i64>),
    /// All of a sink.
    Sink(String),
}

/// What became of a letter that was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Not stored, and still held back.
    HeldBack {
        /// Which.
        id: i64,
        /// The sink's words.
        reason: String,
        /// Tries since the last note.
        attempts: u32,
    },
    /// Stored: the letter goes.
    Stored(i64),
    /// Not stored: it stays, with the new words.
    Kept {
        /// Which.
        id: i64,
        /// The sink's words.
        reason: String,
        /// Tries since it was asked for.
        attempts: u32,
    },
}

/// Objects that could not be read as events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unreadable {
    pub(super) count: u64,
    pub(super) bytes: u64,
}
