//! Room: what goes when it is old, when the journal is at its cap, and when the disk is full.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::Store;
use crate::journal::files::log_size;
use crate::journal::row::Position;
use crate::journal::time::nanoseconds;

/// Rows deleted at once, so that a clean-up doesn't hold up appends.
pub(in crate::journal) const AT_ONCE: u16 = 2_000;

/// How long emptying the log waits for those who read it: a forgotten one would hold up every
/// append.
const READERS: Duration = Duration::from_millis(50);
/// How long a command waits for another program that writes (rusqlite's default).
const OTHERS: Duration = Duration::from_secs(5);
/// Pages given back to the file system at once.
const PAGES_AT_ONCE: u64 = 500;
/// What was seen so recently, a sink need not have yet.
const BEHIND: Duration = Duration::from_secs(10);

/// The words of a gap that [`OnFull::Shed`](crate::journal::OnFull::Shed) made.
pub const SHED: &str = "given up because the journal was at its size limit (--max-size) and this sink had fallen behind (--on-full shed)";

impl Store {
    /// Bytes in use: pages that are not free, and the write-ahead log.
    pub(in crate::journal) fn size(&self, file: &Path) -> rusqlite::Result<u64> {
        let pages = self
            .number("page_count")?
            .saturating_sub(self.number("freelist_count")?);
        Ok(pages * self.number("page_size")? + log_size(file))
    }

    /// Empties the write-ahead log if it is longer than `most` bytes and no reader is in the way
    /// for long; gives whether it tried.
    pub(in crate::journal) fn cut_log(&self, file: &Path, most: u64) -> rusqlite::Result<bool> {
        if log_size(file) <= most {
            return Ok(false);
        }
        self.connection.busy_timeout(READERS)?;
        let _ = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(OTHERS)?;
        Ok(true)
    }

    /// Bytes that are free within the file.
    pub(in crate::journal) fn free(&self) -> rusqlite::Result<u64> {
        Ok(self.number("freelist_count")? * self.number("page_size")?)
    }

    fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        let value: i64 = self
            .connection
            .prepare_cached(&format!("PRAGMA {pragma}"))?
            .query_row([], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    }

    /// Deletes some rows that every active sink is done with; only those older than `retain`, if
    /// that is given. Gives how many.
    pub(in crate::journal) fn forget_rows(
        &mut self,
        retain: Option<Duration>,
    ) -> rusqlite::Result<usize> {
        let old = retain.map_or(i64::MAX, |retain| {
            nanoseconds((self.now)().checked_sub(retain).unwrap_or(UNIX_EPOCH))
        });
        self.connection
            .prepare_cached(
                "DELETE FROM events WHERE position IN (SELECT position FROM events ORDER BY position LIMIT ?2) AND observed_at < ?1 \
                 AND position <= (SELECT coalesce(min(position), 0) FROM cursors WHERE active)",
            )?
            .execute((old, AT_ONCE))
    }

    /// Deletes some identities, the oldest first: those that were seen so long ago. Without one, a
    /// list that still shows the event adds it again. Gives how many.
    pub(in crate::journal) fn forget_identities(
        &mut self,
        age: Duration,
    ) -> rusqlite::Result<usize> {
        let old = self
            .seconds()
            .saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.connection
            .prepare_cached(
                "DELETE FROM identities WHERE (epoch, resource_version, uid) IN \
                 (SELECT epoch, resource_version, uid FROM identities ORDER BY epoch, resource_version, uid LIMIT ?2) AND seen_at <= ?1",
            )?
            .execute((old, AT_ONCE))
    }

    /// Whether every active sink is done with everything.
    pub(in crate::journal) fn is_delivered(&self) -> rusqlite::Result<bool> {
        let mut behind = self
            .connection
            .prepare_cached("SELECT 1 FROM cursors WHERE active AND position < ?1")?;
        Ok(!behind.exists([self.last])?)
    }

    /// Gives free pages back to the file system when they are more than a quarter.
    pub(in crate::journal) fn shrink(&mut self) -> rusqlite::Result<bool> {
        let (pages, free) = (self.number("page_count")?, self.number("freelist_count")?);
        if free < 1_000 || free * 4 < pages {
            return Ok(false);
        }
        self.give_back(u64::MAX)?;
        Ok(true)
    }

    /// Gives so many bytes of free pages back to the file system, or as many as are given back at
    /// once. The file is shorter when the log has been emptied.
    pub(in crate::journal) fn give_back(&mut self, bytes: u64) -> rusqlite::Result<()> {
        let pages = bytes
            .div_ceil(self.number("page_size")?.max(1))
            .min(PAGES_AT_ONCE);
        // Each step gives one page back, and `execute_batch` would take one alone.
        let mut statement = self
            .connection
            .prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut steps = statement.query([])?;
        while steps.next()?.is_some() {}
        Ok(())
    }

    /// Lets the slowest active sink lose its oldest rows, until they are so many bytes, up to where
    /// the next slowest stands. A sink that only has what has just come is not behind, and loses
    /// nothing. Gives how many rows, each sink's counted.
    pub(in crate::journal) fn shed(&mut self, bytes: u64) -> rusqlite::Result<u64> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT sink, position FROM cursors WHERE active ORDER BY position")?;
        let cursors: Vec<(String, Position)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let Some(slowest) = cursors.first().map(|cursor| cursor.1) else {
            return Ok(0);
        };
        let next = cursors
            .iter()
            .map(|cursor| cursor.1)
            .find(|position| *position > slowest);
        // Where all stand at the same place, what is younger was not there to be taken yet.
        let young = nanoseconds((self.now)().checked_sub(BEHIND).unwrap_or(UNIX_EPOCH));
        let before = if next.is_some() { i64::MAX } else { young };
        let Some(target) = self.oldest_rows(slowest, next.unwrap_or(self.last), before, bytes)?
        else {
            return Ok(0);
        };
        let mut shed = 0;
        for (sink, position) in cursors.iter().filter(|cursor| cursor.1 < target) {
            self.give_up(sink, *position, target, SHED)?;
            shed += u64::try_from(target - position).unwrap_or(0);
            self.connection.execute(
                "UPDATE cursors SET position = ?2 WHERE sink = ?1",
                (sink, target),
            )?;
        }
        Ok(shed)
    }

    /// The last of the first rows after `after` that together have so many bytes, and were seen
    /// `before`; none where there is none.
    fn oldest_rows(
        &self,
        after: Position,
        through: Position,
        before: i64,
        bytes: u64,
    ) -> rusqlite::Result<Option<Position>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, observed_at, length(raw) + coalesce(length(job), 0) + coalesce(length(labels), 0) FROM events \
             WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?;
        let mut rows = statement.query((after, through, AT_ONCE))?;
        let (mut target, mut sum) = (None, 0_u64);
        while let Some(row) = rows.next()? {
            let (position, observed_at, size): (Position, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            if observed_at > before || sum >= bytes {
                break;
            }
            target = Some(position);
            sum += u64::try_from(size).unwrap_or(0);
        }
        Ok(target)
    }
}
