//! Identities in the caller's transaction: each is taken once.

use rusqlite::OptionalExtension;
use rusqlite::types::Value;

use super::Store;
use crate::journal::batch::Entry;
use crate::journal::identity::{compact_uid, compact_version};
use crate::journal::row::Position;

/// What the journal knows of an identity: where its row is, and which rule decided.
type Claimed = (Option<Position>, String);

impl Store {
    /// Takes an identity; false when it was taken before.
    pub(super) fn claim(
        &self,
        epoch: i64,
        entry: &Entry,
        position: Option<Position>,
        seen_at: i64,
    ) -> rusqlite::Result<bool> {
        let (version, uid) = (
            compact_version(&entry.resource_version),
            compact_uid(&entry.uid),
        );
        let crc = entry
            .kept
            .as_ref()
            .map(|kept| i64::from(crc32fast::hash(kept.raw.as_bytes())));
        let before = if epoch > 1 {
            self.same_before(epoch, &version, &uid, crc)?
        } else {
            None
        };
        let (place, rule) = before
            .as_ref()
            .map_or((position, entry.rule), |(position, rule)| (*position, rule));
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO identities (epoch, resource_version, uid, position, rule, seen_at, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let new = insert.execute((epoch, &version, &uid, place, rule, seen_at, crc))? == 1;
        if !new {
            // A list shows it still: it is to be known for as long again.
            let stale =
                seen_at.saturating_sub(i64::try_from(self.event_ttl.as_secs()).unwrap_or(i64::MAX));
            self.connection
                .prepare_cached("UPDATE identities SET seen_at = ?4 WHERE epoch = ?1 AND resource_version = ?2 AND uid = ?3 AND seen_at <= ?5")?
                .execute((epoch, version, uid, seen_at, stale))?;
        }
        Ok(new && before.is_none())
    }

    /// The same version of the same event from before the storage was set back. Its resource
    /// version may have been given again to another update of that event, so it must have the same
    /// text.
    fn same_before(
        &self,
        epoch: i64,
        version: &Value,
        uid: &Value,
        crc: Option<i64>,
    ) -> rusqlite::Result<Option<Claimed>> {
        // Asked for epoch by epoch, which finds a row by the key: a range of epochs would read all
        // their identities for each event.
        let mut statement = self
            .connection
            .prepare_cached("SELECT position, rule FROM identities WHERE epoch = ?1 AND resource_version = ?2 AND uid = ?3 AND crc IS ?4")?;
        for before in (1..epoch).rev() {
            let found = statement
                .query_row((before, version, uid, crc), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
