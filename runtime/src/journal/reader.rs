//! Reading from a cursor on, by a connection of its own. No read transaction outlives a call.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Error, Position, schema};

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub position: Position,
    /// When the watcher saw it, in nanoseconds since 1970.
    pub observed_at: i64,
    /// The job as JSON.
    pub job: Option<String>,
    /// Labels as JSON.
    pub labels: Option<String>,
    /// Kubernetes' own JSON.
    pub raw: String,
}

/// A read connection.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        schema::keep_plans(&connection)?;
        Ok(Self { connection })
    }

    /// At most `events` rows after `after`, in order, that together have at most `bytes` of JSON, but at least one if there is any.
    /// [`Error::Damaged`] only when the first of them is; otherwise the rows before a damaged one.
    pub fn read(&self, after: Position, events: usize, bytes: usize) -> Result<Vec<Row>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT position, observed_at, job, labels, raw, crc FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")?;
        let mut found = statement.query((after, i64::try_from(events).unwrap_or(i64::MAX)))?;
        let mut rows = Vec::new();
        let mut size = 0;
        while let Some(columns) = found.next()? {
            let row =
                Row { position: columns.get(0)?, observed_at: columns.get(1)?, job: columns.get(2)?, labels: columns.get(3)?, raw: columns.get(4)? };
            let crc: i64 = columns.get(5)?;
            if crc != i64::from(checksum(row.job.as_deref(), row.labels.as_deref(), &row.raw)) {
                if rows.is_empty() {
                    return Err(Error::Damaged { position: row.position });
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

    /// The number of dead letters of a sink.
    pub fn dead_letters(&self, sink: &str) -> Result<u64, Error> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM dead_letters WHERE sink = ?1", [sink], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// The `crc` of a row.
pub(super) fn checksum(job: Option<&str>, labels: Option<&str>, raw: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [job.unwrap_or(""), labels.unwrap_or(""), raw] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize()
}
