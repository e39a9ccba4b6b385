//! Selections: which expression decided, from which place on, what a sink gets. It tells an event
//! that a sink was never to get from one that it has stored.

use rusqlite::{Connection, OptionalExtension};

use super::row::Position;

/// Made where it is missing: it came after the first journals of format 1, which any version of
/// this program can read without it.
pub(super) const TABLE: &str = "
-- What decides which events a sink gets.
CREATE TABLE IF NOT EXISTS selections (
  sink       TEXT NOT NULL,
  position   INTEGER NOT NULL,      -- for what comes after it, until the sink's next selection
  expression TEXT NOT NULL,         -- CEL; empty: all
  PRIMARY KEY (sink, position)
) STRICT;
";

/// Notes what decides from the sink's cursor on.
pub(super) fn note(connection: &Connection, sink: &str, expression: &str) -> rusqlite::Result<()> {
    let last: Option<String> = connection
        .prepare_cached(
            "SELECT expression FROM selections WHERE sink = ?1 ORDER BY position DESC LIMIT 1",
        )?
        .query_row([sink], |row| row.get(0))
        .optional()?;
    if last.unwrap_or_default() == expression {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO selections (sink, position, expression) SELECT sink, position, ?2 FROM cursors WHERE sink = ?1")?
        .execute((sink, expression))?;
    Ok(())
}

/// What decides about a row; empty: the sink gets all.
pub(super) fn of(
    connection: &Connection,
    sink: &str,
    position: Position,
) -> rusqlite::Result<String> {
    if !connection.table_exists(None, "selections")? {
        return Ok(String::new());
    }
    let found = connection
        .prepare_cached("SELECT expression FROM selections WHERE sink = ?1 AND position < ?2 ORDER BY position DESC LIMIT 1")?
        .query_row((sink, position), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or_default())
}
