//! Marks in the caller's transaction: a cursor passes over what another replica has delivered.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use crate::cluster::is_before;
use crate::journal::error::Error;
use crate::journal::mark::{Through, covers};
use crate::journal::row::Position;

/// Rows that one `deliver_through` looks at, so that it doesn't hold up appends.
const ROWS_AT_ONCE: i64 = 5_000;

/// How far the cursor of a sink can go when all events up to the given resource versions are
/// delivered: to the first row that is not among them, or as far as it looks at once.
fn covered(store: &Store, sink: &str, through: &Through) -> rusqlite::Result<Position> {
    let connection = &store.connection;
    let cursor = connection
        .prepare_cached("SELECT position FROM cursors WHERE sink = ?1")?
        .query_row([sink], |row| row.get(0))
        .optional()?;
    let Some(cursor) = cursor else { return Ok(0) };
    let mut bounds: HashMap<&str, (Position, &str)> = HashMap::new();
    for (scope, version) in through {
        // One that this journal has not reached may be from before the API server's storage was set
        // back.
        if store
            .checkpoint(scope)?
            .is_none_or(|reached| is_before(&reached.resource_version, version) == Some(true))
        {
            continue;
        }
        bounds.insert(scope, (bound(connection, scope, version)?, version));
    }
    let mut rows = connection.prepare_cached(
        "SELECT position, scope FROM events WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let mut rows = rows.query((cursor, ROWS_AT_ONCE))?;
    let mut reached = cursor;
    while let Some(row) = rows.next()? {
        let (position, scope): (Position, String) = (row.get(0)?, row.get(1)?);
        let Some((bound, version)) = bounds.get(scope.as_str()) else {
            break;
        };
        // Marks are thinned: what comes after the last of them is judged by its own resource
        // version.
        if position > *bound
            && !version_of(connection, position)?.is_some_and(|own| covers(version, &own))
        {
            break;
        }
        reached = position;
    }
    Ok(reached)
}

/// The place of the newest mark of a scope that a resource version covers; 0 when there is none.
fn bound(connection: &Connection, scope: &str, version: &str) -> rusqlite::Result<Position> {
    let mut marks = connection.prepare_cached(
        "SELECT position, resource_version FROM marks WHERE scope = ?1 ORDER BY position DESC",
    )?;
    let mut marks = marks.query([scope])?;
    while let Some(mark) = marks.next()? {
        if covers(version, &mark.get::<_, String>(1)?) {
            return mark.get(0);
        }
    }
    Ok(0)
}

/// The resource version of a row's event; none for a row that can't be read.
fn version_of(connection: &Connection, position: Position) -> rusqlite::Result<Option<String>> {
    let query = "SELECT CASE WHEN json_valid(raw) THEN json_extract(raw, '$.metadata.resourceVersion') END FROM events WHERE position = ?1";
    connection
        .prepare_cached(query)?
        .query_row([position], |row| row.get(0))
}

impl Store {
    /// See [`Journal::deliver_through`](crate::journal::Journal::deliver_through).
    pub(in crate::journal) fn deliver_through(
        &mut self,
        sink: &str,
        through: &Through,
    ) -> Result<Position, Error> {
        let reached = covered(self, sink, through)?;
        self.acknowledge(sink, reached, &[])?;
        Ok(reached)
    }

    /// Deletes the marks that no cursor can need: of each scope those before the newest one at or
    /// below the oldest cursor. The scope's newest of all may still be moved beyond that cursor, so
    /// it replaces none. Gives how many.
    pub(in crate::journal) fn forget_marks(&mut self) -> rusqlite::Result<usize> {
        let old = "DELETE FROM marks WHERE position < (SELECT max(m.position) FROM marks m WHERE m.scope = marks.scope \
                   AND m.position < (SELECT max(position) FROM marks WHERE scope = m.scope) \
                   AND m.position <= (SELECT coalesce(min(position), 0) FROM cursors WHERE active))";
        self.connection.prepare_cached(old)?.execute([])
    }
}
