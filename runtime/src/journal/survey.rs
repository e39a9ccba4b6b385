//! What the file says about itself, for those who look on: small queries, whatever the file's size.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension};

use super::error::Error;
use super::files::log_size;
use super::letters::HELD_BACK;
use super::reader::Reader;
use super::row::Position;
use super::salvage::set_aside;
use super::time::time;

/// A journal at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes in use, the write-ahead log and damaged files that were set aside included.
    pub size: u64,
    /// Rows that are there.
    pub rows: u64,
    /// The last position.
    pub last: Position,
    /// Sinks that are configured.
    pub sinks: Vec<Behind>,
    /// Dead letters by sink; of the empty name: objects that could not be read as events.
    pub letters: BTreeMap<String, u64>,
    /// Events that are held back, by sink.
    pub held_back: BTreeMap<String, u64>,
    /// Gaps in which events may be missing, and in which they are.
    pub gaps: (u64, u64),
    /// When each scope was last known to have been seen whole.
    pub checkpoints: BTreeMap<String, SystemTime>,
}

/// How far a sink is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its name.
    pub sink: String,
    /// Events that it has still to get.
    pub backlog: u64,
    /// When the first of them was seen.
    pub oldest: Option<SystemTime>,
}

impl Reader {
    /// Whether every table can be read, as far as that is looked at when a journal is opened.
    ///
    /// # Errors
    /// What can't be read.
    pub fn look_at_every_table(&self) -> Result<(), Error> {
        self.with(look_at_every_table)
    }

    /// Looks at everything.
    pub fn survey(&self) -> Result<Survey, Error> {
        let aside: u64 = set_aside(self.file()).iter().map(|file| file.bytes).sum();
        let log = log_size(self.file()) + aside;
        self.with(|connection| Ok(survey(connection, log)?))
    }
}

/// Tables of which every row is looked at when a journal is opened: what can't be read of them
/// would stop the service later, or make it forget.
const SMALL: [&str; 9] = [
    "journal",
    "checkpoints",
    "cursors",
    "gaps",
    "selections",
    "origins",
    "marks",
    "forgotten",
    "dead_letters",
];

/// Reads every row of what is small, and both ends of what is large, so that damage is found before
/// anything depends on it.
///
/// # Errors
/// What can't be read, and a journal without its one row.
pub(super) fn look_at_every_table(connection: &Connection) -> Result<(), Error> {
    for table in SMALL {
        if connection.table_exists(None, table)? {
            let mut rows = connection.prepare(&format!("SELECT * FROM {table} NOT INDEXED"))?;
            let mut rows = rows.query([])?;
            while rows.next()?.is_some() {}
        }
    }
    connection.query_row("SELECT last_position FROM journal", [], |row| {
        row.get::<_, i64>(0)
    })?;
    for (table, order) in [
        ("events", "position"),
        ("identities", "epoch, resource_version, uid"),
    ] {
        for direction in ["", " DESC"] {
            let order = order.replace(", ", &format!("{direction}, "));
            connection
                .query_row(
                    &format!("SELECT * FROM {table} ORDER BY {order}{direction} LIMIT 1"),
                    [],
                    |_| Ok(()),
                )
                .optional()?;
        }
    }
    Ok(())
}

fn survey(connection: &Connection, log: u64) -> rusqlite::Result<Survey> {
    let number = |sql: &str| {
        connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get::<_, Option<i64>>(0))
    };
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let last = number("SELECT last_position FROM journal")?.unwrap_or(0);
    // Positions have no holes but those of a damaged file, and counting would read all.
    let first = number("SELECT min(position) FROM events")?;
    let size = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    Ok(Survey {
        size: unsigned(size) + log,
        rows: first.map_or(0, |first| unsigned(last - first + 1)),
        last,
        sinks: sinks(connection, last)?,
        letters: counts(
            connection,
            &format!(
                "SELECT sink, count(*) FROM dead_letters WHERE requeued <> {HELD_BACK} GROUP BY sink"
            ),
        )?,
        held_back: counts(
            connection,
            &format!(
                "SELECT sink, count(*) FROM dead_letters WHERE requeued = {HELD_BACK} GROUP BY sink"
            ),
        )?,
        gaps: gaps(connection)?,
        checkpoints: pairs(connection, "SELECT scope, reached_at FROM checkpoints")?
            .map(|(scope, at)| (scope, time(at)))
            .collect(),
    })
}

fn sinks(connection: &Connection, last: Position) -> rusqlite::Result<Vec<Behind>> {
    let mut sinks = Vec::new();
    for (sink, position) in pairs(
        connection,
        "SELECT sink, position FROM cursors WHERE active ORDER BY sink",
    )? {
        let mut first = connection.prepare_cached(
            "SELECT observed_at FROM events WHERE position > ?1 ORDER BY position LIMIT 1",
        )?;
        let oldest = first
            .query_row([position], |row| row.get::<_, i64>(0))
            .optional()?;
        let oldest = oldest.map(|at| UNIX_EPOCH + std::time::Duration::from_nanos(unsigned(at)));
        sinks.push(Behind {
            sink,
            backlog: unsigned(last - position),
            oldest,
        });
    }
    Ok(sinks)
}

/// One that is still open may turn out to be none.
fn gaps(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let mut count = connection
        .prepare_cached("SELECT count(*) FROM gaps WHERE until IS NOT NULL AND certain = ?1")?;
    let mut of = |certain: bool| {
        count
            .query_row([certain], |row| row.get::<_, i64>(0))
            .map(unsigned)
    };
    Ok((of(false)?, of(true)?))
}

fn pairs(
    connection: &Connection,
    sql: &str,
) -> rusqlite::Result<impl Iterator<Item = (String, i64)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter())
}

fn counts(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeMap<String, u64>> {
    Ok(pairs(connection, sql)?
        .map(|(name, count)| (name, unsigned(count)))
        .collect())
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
