//! Dead letters: events that a sink will never store, unless a person says so.

use rusqlite::{Connection, Row};

use super::store::{Store, time};
use super::{Error, Position};

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
    pub row: super::Row,
    /// Whether the sink is to try it again.
    pub requeued: bool,
}

const COLUMNS: &str = "id, sink, position, reason, attempts, died_at, observed_at, job, labels, raw, requeued";

fn read(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let position: Option<Position> = row.get(2)?;
    Ok(Letter {
        id: row.get(0)?,
        sink: row.get(1)?,
        position,
        reason: row.get(3)?,
        attempts: row.get(4)?,
        died_at: time(row.get(5)?),
        row: super::Row { position: position.unwrap_or(0), observed_at: row.get(6)?, job: row.get(7)?, labels: row.get(8)?, raw: row.get(9)? },
        requeued: row.get(10)?,
    })
}

/// Letters with a number above `after`, the oldest first; of one sink, or of all.
pub(super) fn page(connection: &Connection, sink: Option<&str>, after: i64, most: usize) -> Result<Vec<Letter>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM dead_letters WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3"))?;
    let rows = statement.query_map((after, sink, i64::try_from(most).unwrap_or(i64::MAX)), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Letters that a sink is to try again, the oldest first.
pub(super) fn requeued(connection: &Connection, sink: &str, most: usize) -> Result<Vec<Letter>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM dead_letters WHERE sink = ?1 AND requeued ORDER BY id LIMIT ?2"))?;
    let rows = statement.query_map((sink, i64::try_from(most).unwrap_or(i64::MAX)), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
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

impl Store {
    /// Marks letters to be tried again; gives how many there are.
    pub(super) fn requeue(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(choice, "UPDATE dead_letters SET requeued = 1 WHERE sink <> ''")
    }

    /// Throws letters away; gives how many.
    pub(super) fn discard(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(choice, "DELETE FROM dead_letters WHERE 1")
    }

    fn each(&mut self, choice: &Choice, statement: &str) -> rusqlite::Result<u64> {
        let changed = match choice {
            Choice::Sink(sink) => self.connection.execute(&format!("{statement} AND sink = ?1"), [sink])?,
            Choice::Ids(ids) => {
                let mut changed = 0;
                for id in ids {
                    changed += self.connection.execute(&format!("{statement} AND id = ?1"), [id])?;
                }
                changed
            }
        };
        Ok(changed as u64)
    }

    /// Notes what became of letters that were tried again.
    pub(super) fn retried(&mut self, letters: &[Retried]) -> rusqlite::Result<()> {
        for letter in letters {
            match letter {
                Retried::Stored(id) => self.connection.execute("DELETE FROM dead_letters WHERE id = ?1", [id])?,
                Retried::Kept { id, reason, attempts } => self.connection.execute(
                    "UPDATE dead_letters SET requeued = 0, reason = ?2, attempts = attempts + ?3, died_at = ?4 WHERE id = ?1",
                    (id, reason, attempts, self.seconds()),
                )?,
            };
        }
        Ok(())
    }
}
