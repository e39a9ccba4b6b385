//! Cursors in the caller's transaction: sinks become known, and come further.

use rusqlite::OptionalExtension;

use super::Store;
use crate::journal::cursor::{Cursor, Start};
use crate::journal::error::Error;
use crate::journal::letters::{DeadLetter, HELD_BACK};
use crate::journal::row::Position;

impl Store {
    /// Moves a cursor, and keeps dead letters. [`Error::LettersFull`] when there are too many of
    /// the sink already: then nothing is done.
    pub(in crate::journal) fn acknowledge(
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

    /// Makes exactly these sinks the configured ones, in one transaction: rows that one of them
    /// still needs stay, and the others hold nothing up.
    pub(in crate::journal) fn configure(
        &self,
        sinks: &[String],
        start: Start,
    ) -> Result<(), Error> {
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
    pub(in crate::journal) fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
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

    pub(in crate::journal) fn settle(&self, sink: &str) -> Result<(), Error> {
        self.connection
            .execute("UPDATE cursors SET settled = 1 WHERE sink = ?1", [sink])?;
        Ok(())
    }
}
