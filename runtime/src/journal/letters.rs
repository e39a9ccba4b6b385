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

fn read(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let position: Option<Position> = row.get(2)?;
    Ok(Letter {
        id: row.get(0)?,
        sink: row.get(1)?,
        position,
        reason: row.get(3)?,
        attempts: row.get(4)?,
        died_at: time(row.get(5)?),
        row: super::Row {
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

impl Store {
    /// Marks letters to be tried again; gives how many there are.
    pub(super) fn requeue(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(
            choice,
            &format!("UPDATE dead_letters SET requeued = {REQUEUED} WHERE sink <> ''"),
        )
    }

    /// Throws letters away; gives how many.
    pub(super) fn discard(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(choice, "DELETE FROM dead_letters WHERE 1")
    }

    fn each(&mut self, choice: &Choice, statement: &str) -> rusqlite::Result<u64> {
        let changed = match choice {
            Choice::Sink(sink) => self
                .connection
                .execute(&format!("{statement} AND sink = ?1"), [sink])?,
            Choice::Ids(ids) => {
                let mut changed = 0;
                for id in ids {
                    changed += self
                        .connection
                        .execute(&format!("{statement} AND id = ?1"), [id])?;
                }
                changed
            }
        };
        self.unreadable = None;
        Ok(changed as u64)
    }

    /// Notes what became of letters that were tried again.
    pub(super) fn retried(&mut self, letters: &[Retried]) -> rusqlite::Result<()> {
        for letter in letters {
            match letter {
                Retried::Stored(id) => self.connection.execute("DELETE FROM dead_letters WHERE id = ?1", [id])?,
                Retried::HeldBack { id, reason, attempts } => {
                    self.connection.execute("UPDATE dead_letters SET reason = ?2, attempts = attempts + ?3 WHERE id = ?1", (id, reason, attempts))?
                }
                Retried::Kept { id, reason, attempts } => self.connection.execute(
                    "UPDATE dead_letters SET requeued = 0, reason = ?2, attempts = attempts + ?3, died_at = ?4 WHERE id = ?1",
                    (id, reason, attempts, self.seconds()),
                )?,
            };
        }
        Ok(())
    }
}

/// The most objects that can't be read as events and are kept, and their bytes. Who may write such
/// objects can't fill the journal with them.
const UNREADABLE: (u64, u64) = (10_000, 32 << 20);
/// The words of the gap that the oldest of them leave.
const GIVEN_UP: &str = "objects that could not be read as events were more than are kept, and the oldest were given up";

/// Objects that could not be read as events.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unreadable {
    count: u64,
    bytes: u64,
}

impl Store {
    /// Keeps an object that can't be read as an event; false when it lies here already. The oldest
    /// ones make room for it.
    pub(super) fn keep_unreadable(&mut self, raw: &str, reason: &str) -> rusqlite::Result<bool> {
        let known = "SELECT 1 FROM dead_letters WHERE sink = '' AND raw = ?1";
        if self.connection.prepare_cached(known)?.exists([raw])? {
            return Ok(false);
        }
        let mut there = match self.unreadable {
            Some(there) => there,
            None => self.count_unreadable()?,
        };
        while there.count > 0
            && (there.count >= UNREADABLE.0 || there.bytes + raw.len() as u64 > UNREADABLE.1)
        {
            self.give_up_unreadable()?;
            there = self.count_unreadable()?;
        }
        let at = self.seconds();
        let insert = "INSERT INTO dead_letters (sink, position, reason, attempts, died_at, observed_at, raw) VALUES ('', NULL, ?1, 1, ?2, ?2 * 1000000000, ?3)";
        self.connection
            .prepare_cached(insert)?
            .execute((reason, at, raw))?;
        self.unreadable = Some(Unreadable {
            count: there.count + 1,
            bytes: there.bytes + raw.len() as u64,
        });
        Ok(true)
    }

    fn count_unreadable(&self) -> rusqlite::Result<Unreadable> {
        let count = "SELECT count(*), coalesce(sum(length(CAST(raw AS BLOB))), 0) FROM dead_letters WHERE sink = ''";
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        self.connection.query_row(count, [], |row| {
            Ok(Unreadable {
                count: unsigned(row.get(0)?),
                bytes: unsigned(row.get(1)?),
            })
        })
    }

    /// Drops a tenth of them, as a gap: the oldest lines of text first, which never were objects,
    /// and then the oldest of the rest.
    fn give_up_unreadable(&mut self) -> rusqlite::Result<()> {
        let oldest = "FROM dead_letters WHERE sink = '' ORDER BY ltrim(raw) LIKE '{%', id LIMIT (SELECT count(*) / 10 + 1 FROM dead_letters WHERE sink = '')";
        let since: i64 = self.connection.query_row(
            &format!("SELECT min(died_at) FROM (SELECT died_at {oldest})"),
            [],
            |row| row.get(0),
        )?;
        self.connection.execute(
            &format!("DELETE FROM dead_letters WHERE id IN (SELECT id {oldest})"),
            [],
        )?;
        let until = self.seconds() + 1;
        let grown = self.connection.execute(
            "UPDATE gaps SET until = ?1 WHERE reason = ?2",
            (until, GIVEN_UP),
        )?;
        if grown == 0 {
            self.connection.execute(
                "INSERT INTO gaps (since, until, certain, reason) VALUES (?1, ?2, 1, ?3)",
                (since, until, GIVEN_UP),
            )?;
        }
        Ok(())
    }
}
