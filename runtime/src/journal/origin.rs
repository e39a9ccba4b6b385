//! Origins: where this journal begins for a scope that others had delivered before, as the Lease
//! says. What was written up to there is in no row and no identity of this file, and was settled
//! all the same.

use std::time::SystemTime;

use rusqlite::Connection;

use super::mark::covers;
use super::row::Row;
use crate::cluster::{Raw, Witness};

/// Made where it is missing: it came after the first journals of format 1, which any version of
/// this program can read without it.
pub(super) const TABLE: &str = "
-- Up to where others had delivered a scope to a sink when this journal began with it.
CREATE TABLE IF NOT EXISTS origins (
  scope            TEXT NOT NULL,
  sink             TEXT NOT NULL,
  resource_version TEXT NOT NULL,
  PRIMARY KEY (scope, sink)
) STRICT;
";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `*` or a namespace.
    pub scope: String,
    /// Name of the instance.
    pub sink: String,
    /// All events of the scope up to this resource version.
    pub resource_version: String,
}

impl Origin {
    /// Whether a row is of an event that was delivered before; not where that can't be told.
    pub fn covers_row(&self, row: &Row) -> bool {
        if row.scope != self.scope {
            return false;
        }
        let version = Witness::of(&Raw::stored(row.raw.clone()), SystemTime::UNIX_EPOCH)
            .map(|event| event.resource_version);
        version.is_some_and(|version| covers(&self.resource_version, &version))
    }
}

pub(super) fn note(connection: &Connection, origin: &Origin) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO origins (scope, sink, resource_version) VALUES (?1, ?2, ?3)",
        )?
        .execute((&origin.scope, &origin.sink, &origin.resource_version))
        .map(drop)
}

/// After the API server's storage was set back its resource versions are given again.
pub(super) fn set_back(connection: &Connection, scope: &str) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM origins WHERE scope = ?1", [scope])
        .map(drop)
}

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Origin>> {
    if !connection.table_exists(None, "origins")? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare_cached("SELECT scope, sink, resource_version FROM origins")?;
    let rows = statement.query_map([], |row| {
        Ok(Origin {
            scope: row.get(0)?,
            sink: row.get(1)?,
            resource_version: row.get(2)?,
        })
    })?;
    rows.collect()
}
