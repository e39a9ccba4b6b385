//! Gaps in the caller's transaction: they begin, end, and grow.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::Store;
use crate::cluster::Lost;
use crate::journal::gap::{self, Gap, is_open};
use crate::journal::row::Position;
use crate::journal::time::{known_seconds, time};
use crate::journal::{mark, origin, witness};

/// When an event was written, in seconds since 1970, as it says itself: what was written long
/// before it was seen is missing then, too. NULL: it doesn't say.
const WRITTEN: &str = "CASE WHEN json_valid(raw) THEN coalesce(\
    nullif(max(unixepoch(json_extract(raw, '$.lastTimestamp')), 0), 0), \
    nullif(max(unixepoch(json_extract(raw, '$.deprecatedLastTimestamp')), 0), 0), \
    nullif(max(unixepoch(json_extract(raw, '$.metadata.creationTimestamp')), 0), 0)) END";

impl Store {
    /// Notes that sight was lost, on disk before the list that follows. One that is open already
    /// began earlier.
    pub(super) fn lose_sight(&mut self, scope: &str, lost: &Lost) -> rusqlite::Result<()> {
        if lost.set_back {
            // Another scope may have noticed before.
            self.connection
                .execute("UPDATE journal SET epoch = epoch + 1 WHERE epoch = (SELECT epoch FROM checkpoints WHERE scope = ?1)", [scope])?;
            self.connection
                .execute("DELETE FROM checkpoints WHERE scope = ?1", [scope])?;
            mark::set_back(&self.connection, scope)?;
            witness::set_back(&self.connection, scope)?;
            origin::set_back(&self.connection, scope)?;
        }
        let changed = self.connection.execute(
            "UPDATE gaps SET set_back = max(set_back, ?2), reason = CASE WHEN ?2 THEN ?3 ELSE reason END, position = CASE WHEN ?2 THEN ?4 ELSE position END \
             WHERE scope = ?1 AND sink IS NULL AND until IS NULL",
            (scope, lost.set_back, &lost.reason, self.last),
        )?;
        if changed == 0 {
            let since = known_seconds(lost.last.at).filter(|since| *since <= self.seconds());
            self.connection.execute(
                "INSERT INTO gaps (scope, since, since_version, certain, reason, set_back, position) VALUES (?1, ?2, ?3, 0, ?4, ?5, CASE WHEN ?5 THEN ?6 END)",
                (scope, since, Some(&lost.last.resource_version).filter(|version| !version.is_empty()), &lost.reason, lost.set_back, self.last),
            )?;
        }
        Ok(())
    }

    /// Counts for an open gap of the scope, and ends it with the list's last page; gives it if
    /// something stays open.
    pub(super) fn after_batch(
        &mut self,
        scope: &str,
        repeats: i64,
        reached: Option<&str>,
    ) -> rusqlite::Result<Option<Gap>> {
        let open = self
            .connection
            .prepare_cached("SELECT id, since, repeats, set_back FROM gaps WHERE scope = ?1 AND sink IS NULL AND until IS NULL")?
            .query_row([scope], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i64>(2)?, row.get::<_, bool>(3)?)))
            .optional()?;
        let Some((id, since, counted, set_back)) = open else {
            return Ok(None);
        };
        let repeats = counted + repeats;
        let Some(reached) = reached else {
            self.connection
                .execute("UPDATE gaps SET repeats = ?2 WHERE id = ?1", (id, repeats))?;
            return Ok(None);
        };
        // A time in the future was written by a clock that was wrong: since when nothing was seen
        // is unknown then.
        let blind = since
            .and_then(|since| (self.now)().duration_since(time(since)).ok())
            .unwrap_or(Duration::MAX);
        if !is_open(
            blind,
            self.event_ttl,
            u64::try_from(repeats).unwrap_or(0),
            set_back,
        ) {
            self.connection
                .execute("DELETE FROM gaps WHERE id = ?1", [id])?;
            return Ok(None);
        }
        // A second is the smallest unit here, so the end is rounded up.
        let until = self.seconds() + 1;
        // Where no version was seen before, events are missing that were written before anybody
        // looked: a first list shows them as old as they get.
        let ttl = i64::try_from(self.event_ttl.as_secs()).unwrap_or(i64::MAX);
        self.connection.execute(
            "UPDATE gaps SET since = CASE WHEN since <= ?2 THEN CASE WHEN since_version IS NULL AND NOT set_back THEN since - ?5 ELSE since END END, \
             until = ?2, until_version = ?3, repeats = ?4 WHERE id = ?1",
            (id, until, reached, repeats, ttl),
        )?;
        self.connection
            .query_row(
                &format!("SELECT {} FROM gaps WHERE id = ?1", gap::COLUMNS),
                [id],
                gap::read,
            )
            .map(Some)
    }

    /// Notes that a sink will not get the rows after `after` up to `through`, which are still
    /// there.
    pub(super) fn give_up(
        &mut self,
        sink: &str,
        after: Position,
        through: Position,
        reason: &str,
    ) -> rusqlite::Result<()> {
        let edge = |order: &str| {
            self.connection
                .query_row(
                    &format!(
                        "SELECT observed_at / 1000000000, CASE WHEN json_valid(raw) THEN json_extract(raw, '$.metadata.resourceVersion') END, scope \
                         FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position {order} LIMIT 1"
                    ),
                    (after, through),
                    |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?)),
                )
                .optional()
        };
        let (Some(first), Some(last)) = (edge("ASC")?, edge("DESC")?) else {
            return Ok(());
        };
        let until = last.0 + 1;
        // A list is in the order of its names, so its oldest version stands anywhere. One that is
        // no number tells nothing of the order.
        let (since, oldest, newest) = self.connection.query_row(
            &format!(
                "SELECT min(min(seen, coalesce({WRITTEN}, seen))), CAST(min(version) AS TEXT), CAST(max(version) AS TEXT) FROM (SELECT raw, \
                 observed_at / 1000000000 AS seen, CAST(CASE WHEN json_valid(raw) THEN json_extract(raw, '$.metadata.resourceVersion') END AS INTEGER) AS version \
                 FROM events WHERE position > ?1 AND position <= ?2)"
            ),
            (after, through),
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?)),
        )?;
        let known = |version: Option<String>, edge: Option<String>| {
            version.filter(|version| version != "0").or(edge)
        };
        let (since_version, until_version) = (known(oldest, first.1), known(newest, last.1));
        let grown = self.connection.execute(
            "UPDATE gaps SET since = min(since, ?7), until = ?4, position = ?6, \
             since_version = CASE WHEN CAST(?8 AS INTEGER) < CAST(since_version AS INTEGER) THEN ?8 ELSE since_version END, \
             until_version = CASE WHEN CAST(?5 AS INTEGER) < CAST(until_version AS INTEGER) THEN until_version ELSE ?5 END \
             WHERE id = (SELECT max(id) FROM gaps WHERE sink = ?1) AND position = ?2 AND reason = ?3",
            (sink, after, reason, until, &until_version, through, since, &since_version),
        )?;
        if grown == 0 {
            self.connection.execute(
                "INSERT INTO gaps (sink, since, until, since_version, until_version, certain, reason, position) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7)",
                (sink, since, until, since_version, until_version, reason, through),
            )?;
        }
        Ok(())
    }
}
