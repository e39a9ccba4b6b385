//! Reading from a cursor on, by a connection of its own. No read transaction outlives a call.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::error::Error;
use super::files::FILE;
use super::gap::{self, Gap};
use super::identity::{compact_uid, compact_version};
use super::letters::{self, Letter};
use super::origin::{self, Origin};
use super::row::{Position, Row, checksum};
use super::stats::Stats;
use super::{schema, selection, witness};
use crate::cluster::Witnesses;

/// A read connection. It follows when a damaged file is replaced.
#[derive(Debug)]
pub struct Reader {
    connection: RefCell<Option<Connection>>,
    generation: Cell<u64>,
    file: PathBuf,
    /// None for the journal of another process.
    stats: Option<Arc<Stats>>,
}

/// What became of a version of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The journal never saw it.
    Unknown,
    /// The filter dropped it.
    Dropped {
        /// The rule that said so.
        rule: String,
    },
    /// It has a place in the order.
    Kept {
        /// The place.
        position: Position,
        /// Whether the row is still there.
        there: bool,
    },
}

/// Where a sink stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Name of the instance.
    pub sink: String,
    /// All up to here is stored there, or a dead letter, or given up by a gap.
    pub position: Position,
    /// False: no longer configured.
    pub active: bool,
}

impl Reader {
    pub(super) fn of(file: &Path, stats: Arc<Stats>) -> Result<Self, Error> {
        let reader = Self {
            connection: RefCell::new(None),
            generation: Cell::new(0),
            file: file.to_owned(),
            stats: Some(stats),
        };
        reader.with(|_| Ok(()))?;
        Ok(reader)
    }

    /// Reads the journal of a folder, whether or not a process is writing it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let file = directory.join(FILE);
        match std::fs::metadata(&file) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Absent {
                    directory: directory.to_owned(),
                });
            }
            Err(why) => return Err(Error::Folder { path: file, why }),
            Ok(_) => {}
        }
        let reader = Self {
            connection: RefCell::new(None),
            generation: Cell::new(0),
            file,
            stats: None,
        };
        reader.with(|connection| {
            let found: i64 =
                connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if found == schema::VERSION {
                Ok(())
            } else {
                Err(Error::Newer {
                    found,
                    known: schema::VERSION,
                })
            }
        })?;
        Ok(reader)
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The file that is being read: counts up each time a damaged one was replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation.get()
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let current = self.stats.as_ref().map_or(0, |stats| stats.generation());
        let mut slot = self.connection.borrow_mut();
        let connection = match slot.take().filter(|_| self.generation.get() == current) {
            Some(connection) => connection,
            None => match &self.stats {
                Some(stats) => stats.opening(|generation| {
                    self.generation.set(generation);
                    self.connect()
                })?,
                None => self.connect()?,
            },
        };
        work(slot.insert(connection))
    }

    fn connect(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        schema::tune(&connection)?;
        schema::touch(&connection)?;
        Ok(connection)
    }

    /// At most `events` rows after `after`, in order, that together have at most `bytes` of JSON,
    /// but at least one if there is any. [`Error::Damaged`] only when the first of them is, at the
    /// very next place; otherwise the rows before a damaged one.
    pub fn read(&self, after: Position, events: usize, bytes: usize) -> Result<Vec<Row>, Error> {
        self.with(|connection| rows(connection, after, events, bytes))
    }

    /// The number of dead letters of a sink.
    pub fn dead_letters(&self, sink: &str) -> Result<u64, Error> {
        let count = self.with(|connection| Ok(letters::count(connection, sink)?))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The number of all dead letters, those of no sink included.
    pub fn all_dead_letters(&self) -> Result<u64, Error> {
        let count: i64 = self.with(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM dead_letters", [], |row| row.get(0))?)
        })?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Whether a dead letter is to be tried again.
    pub fn any_requeued(&self) -> Result<bool, Error> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM dead_letters WHERE requeued = ?1)")?;
            Ok(statement.query_row([letters::REQUEUED], |row| row.get(0))?)
        })
    }

    /// Dead letters with a number above `after`, the oldest first; of one sink, or of all.
    pub fn letters(
        &self,
        sink: Option<&str>,
        after: i64,
        most: usize,
    ) -> Result<Vec<Letter>, Error> {
        self.with(|connection| letters::page(connection, sink, after, most))
    }

    /// Dead letters that a sink is to try again, the oldest first.
    pub fn requeued(&self, sink: &str, most: usize) -> Result<Vec<Letter>, Error> {
        self.with(|connection| letters::requeued(connection, sink, most))
    }

    /// Events of a sink that are held back, those that were tried least before the others.
    pub fn held_back(&self, sink: &str, most: usize) -> Result<Vec<Letter>, Error> {
        self.with(|connection| letters::held_back(connection, sink, most))
    }

    /// All gaps, the oldest first.
    pub fn gaps(&self) -> Result<Vec<Gap>, Error> {
        self.with(gap::all)
    }

    /// The checkpoint of a scope.
    pub fn checkpoint(&self, scope: &str) -> Result<Option<String>, Error> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT resource_version FROM checkpoints WHERE scope = ?1")?;
            Ok(statement.query_row([scope], |row| row.get(0)).optional()?)
        })
    }

    /// The newest events of a scope since its storage was last set back, to know that by.
    pub fn witnesses(&self, scope: &str) -> Result<Witnesses, Error> {
        self.with(|connection| witness::of(connection, scope))
    }

    /// Where each sink stands.
    pub fn standings(&self) -> Result<Vec<Standing>, Error> {
        self.with(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT sink, position, active FROM cursors ORDER BY sink")?;
            let rows = statement.query_map([], |row| {
                Ok(Standing {
                    sink: row.get(0)?,
                    position: row.get(1)?,
                    active: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// What became of a version of an event, by its `metadata.uid` and `metadata.resourceVersion`.
    pub fn fate(&self, uid: &str, resource_version: &str) -> Result<Fate, Error> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT i.position, i.rule, e.position IS NOT NULL FROM identities i LEFT JOIN events e ON e.position = i.position \
                 WHERE i.epoch = (SELECT epoch FROM journal) AND i.resource_version = ?1 AND i.uid = ?2",
            )?;
            let found = statement.query_row((compact_version(resource_version), compact_uid(uid)), |row| {
                let position: Option<Position> = row.get(0)?;
                Ok(match position {
                    Some(position) => Fate::Kept { position, there: row.get(2)? },
                    None => Fate::Dropped { rule: row.get(1)? },
                })
            });
            Ok(found.optional()?.unwrap_or(Fate::Unknown))
        })
    }

    /// Where this journal begins, for what others had delivered before.
    pub fn origins(&self) -> Result<Vec<Origin>, Error> {
        self.with(|connection| Ok(origin::all(connection)?))
    }

    /// The same of one sink.
    pub fn origins_of(&self, sink: &str) -> Result<Vec<Origin>, Error> {
        Ok(self
            .origins()?
            .into_iter()
            .filter(|origin| origin.sink == sink)
            .collect())
    }

    /// Keys of the scopes that were ever watched.
    pub fn scopes(&self) -> Result<Vec<String>, Error> {
        self.with(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT scope FROM checkpoints ORDER BY scope")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// A row; none where it is gone.
    pub fn row(&self, position: Position) -> Result<Option<Row>, Error> {
        Ok(self
            .read(position - 1, 1, usize::MAX)?
            .into_iter()
            .find(|row| row.position == position))
    }

    /// The expression that decides whether a sink gets a row; empty: it gets all.
    pub fn selection(&self, sink: &str, position: Position) -> Result<String, Error> {
        self.with(|connection| Ok(selection::of(connection, sink, position)?))
    }

    /// Whether a sink has a dead letter of a row, and if so, whether it is to be tried again.
    pub fn letter_of(&self, sink: &str, position: Position) -> Result<Option<bool>, Error> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT max(requeued) > 0 FROM dead_letters WHERE sink = ?1 AND position = ?2",
            )?;
            Ok(statement.query_row((sink, position), |row| row.get(0))?)
        })
    }
}

fn rows(
    connection: &Connection,
    after: Position,
    events: usize,
    bytes: usize,
) -> Result<Vec<Row>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT position, observed_at, job, labels, raw, crc, scope FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")?;
    let mut found = statement.query((after, i64::try_from(events).unwrap_or(i64::MAX)))?;
    let mut rows = Vec::new();
    let mut size = 0;
    while let Some(columns) = found.next()? {
        let row = Row {
            position: columns.get(0)?,
            scope: columns.get(6)?,
            observed_at: columns.get(1)?,
            job: columns.get(2)?,
            labels: columns.get(3)?,
            raw: columns.get(4)?,
        };
        let crc: i64 = columns.get(5)?;
        if crc
            != i64::from(checksum(
                row.position,
                row.observed_at,
                [row.job.as_deref(), row.labels.as_deref(), Some(&row.raw)],
            ))
        {
            if rows.is_empty() {
                // Its place may be what is damaged: what has another one than is next is not taken
                // at its word.
                return Err(if row.position == after + 1 {
                    Error::Damaged {
                        position: row.position,
                    }
                } else {
                    Error::corrupt()
                });
            }
            break;
        }
        size += row.raw.len();
        if size > bytes && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}
