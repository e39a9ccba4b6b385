//! The journal's operations on one connection, inside of the caller's transaction. No threads, no
//! waiting.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::letters::{HELD_BACK, Unreadable};
use super::mark::Marks;
use super::reader::checksum;
use super::{Appended, Batch, Cursor, DeadLetter, Entry, Error, Position, Start};
use crate::cluster::Resume;

/// What the journal knows of an identity: where its row is, and which rule decided.
type Claimed = (Option<Position>, String);

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
            let crc = checksum(
                next,
                kept.observed_at,
                [kept.job.as_deref(), kept.labels.as_deref(), Some(&kept.raw)],
            );
            self.connection
                .prepare_cached(
                    "INSERT INTO events (position, scope, observed_at, rule, job, labels, raw, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((next, &batch.scope, kept.observed_at, entry.rule, &kept.job, &kept.labels, &kept.raw, i64::from(crc)))?;
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
        super::witness::forget(&self.connection, &batch.scope, &batch.forgotten, seen_at)?;
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

    /// Takes an identity; false when it was taken before.
    fn claim(
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

    /// Moves a cursor, and keeps dead letters. [`Error::LettersFull`] when there are too many of
    /// the sink already: then nothing is done.
    pub(super) fn acknowledge(
        &mut self,
        sink: &str,
        position: Position,
        dead: &[DeadLetter],
    ) -> Result<(), Error> {
        if !dead.is_empty() {
            let lying: i64 = self.connection.query_row(
                "SELECT count(*) FROM dead_letters WHERE sink = ?1",
                [sink],
                |row| row.get(0),
            )?;
            if u64::try_from(lying).unwrap_or(0) + dead.len() as u64 > self.most_letters {
                return Err(Error::LettersFull {
                    sink: sink.to_owned(),
                    most: self.most_letters,
                });
            }
        }
        for letter in dead {
            self.connection
                .prepare_cached(
                    "INSERT INTO dead_letters (sink, position, reason, attempts, died_at, observed_at, job, labels, raw, requeued) \
                     SELECT ?1, position, ?2, ?3, ?4, observed_at, job, labels, raw, ?6 FROM events WHERE position = ?5",
                )?
                .execute((sink, &letter.reason, letter.attempts, self.seconds(), letter.position, if letter.held_back { HELD_BACK } else { 0 }))?;
        }
        // A cursor that was lost with a damaged file is made again: what is acknowledged is
        // settled.
        self.connection
            .prepare_cached(
                "INSERT INTO cursors (sink, position, settled, active, moved_at) VALUES (?1, ?2, 0, 1, ?3) \
                 ON CONFLICT (sink) DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at WHERE position < excluded.position",
            )?
            .execute((sink, position, self.seconds()))?;
        Ok(())
    }

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

    /// Makes exactly these sinks the configured ones, in one transaction: rows that one of them
    /// still needs stay, and the others hold nothing up.
    pub(super) fn configure(&self, sinks: &[String], start: Start) -> Result<(), Error> {
        for sink in sinks {
            self.enlist(sink, start)?;
        }
        let names = serde_json::to_string(sinks).unwrap_or_default();
        self.connection.execute(
            "UPDATE cursors SET active = 0 WHERE sink NOT IN (SELECT value FROM json_each(?1))",
            [names],
        )?;
        Ok(())
    }

    /// Gives a sink's cursor, and takes it that the sink may send from now on.
    pub(super) fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
        let (position, settled) = self.enlist(sink, start)?;
        self.connection
            .execute("UPDATE cursors SET settled = 0 WHERE sink = ?1", [sink])?;
        Ok(Cursor {
            position,
            unsure_through: if settled { 0 } else { self.last },
        })
    }

    /// Makes a sink a configured one. Gives its position, and whether nothing after that was ever
    /// sent.
    fn enlist(&self, sink: &str, start: Start) -> Result<(Position, bool), Error> {
        let known: Option<(Position, bool, bool)> = self
            .connection
            .query_row(
                "SELECT position, settled, active FROM cursors WHERE sink = ?1",
                [sink],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let oldest: Option<Position> =
            self.connection
                .query_row("SELECT min(position) FROM events", [], |row| row.get(0))?;
        let before_oldest = oldest.map_or(self.last, |oldest| oldest - 1);
        let (position, settled) = match (known, start) {
            (Some((position, settled, active)), _) => {
                if position < before_oldest {
                    self.note_rows_gone(sink, active)?;
                }
                (position.max(before_oldest), settled)
            }
            (None, Start::Now) => (self.last, true),
            (None, Start::Oldest) => (before_oldest, true),
        };
        self.connection.execute(
            "INSERT INTO cursors (sink, position, settled, active, moved_at) VALUES (?1, ?2, ?3, 1, ?4) \
             ON CONFLICT (sink) DO UPDATE SET position = excluded.position, active = 1",
            (sink, position, settled, self.seconds()),
        )?;
        Ok((position, settled))
    }

    /// Rows that a sink still needed are gone: it was not configured for a while, or they were lost
    /// with a damaged file.
    fn note_rows_gone(&self, sink: &str, was_configured: bool) -> rusqlite::Result<()> {
        let reason = if was_configured {
            "rows of the journal that the sink still needed are gone"
        } else {
            "the sink was not configured for longer than rows are kept (--retain)"
        };
        self.connection.execute(
            "INSERT INTO gaps (sink, since, until, certain, reason) SELECT sink, moved_at, ?2, 1, ?3 FROM cursors WHERE sink = ?1",
            (sink, self.seconds(), reason),
        )?;
        Ok(())
    }

    pub(super) fn settle(&self, sink: &str) -> Result<(), Error> {
        self.connection
            .execute("UPDATE cursors SET settled = 1 WHERE sink = ?1", [sink])?;
        Ok(())
    }
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|t| i64::try_from(t.as_secs()).ok())
        .unwrap_or(0)
}

/// The same; none for 1970 itself, which stands for a time that nobody knows.
pub(super) fn known_seconds(time: SystemTime) -> Option<i64> {
    Some(seconds(time)).filter(|seconds| *seconds > 0)
}

/// The reverse of [`known_seconds`].
pub(super) fn known_time(seconds: Option<i64>) -> SystemTime {
    time(seconds.unwrap_or(0))
}

/// The time so many seconds after 1970.
pub(super) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

pub(super) fn compact_version(version: &str) -> Value {
    // Only the canonical form of a number, so that two texts never share a key.
    match version.parse::<i64>() {
        Ok(number) if number.to_string() == version => Value::Integer(number),
        _ => Value::Text(version.to_owned()),
    }
}

pub(super) fn compact_uid(uid: &str) -> Value {
    let parts: Vec<&str> = uid.split('-').collect();
    let canonical = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && uid
            .bytes()
            .all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'));
    match canonical.then(|| u128::from_str_radix(&parts.concat(), 16)) {
        Some(Ok(number)) => Value::Blob(number.to_be_bytes().to_vec()),
        _ => Value::Text(uid.to_owned()),
    }
}
