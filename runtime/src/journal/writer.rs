//! The one thread that writes.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{oneshot, watch};

use super::reader::checksum;
use super::{Appended, Batch, Cursor, DeadLetter, Entry, Error, Haste, Position, Start, Stats};

/// Commands that share a transaction, at most.
const GROUP: usize = 64;
/// How long an acknowledgement without haste waits for something else to be committed with.
const PATIENCE: Duration = Duration::from_millis(25);
/// Between two clean-ups of what is delivered and old.
const CLEANING: Duration = Duration::from_secs(60);
/// Rows deleted at once, so that a clean-up doesn't hold up appends.
const DELETED_AT_ONCE: i64 = 2_000;
/// How long identities are kept: longer than any API server in use shows an event (KubeDL clusters: three hours).
const IDENTITIES: Duration = Duration::from_secs(24 * 3600);

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Bind { cluster: String, reply: Reply<()> },
    Checkpoint { scope: String, reply: Reply<Option<String>> },
    Append { batch: Batch, reply: Reply<Appended> },
    Register { sink: String, start: Start, reply: Reply<Cursor> },
    Acknowledge { sink: String, position: Position, dead: Vec<DeadLetter>, haste: Haste, reply: Reply<()> },
    Settle { sink: String, reply: Reply<()> },
    Close { reply: Reply<()> },
}

/// An answer that waits for the commit.
type Pending = Box<dyn FnOnce(Option<&rusqlite::Error>)>;

pub(super) struct Writer {
    connection: Connection,
    /// Held for as long as the thread lives.
    _lock: File,
    head: watch::Sender<Position>,
    stats: Arc<Stats>,
    retain: Duration,
    last: Position,
    cleaned: Instant,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        lock: File,
        head: watch::Sender<Position>,
        stats: Arc<Stats>,
        retain: Duration,
        last: Position,
    ) -> Self {
        Self { connection, _lock: lock, head, stats, retain, last, cleaned: Instant::now() }
    }

    pub(super) fn run(mut self, inbox: Receiver<Command>) {
        while let Ok(first) = inbox.recv() {
            let commands = gather(first, &inbox);
            if let Some(closed) = self.group(commands) {
                let _ = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
                drop(self);
                let _ = closed.send(Ok(()));
                return;
            }
            if self.cleaned.elapsed() > CLEANING {
                self.clean();
            }
        }
    }

    /// Does commands in one transaction, and answers after the commit. Gives the reply of a `Close`.
    fn group(&mut self, commands: Vec<Command>) -> Option<Reply<()>> {
        let before = self.last;
        let mut pending: Vec<Pending> = Vec::new();
        let mut close = None;
        let began = self.connection.execute_batch("BEGIN IMMEDIATE");
        for command in commands {
            if let Command::Close { reply } = command {
                close = Some(reply);
                break;
            }
            self.one(command, began.as_ref().err(), &mut pending);
        }
        let result = began.and_then(|()| self.finish(before));
        match &result {
            Ok(()) => {
                self.stats.commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                let _ = self.connection.execute_batch("ROLLBACK");
                self.last = before;
            }
        }
        if self.last != before {
            self.head.send_replace(self.last);
        }
        for answer in pending {
            answer(result.as_ref().err());
        }
        close
    }

    fn finish(&self, before: Position) -> rusqlite::Result<()> {
        if self.last != before {
            self.connection.prepare_cached("UPDATE journal SET last_position = ?1")?.execute([self.last])?;
        }
        self.connection.execute_batch("COMMIT")
    }

    fn one(&mut self, command: Command, began: Option<&rusqlite::Error>, pending: &mut Vec<Pending>) {
        if let Some(why) = began {
            return refuse(command, why);
        }
        match command {
            Command::Append { batch, reply } => {
                let result = self.savepoint(|writer| writer.append(batch));
                let stats = self.stats.clone();
                let counted = move |appended: &Appended| {
                    stats.stored.fetch_add(appended.stored, Ordering::Relaxed);
                    stats.known.fetch_add(appended.known, Ordering::Relaxed);
                    stats.dropped.fetch_add(appended.dropped, Ordering::Relaxed);
                };
                pending.push(answer(reply, result, counted));
            }
            Command::Acknowledge { sink, position, dead, reply, .. } => {
                let result = self.savepoint(|writer| writer.acknowledge(&sink, position, &dead));
                pending.push(answer(reply, result, |_| ()));
            }
            Command::Bind { cluster, reply } => pending.push(answer(reply, self.bind(cluster), |_| ())),
            Command::Checkpoint { scope, reply } => pending.push(answer(reply, self.checkpoint(&scope), |_| ())),
            Command::Register { sink, start, reply } => pending.push(answer(reply, self.register(&sink, start), |_| ())),
            Command::Settle { sink, reply } => pending.push(answer(reply, self.settle(&sink), |_| ())),
            Command::Close { .. } => {}
        }
    }

    /// A failure of one command undoes that command alone.
    fn savepoint<T>(&mut self, work: impl FnOnce(&mut Self) -> rusqlite::Result<T>) -> Result<T, Error> {
        let before = self.last;
        self.connection.execute_batch("SAVEPOINT command")?;
        let result = work(self);
        if result.is_err() {
            self.last = before;
            self.connection.execute_batch("ROLLBACK TO command")?;
        }
        self.connection.execute_batch("RELEASE command")?;
        Ok(result?)
    }

    fn append(&mut self, batch: Batch) -> rusqlite::Result<Appended> {
        let seen_at = seconds();
        let mut appended = Appended::default();
        for entry in batch.entries {
            let next = self.last + 1;
            let position = entry.kept.is_some().then_some(next);
            if !self.claim(&entry, position, seen_at)? {
                appended.known += 1;
                continue;
            }
            let Some(kept) = entry.kept else {
                appended.dropped += 1;
                continue;
            };
            let crc = checksum(kept.job.as_deref(), kept.labels.as_deref(), &kept.raw);
            self.connection
                .prepare_cached(
                    "INSERT INTO events (position, scope, observed_at, rule, job, labels, raw, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((next, &batch.scope, kept.observed_at, entry.rule, &kept.job, &kept.labels, &kept.raw, i64::from(crc)))?;
            self.last = next;
            appended.stored += 1;
        }
        for (raw, reason) in batch.unreadable {
            self.connection
                .prepare_cached("INSERT INTO dead_letters (sink, position, reason, attempts, died_at, raw) VALUES ('', NULL, ?1, 1, ?2, ?3)")?
                .execute((reason, seen_at, raw))?;
        }
        if let Some(version) = batch.checkpoint {
            self.connection
                .prepare_cached(
                    "INSERT INTO checkpoints (scope, epoch, resource_version, reached_at) VALUES (?1, (SELECT epoch FROM journal), ?2, ?3) \
                     ON CONFLICT (scope) DO UPDATE SET epoch = excluded.epoch, resource_version = excluded.resource_version, reached_at = excluded.reached_at",
                )?
                .execute((&batch.scope, version, seen_at))?;
        }
        Ok(appended)
    }

    /// Takes an identity; false when it was taken before.
    fn claim(&self, entry: &Entry, position: Option<Position>, seen_at: i64) -> rusqlite::Result<bool> {
        let changed = self
            .connection
            .prepare_cached(
                "INSERT OR IGNORE INTO identities (epoch, resource_version, uid, position, rule, seen_at) \
                 VALUES ((SELECT epoch FROM journal), ?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((compact_version(&entry.resource_version), compact_uid(&entry.uid), position, entry.rule, seen_at))?;
        Ok(changed == 1)
    }

    fn acknowledge(&mut self, sink: &str, position: Position, dead: &[DeadLetter]) -> rusqlite::Result<()> {
        for letter in dead {
            self.connection
                .prepare_cached(
                    "INSERT INTO dead_letters (sink, position, reason, attempts, died_at, raw) \
                     SELECT ?1, position, ?2, ?3, ?4, raw FROM events WHERE position = ?5",
                )?
                .execute((sink, &letter.reason, letter.attempts, seconds(), letter.position))?;
        }
        self.connection.prepare_cached("UPDATE cursors SET position = ?2, moved_at = ?3 WHERE sink = ?1 AND position < ?2")?.execute((
            sink,
            position,
            seconds(),
        ))?;
        Ok(())
    }

    fn bind(&self, cluster: String) -> Result<(), Error> {
        let journal: Option<String> = self.connection.query_row("SELECT cluster FROM journal", [], |row| row.get(0))?;
        match journal {
            Some(journal) if journal != cluster => Err(Error::OtherCluster { journal, cluster }),
            Some(_) => Ok(()),
            None => {
                self.connection.execute("UPDATE journal SET cluster = ?1", [cluster])?;
                Ok(())
            }
        }
    }

    fn checkpoint(&self, scope: &str) -> Result<Option<String>, Error> {
        let query = "SELECT resource_version FROM checkpoints WHERE scope = ?1";
        Ok(self.connection.query_row(query, [scope], |row| row.get(0)).optional()?)
    }

    fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
        let known: Option<(Position, bool)> = self
            .connection
            .query_row("SELECT position, settled FROM cursors WHERE sink = ?1", [sink], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (position, settled) = match (known, start) {
            (Some(known), _) => known,
            (None, Start::Now) => (self.last, true),
            (None, Start::Oldest) => {
                let oldest: Option<Position> = self.connection.query_row("SELECT min(position) FROM events", [], |row| row.get(0))?;
                (oldest.map_or(self.last, |oldest| oldest - 1), true)
            }
        };
        self.connection.execute(
            "INSERT INTO cursors (sink, position, settled, active, moved_at) VALUES (?1, ?2, 0, 1, ?3) \
             ON CONFLICT (sink) DO UPDATE SET settled = 0, active = 1",
            (sink, position, seconds()),
        )?;
        Ok(Cursor { position, unsure_through: if settled { 0 } else { self.last } })
    }

    fn settle(&self, sink: &str) -> Result<(), Error> {
        self.connection.execute("UPDATE cursors SET settled = 1 WHERE sink = ?1", [sink])?;
        Ok(())
    }

    /// Deletes rows that every active sink is done with and that are older than `retain`, and identities that no list can show.
    fn clean(&mut self) {
        self.cleaned = Instant::now();
        let old = SystemTime::now().checked_sub(self.retain).and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let old = i64::try_from(old.as_nanos()).unwrap_or(0);
        let forgotten = seconds() - i64::try_from(IDENTITIES.as_secs()).unwrap_or(0);
        let result = self
            .connection
            .execute(
                "DELETE FROM events WHERE position IN (SELECT position FROM events WHERE observed_at < ?1 \
                 AND position <= (SELECT coalesce(min(position), 0) FROM cursors WHERE active) ORDER BY position LIMIT ?2)",
                (old, DELETED_AT_ONCE),
            )
            .and_then(|_| self.connection.execute("DELETE FROM identities WHERE seen_at < ?1", [forgotten]));
        if let Err(why) = result {
            tracing::warn!("Cannot delete old rows of the journal: {why}. Trying again in a minute.");
        }
    }
}

/// What is committed together: all that waits, and where nothing of it has haste, what comes in the next moment.
fn gather(first: Command, inbox: &Receiver<Command>) -> Vec<Command> {
    let until = Instant::now() + PATIENCE;
    let mut hasty = first.is_hasty();
    let mut commands = vec![first];
    while commands.len() < GROUP {
        let wait = if hasty { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) };
        let Ok(next) = inbox.recv_timeout(wait) else { break };
        hasty |= next.is_hasty();
        commands.push(next);
    }
    commands
}

impl Command {
    fn is_hasty(&self) -> bool {
        !matches!(self, Self::Acknowledge { haste: Haste::WithNext, .. })
    }
}

fn answer<T: 'static>(reply: Reply<T>, result: Result<T, Error>, on_commit: impl FnOnce(&T) + 'static) -> Pending {
    Box::new(move |failed| {
        let result = match (failed, result) {
            (Some(why), _) => Err(Error::Storage(copy(why))),
            (None, result) => result,
        };
        if let Ok(value) = &result {
            on_commit(value);
        }
        let _ = reply.send(result);
    })
}

fn refuse(command: Command, why: &rusqlite::Error) {
    fn no<T>(reply: Reply<T>, why: &rusqlite::Error) {
        let _ = reply.send(Err(Error::Storage(copy(why))));
    }
    match command {
        Command::Bind { reply, .. } | Command::Acknowledge { reply, .. } | Command::Settle { reply, .. } | Command::Close { reply } => no(reply, why),
        Command::Checkpoint { reply, .. } => no(reply, why),
        Command::Append { reply, .. } => no(reply, why),
        Command::Register { reply, .. } => no(reply, why),
    }
}

/// SQLite's errors can't be cloned; code and words can.
fn copy(why: &rusqlite::Error) -> rusqlite::Error {
    let code = why.sqlite_error().map_or(rusqlite::ffi::SQLITE_ERROR, |error| error.extended_code);
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(why.to_string()))
}

fn seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_secs()).ok()).unwrap_or(0)
}

fn compact_version(version: &str) -> Value {
    // Only the canonical form of a number, so that two texts never share a key.
    match version.parse::<i64>() {
        Ok(number) if number.to_string() == version => Value::Integer(number),
        _ => Value::Text(version.to_owned()),
    }
}

fn compact_uid(uid: &str) -> Value {
    let parts: Vec<&str> = uid.split('-').collect();
    let canonical = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && uid.bytes().all(|b| matches!(b, b'-' | b'0'..=b'9' | b'a'..=b'f'));
    match canonical.then(|| u128::from_str_radix(&parts.concat(), 16)) {
        Some(Ok(number)) => Value::Blob(number.to_be_bytes().to_vec()),
        _ => Value::Text(uid.to_owned()),
    }
}
