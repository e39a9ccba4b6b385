//! Marks: which place in the journal belongs to which resource version of a scope.
//!
//! A mark (scope, position, resource version) says: of this scope's events, exactly those up to the
//! resource version are at or before the position. It is what lets a sink's cursor, a place in
//! *this* file, be told to a replica that has another file: as "delivered up to this resource
//! version". The position is that of the scope's own last row, so that the newest mark of a quiet
//! scope is at or below every cursor that is done with that row.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::Connection;

use super::error::Error;
use super::row::Position;
use super::time::{known_seconds, known_time};
use crate::cluster::{Resume, is_before};

/// Made where it is missing: it came after the first journals of format 1, which any version of
/// this program can read without it.
const TABLE: &str = "
-- Which place belongs to which resource version: about one a second and a thousand rows for each scope, and always the newest.
CREATE TABLE IF NOT EXISTS marks (
  scope            TEXT NOT NULL,
  position         INTEGER NOT NULL, -- of the scope's last row up to resource_version
  resource_version TEXT NOT NULL,
  seen_at          INTEGER,          -- seconds since 1970: when everything up to resource_version was proven to have been seen; NULL: unknown
  PRIMARY KEY (scope, position)
) STRICT, WITHOUT ROWID;
";

/// Makes the table, or gives one of an earlier version its newer column.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLE)?;
    let has_time = connection.column_exists(None, "marks", "seen_at")?;
    if !has_time {
        connection.execute_batch("ALTER TABLE marks ADD COLUMN seen_at INTEGER")?;
    }
    Ok(())
}

/// Rows between two marks of a scope, at most, beside those of one batch: as many may come again
/// after a lost disk, when many are taken in one second and are delivered slowly.
const ROWS_BETWEEN: Position = 1_000;

/// A resource version for each scope: all events of the scope up to it.
pub type Through = Vec<(String, String)>;

/// Whether everything up to `through` includes `version`; where they can't be compared, only what
/// is equal.
pub fn covers(through: &str, version: &str) -> bool {
    through == version || is_before(through, version) == Some(false)
}

/// What the writing thread remembers of each scope.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<String, Scope>);

#[derive(Debug)]
struct Scope {
    /// The scope's last row, or a later row of another scope.
    last: Position,
    newest: Option<Newest>,
}

/// The newest mark of a scope, which the next one takes the place of while both are of one second
/// and few rows lie between.
#[derive(Clone, Copy, Debug)]
struct Newest {
    position: Position,
    second: i64,
    /// Where the mark before it is, or was begun.
    after: Position,
    /// None is before it, as far as this process knows: it stays, since a cursor may be behind
    /// whatever takes its place.
    is_first: bool,
}

impl Marks {
    /// After a batch of a scope, in its transaction. `rows` is from the journal's last position
    /// before it to that after it; `second` is the time: marks of one second become one, unless
    /// many rows lie between.
    pub(super) fn note(
        &mut self,
        connection: &Connection,
        scope: &str,
        rows: Range<Position>,
        checkpoint: Option<&Resume>,
        second: i64,
    ) -> rusqlite::Result<()> {
        if !self.0.contains_key(scope) {
            // After a start the scope's last row is not known; a later place is right, too, only
            // reached later.
            self.0.insert(
                scope.to_owned(),
                Scope {
                    last: rows.start,
                    newest: None,
                },
            );
        }
        let Some(known) = self.0.get_mut(scope) else {
            return Ok(());
        };
        if !rows.is_empty() {
            known.last = rows.end;
        }
        let Some(reached) = checkpoint else {
            return Ok(());
        };
        let is_near = |newest: &Newest| {
            !newest.is_first && newest.second == second && known.last - newest.after <= ROWS_BETWEEN
        };
        let replaced = known.newest.filter(is_near);
        let after = replaced
            .map(|newest| newest.after)
            .or(known.newest.map(|newest| newest.position))
            .unwrap_or(known.last);
        known.newest = Some(Newest {
            position: known.last,
            second,
            after,
            is_first: known.newest.is_none(),
        });
        let old = replaced.map(|newest| newest.position);
        write(connection, scope, old, known.last, reached)
    }
}

/// Writes a mark of a scope, in the place of the one at `old` where that is there.
fn write(
    connection: &Connection,
    scope: &str,
    old: Option<Position>,
    position: Position,
    reached: &Resume,
) -> rusqlite::Result<()> {
    let Resume {
        resource_version,
        at,
    } = reached;
    let seen_at = known_seconds(*at);
    if let Some(old) = old {
        let moved = connection
            .prepare_cached("UPDATE OR REPLACE marks SET position = ?3, resource_version = ?4, seen_at = ?5 WHERE scope = ?1 AND position = ?2")?
            .execute((scope, old, position, resource_version, seen_at))?;
        if moved > 0 {
            return Ok(());
        }
        // The transaction that made it was undone.
    }
    connection.prepare_cached("INSERT OR REPLACE INTO marks (scope, position, resource_version, seen_at) VALUES (?1, ?2, ?3, ?4)")?.execute((
        scope,
        position,
        resource_version,
        seen_at,
    ))?;
    Ok(())
}

/// After the API server's storage was set back its resource versions are given again: of the scope
/// no mark holds, and the empty one says so to other replicas, which covers nothing.
pub(super) fn set_back(connection: &Connection, scope: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM marks WHERE scope = ?1", [scope])?;
    connection
        .execute(
            "INSERT INTO marks (scope, position, resource_version) VALUES (?1, 0, '')",
            [scope],
        )
        .map(drop)
}

/// For each scope the newest resource version up to which a sink is done with every event, and when
/// that was known to be everything.
pub(super) fn delivered(
    connection: &Connection,
    sink: &str,
) -> Result<Vec<(String, Resume)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT m.scope, m.resource_version, m.seen_at FROM marks m, cursors c WHERE c.sink = ?1 \
         AND m.position = (SELECT max(position) FROM marks WHERE scope = m.scope AND position <= c.position) ORDER BY m.scope",
    )?;
    let rows = statement.query_map([sink], |row| {
        Ok((
            row.get(0)?,
            Resume {
                resource_version: row.get(1)?,
                at: known_time(row.get(2)?),
            },
        ))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
