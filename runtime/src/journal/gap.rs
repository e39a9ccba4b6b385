//! Gaps: where events may have come and gone unseen, or were given up.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, Row};

use super::error::Error;
use super::time::time;

/// An interval in which events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its number in this journal.
    pub id: i64,
    /// The watched scope; none: any.
    pub scope: Option<String>,
    /// The sink that misses something; none: all of them.
    pub sink: Option<String>,
    /// The beginning; none: unknown.
    pub since: Option<SystemTime>,
    /// The end; none: it is still going on.
    pub until: Option<SystemTime>,
    /// The resource version before it.
    pub since_version: Option<String>,
    /// The resource version at its end.
    pub until_version: Option<String>,
    /// True: events are missing. False: nobody can know.
    pub certain: bool,
    /// Why, for people.
    pub reason: String,
}

/// Whether a list that followed a loss of sight leaves something open. Pure.
///
/// A list shows each event that still exists, in its newest version. So nothing can be missing when
/// the API server has forgotten no event by age, its storage was not set back, and no listed event
/// that was new has had earlier versions. (An event that somebody deleted by hand meanwhile is the
/// exception that this can't see.)
pub fn is_open(blind: Duration, event_ttl: Duration, repeats: u64, set_back: bool) -> bool {
    set_back || repeats > 0 || blind >= event_ttl
}

pub(super) const COLUMNS: &str =
    "id, scope, sink, since, until, since_version, until_version, certain, reason";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Gap> {
    let at = |seconds: Option<i64>| seconds.map(time);
    Ok(Gap {
        id: row.get(0)?,
        scope: row.get(1)?,
        sink: row.get(2)?,
        since: at(row.get(3)?),
        until: at(row.get(4)?),
        since_version: row.get(5)?,
        until_version: row.get(6)?,
        certain: row.get(7)?,
        reason: row.get(8)?,
    })
}

/// All of a journal, the oldest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<Gap>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM gaps ORDER BY id"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
