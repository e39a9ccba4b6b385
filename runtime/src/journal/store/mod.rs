//! The journal's operations on one connection, inside of the caller's transaction. No threads, no
//! waiting.

mod claim;
mod cursors;
mod gaps;
mod letters;
mod room;
mod through;

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension};

use super::batch::{Appended, Batch, Kept};
use super::error::Error;
use super::letters::Unreadable;
use super::mark::Marks;
use super::row::{Position, checksum};
use super::time::{seconds, time};
use super::witness;
use crate::cluster::Resume;

pub(super) use room::AT_ONCE;
pub use room::SHED;

/// One connection that writes.
pub(super) struct Store {
    pub(super) connection: Connection,
    /// The last position given.
    pub(super) last: Position,
    pub(super) marks: Marks,
    pub(super) now: fn() -> SystemTime,
    /// How long the API server shows an event, as the operator says.
    pub(super) event_ttl: Duration,
    /// The longest that it was seen to have one.
    pub(super) longest_life: Duration,
    /// Dead letters of one sink, at most.
    pub(super) most_letters: u64,
    /// Objects that could not be read as events and lie here; none: to be counted.
    pub(super) unreadable: Option<Unreadable>,
}

impl Store {
    pub(super) fn seconds(&self) -> i64 {
        seconds((self.now)())
    }

    /// Stores a batch; what it says of lost sight first, and of the end of a list last.
    pub(super) fn append(&mut self, batch: &Batch) -> rusqlite::Result<Appended> {
        let (seen_at, before) = (self.seconds(), self.last);
        let mut appended = Appended::default();
        if let Some(lost) = &batch.lost {
            self.lose_sight(&batch.scope, lost)?;
        }
        let epoch: i64 = self
            .connection
            .prepare_cached("SELECT epoch FROM journal")?
            .query_row([], |row| row.get(0))?;
        let mut repeats = 0;
        for entry in &batch.entries {
            let next = self.last + 1;
            let position = entry.kept.is_some().then_some(next);
            if !self.claim(epoch, entry, position, seen_at)? {
                appended.known += 1;
                continue;
            }
            let Some(kept) = &entry.kept else {
                appended.dropped += 1;
                *appended.dropped_by.entry(entry.rule).or_default() += 1;
                continue;
            };
            self.insert(next, &batch.scope, entry.rule, kept)?;
            self.last = next;
            appended.stored += 1;
            repeats += i64::from(kept.repeats);
        }
        for (raw, reason) in &batch.unreadable {
            let new = self.keep_unreadable(raw, reason)?;
            let (new, known) = if new { (1, 0) } else { (0, 1) };
            (appended.unreadable, appended.known) =
                (appended.unreadable + new, appended.known + known);
        }
        let reached = batch
            .checkpoint
            .as_ref()
            .map(|reached| reached.resource_version.as_str());
        self.marks.note(
            &self.connection,
            &batch.scope,
            before..self.last,
            batch.checkpoint.as_ref(),
            seen_at,
        )?;
        appended.gap = self.after_batch(&batch.scope, repeats, reached)?;
        witness::forget(&self.connection, &batch.scope, &batch.forgotten, seen_at)?;
        self.longest_life = self.longest_life.max(batch.lifetime.unwrap_or_default());
        if let Some(reached) = &batch.checkpoint {
            self.connection
                .prepare_cached(
                    "INSERT INTO checkpoints (scope, epoch, resource_version, reached_at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (scope) DO UPDATE SET epoch = excluded.epoch, resource_version = excluded.resource_version, reached_at = excluded.reached_at",
                )?
                .execute((&batch.scope, epoch, &reached.resource_version, seconds(reached.at)))?;
        }
        Ok(appended)
    }

    /// Writes the row of an event.
    fn insert(
        &self,
        position: Position,
        scope: &str,
        rule: &str,
        kept: &Kept,
    ) -> rusqlite::Result<()> {
        let crc = checksum(
            position,
            kept.observed_at,
            [kept.job.as_deref(), kept.labels.as_deref(), Some(&kept.raw)],
        );
        self.connection
            .prepare_cached(
                "INSERT INTO events (position, scope, observed_at, rule, job, labels, raw, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((position, scope, kept.observed_at, rule, &kept.job, &kept.labels, &kept.raw, i64::from(crc)))?;
        Ok(())
    }

    /// Makes sure that the journal is this cluster's; a new one becomes so.
    pub(super) fn bind(&self, cluster: String) -> Result<(), Error> {
        let journal: Option<String> =
            self.connection
                .query_row("SELECT cluster FROM journal", [], |row| row.get(0))?;
        match journal {
            Some(journal) if journal != cluster => Err(Error::OtherCluster { journal, cluster }),
            Some(_) => Ok(()),
            None => {
                self.connection
                    .execute("UPDATE journal SET cluster = ?1", [cluster])?;
                Ok(())
            }
        }
    }

    /// How far a scope has come.
    pub(super) fn checkpoint(&self, scope: &str) -> rusqlite::Result<Option<Resume>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT resource_version, reached_at FROM checkpoints WHERE scope = ?1",
        )?;
        statement
            .query_row([scope], |row| {
                Ok(Resume {
                    resource_version: row.get(0)?,
                    at: time(row.get(1)?),
                })
            })
            .optional()
    }
}
