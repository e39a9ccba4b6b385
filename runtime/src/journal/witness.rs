//! Witnesses: events by which a storage that was set back is known. The rows have them; what is
//! noted here is which of them prove nothing any more.

use rusqlite::Connection;

use super::error::Error;
use super::time::time;
use crate::cluster::{Forgotten, Raw, Witness, Witnesses, is_before};

/// Made where it is missing: it came after the first journals of format 1, which any version of
/// this program can read without it.
pub(super) const TABLE: &str = "
-- Namespaces whose newest event was deleted: what was seen of them before proves nothing.
CREATE TABLE IF NOT EXISTS forgotten (
  scope            TEXT NOT NULL,
  namespace        TEXT NOT NULL,
  resource_version TEXT NOT NULL,    -- of the deletion
  forgotten_at     INTEGER NOT NULL, -- seconds since 1970
  PRIMARY KEY (scope, namespace)
) STRICT;
";

/// Rows among which witnesses are looked for.
const ROWS: i64 = 50;
/// Namespaces that are remembered, the newest.
const NAMESPACES: i64 = 1_000;

pub(super) fn forget(
    connection: &Connection,
    scope: &str,
    forgotten: &[Forgotten],
    now: i64,
) -> rusqlite::Result<()> {
    for Forgotten {
        namespace,
        resource_version,
    } in forgotten
    {
        connection
            .prepare_cached("INSERT OR REPLACE INTO forgotten (scope, namespace, resource_version, forgotten_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute((scope, namespace, resource_version, now))?;
    }
    if !forgotten.is_empty() {
        let old = "DELETE FROM forgotten WHERE rowid NOT IN (SELECT rowid FROM forgotten ORDER BY forgotten_at DESC LIMIT ?1)";
        connection.prepare_cached(old)?.execute([NAMESPACES])?;
    }
    Ok(())
}

/// After the API server's storage was set back its resource versions are given again.
pub(super) fn set_back(connection: &Connection, scope: &str) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM forgotten WHERE scope = ?1", [scope])
        .map(drop)
}

/// The newest events of a scope since its storage was last set back, without those that were
/// deleted.
pub(super) fn of(connection: &Connection, scope: &str) -> Result<Witnesses, Error> {
    let forgotten = forgotten(connection, scope)?;
    let mut statement = connection.prepare_cached(
        "SELECT raw, observed_at / 1000000000 FROM events WHERE scope = ?1 \
         AND position > max((SELECT last_position FROM journal) - 10000, coalesce((SELECT max(position) FROM gaps WHERE set_back AND scope = ?1), 0)) ORDER BY position DESC LIMIT ?2",
    )?;
    let rows = statement.query_map((scope, ROWS), |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut newest = Vec::new();
    for row in rows {
        let (raw, seen_at) = row?;
        newest.extend(
            Witness::of(&Raw::stored(raw), time(seen_at))
                .filter(|witness| !forgotten.iter().any(|gone| covers(gone, witness))),
        );
    }
    let mut witnesses = Witnesses::default();
    newest
        .into_iter()
        .rev()
        .for_each(|witness| witnesses.add(witness));
    Ok(witnesses)
}

/// Versions that can't be compared are taken for older ones: a witness too few costs less than a
/// false alarm.
fn covers(gone: &Forgotten, witness: &Witness) -> bool {
    gone.namespace == witness.namespace
        && is_before(&gone.resource_version, &witness.resource_version) != Some(true)
}

fn forgotten(connection: &Connection, scope: &str) -> rusqlite::Result<Vec<Forgotten>> {
    if !connection.table_exists(None, "forgotten")? {
        return Ok(Vec::new());
    }
    let mut statement = connection
        .prepare_cached("SELECT namespace, resource_version FROM forgotten WHERE scope = ?1")?;
    let rows = statement.query_map([scope], |row| {
        Ok(Forgotten {
            namespace: row.get(0)?,
            resource_version: row.get(1)?,
        })
    })?;
    rows.collect()
}
