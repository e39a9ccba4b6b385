//! Room: what goes when it is old, when the journal is at its cap, and when the disk is full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::store::Store;
use super::{Error, Position};

/// Rows deleted at once, so that a clean-up doesn't hold up appends.
pub(super) const AT_ONCE: u16 = 2_000;
/// Times the API server's `--event-ttl` for which identities are kept, since an audit asks for
/// them.
const IDENTITIES: u32 = 4;
/// How long they are kept at least while the API server was not seen to forget events: it may keep
/// them for longer than the operator says.
const UNSURE: Duration = Duration::from_secs(48 * 3600);
/// No `--event-ttl` is longer: an event that lived for longer was forgotten for another reason.
const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long identities are kept: an event that the API server still shows must be known, or a list
/// stores it again. `said` is its `--event-ttl` by the operator's word, `seen` the longest that it
/// was seen to have an event.
pub(super) fn identities_kept(said: Duration, seen: Duration) -> Duration {
    let longest = said.max(seen.min(LONGEST_LIFE)) * IDENTITIES;
    // A tenth less: leases of etcd are shared by events that are written soon after each other.
    if seen >= said / 10 * 9 {
        longest
    } else {
        longest.max(UNSURE)
    }
}
/// How long emptying the log waits for those who read it: a forgotten one would hold up every
/// append.
const READERS: Duration = Duration::from_millis(50);
/// How long a command waits for another program that writes (rusqlite's default).
const OTHERS: Duration = Duration::from_secs(5);
/// Pages given back to the file system at once.
const PAGES_AT_ONCE: u64 = 500;
/// What was seen so recently, a sink need not have yet.
const BEHIND: Duration = Duration::from_secs(10);
/// Bytes kept in reserve on the disk: enough for the log of deletions and acknowledgements. Of a
/// small journal's limit it takes an eighth at most.
const RESERVE: u64 = 4 << 20;

/// What happens when only undelivered rows are left and the journal is at its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Takes no more events, so that the watch is closed, until sinks have made room.
    Block,
    /// The slowest sink loses its oldest rows, and a gap says so.
    Shed,
}

/// The words of a gap that [`OnFull::Shed`] made.
pub const SHED: &str = "given up because the journal was at its size limit (--max-size) and this sink had fallen behind (--on-full shed)";

impl Store {
    /// Bytes in use: pages that are not free, and the write-ahead log.
    pub(super) fn size(&self, file: &Path) -> rusqlite::Result<u64> {
        let pages = self
            .number("page_count")?
            .saturating_sub(self.number("freelist_count")?);
        Ok(pages * self.number("page_size")? + log_size(file))
    }

    /// Empties the write-ahead log if it is longer than `most` bytes and no reader is in the way
    /// for long; gives whether it tried.
    pub(super) fn cut_log(&self, file: &Path, most: u64) -> rusqlite::Result<bool> {
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
    pub(super) fn free(&self) -> rusqlite::Result<u64> {
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
    pub(super) fn forget_rows(&mut self, retain: Option<Duration>) -> rusqlite::Result<usize> {
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
    pub(super) fn forget_identities(&mut self, age: Duration) -> rusqlite::Result<usize> {
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
    pub(super) fn is_delivered(&self) -> rusqlite::Result<bool> {
        let mut behind = self
            .connection
            .prepare_cached("SELECT 1 FROM cursors WHERE active AND position < ?1")?;
        Ok(!behind.exists([self.last])?)
    }

    /// Gives free pages back to the file system when they are more than a quarter.
    pub(super) fn shrink(&mut self) -> rusqlite::Result<bool> {
        let (pages, free) = (self.number("page_count")?, self.number("freelist_count")?);
        if free < 1_000 || free * 4 < pages {
            return Ok(false);
        }
        self.give_back(u64::MAX)?;
        Ok(true)
    }

    /// Gives so many bytes of free pages back to the file system, or as many as are given back at
    /// once. The file is shorter when the log has been emptied.
    pub(super) fn give_back(&mut self, bytes: u64) -> rusqlite::Result<()> {
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
    pub(super) fn shed(&mut self, bytes: u64) -> rusqlite::Result<u64> {
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

pub(super) fn log_size(file: &Path) -> u64 {
    fs::metadata(with_suffix(file, "-wal")).map_or(0, |meta| meta.len())
}

fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|t| i64::try_from(t.as_nanos()).ok())
        .unwrap_or(0)
}

/// `journal.sqlite` -> `journal.sqlite-wal`.
pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file that is deleted when the disk is full, so that deleting rows, which needs room too, can
/// go on.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// How large it is when it is whole; 0 for a journal that ends with the process.
    pub(super) bytes: u64,
    pub(super) whole: bool,
}

impl Reserve {
    /// In a journal's folder; `wanted` is false for a journal that ends with the process. `most` is
    /// the journal's limit.
    pub(super) fn new(folder: &Path, wanted: bool, most: Option<u64>) -> Self {
        let bytes = if wanted {
            most.map_or(RESERVE, |most| RESERVE.min(most / 8))
        } else {
            0
        };
        let mut reserve = Self {
            path: folder.join("reserve"),
            bytes,
            whole: !wanted,
        };
        reserve.restore();
        reserve
    }

    /// Gives the room free.
    pub(super) fn spend(&mut self) {
        if fs::remove_file(&self.path).is_ok() {
            self.whole = false;
        }
    }

    /// Takes room again, if there is some; gives whether the reserve is whole.
    pub(super) fn restore(&mut self) -> bool {
        if !self.whole {
            let zeros = vec![0_u8; usize::try_from(self.bytes).unwrap_or(0)];
            let size = fs::metadata(&self.path).map_or(0, |meta| meta.len());
            self.whole = size == self.bytes
                || File::create(&self.path)
                    .and_then(|mut file| file.write_all(&zeros))
                    .is_ok();
            if !self.whole {
                let _ = fs::remove_file(&self.path);
            }
        }
        self.whole
    }
}

/// Half of the bytes of the volume that a folder lies on; none where that can't be told.
pub fn half_of_volume(folder: &Path) -> Option<u64> {
    // The folder itself may not be there yet.
    let volume = folder
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(volume.f_blocks.saturating_mul(volume.f_frsize) / 2)
}

/// Whether SQLite's words mean that the disk is full or fails.
pub(super) fn is_disk_trouble(why: &rusqlite::Error) -> bool {
    matches!(
        why.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure)
    )
}

/// Whether SQLite's words, or a value that the schema can't have, mean that the file is not what
/// was written.
pub(super) fn is_damage(why: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    let code = why.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
        // A damaged header may claim a format that there never was; SQLite has no code for that.
        || why.to_string().contains("unsupported file format")
        || matches!(why, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

impl Error {
    /// Whether the file is damaged, so that what is readable should be saved.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Storage(why) if is_damage(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_kept_for_longer_than_the_api_server_shows_events_whatever_the_operator_says()
    {
        const HOUR: Duration = Duration::from_secs(3600);
        for (said, seen, kept) in [
            (HOUR, Duration::ZERO, UNSURE),
            (HOUR, HOUR, HOUR * 4),
            (HOUR, HOUR * 3, HOUR * 12),
            (HOUR / 900, HOUR / 120, HOUR / 30),
            (HOUR, Duration::from_secs(5), UNSURE),
            (HOUR * 24, HOUR, HOUR * 96),
            (HOUR, HOUR * 24 * 365, LONGEST_LIFE * 4),
        ] {
            assert_eq!(identities_kept(said, seen), kept, "{said:?}, seen {seen:?}");
        }
    }
}
