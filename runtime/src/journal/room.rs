//! Room: what goes when it is old, when the journal is at its cap, and when the disk is full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::store::Store;
use super::{Error, Position};

/// Rows deleted at once, so that a clean-up doesn't hold up appends.
const AT_ONCE: i64 = 2_000;
/// Times the API server's `--event-ttl` for which identities are kept: it may be longer than the operator says (KubeDL clusters: three hours),
/// and an audit asks for them.
pub(super) const IDENTITIES: u32 = 4;
/// How long emptying the log waits for those who read it: a forgotten one would hold up every append.
const READERS: Duration = Duration::from_millis(50);
/// How long a command waits for another program that writes (rusqlite's default).
const OTHERS: Duration = Duration::from_secs(5);
/// Pages given back to the file system at once.
const PAGES_AT_ONCE: i64 = 500;
/// Bytes kept in reserve on the disk: enough for the log of deletions and acknowledgements.
const RESERVE: usize = 4 << 20;

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
        let pages = self.number("page_count")?.saturating_sub(self.number("freelist_count")?);
        Ok(pages * self.number("page_size")? + log_size(file))
    }

    /// Empties the write-ahead log if it is longer than `most` bytes and no reader is in the way for long; gives whether it tried.
    pub(super) fn cut_log(&self, file: &Path, most: u64) -> rusqlite::Result<bool> {
        if log_size(file) <= most {
            return Ok(false);
        }
        self.connection.busy_timeout(READERS)?;
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(OTHERS)?;
        Ok(true)
    }

    fn number(&self, pragma: &str) -> rusqlite::Result<u64> {
        let value: i64 = self.connection.pragma_query_value(None, pragma, |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    }

    /// Deletes some rows that every active sink is done with; only those older than `retain`, if that is given. Gives how many.
    pub(super) fn forget_rows(&mut self, retain: Option<Duration>) -> rusqlite::Result<usize> {
        let old = retain.map_or(i64::MAX, |retain| nanoseconds((self.now)().checked_sub(retain).unwrap_or(UNIX_EPOCH)));
        self.connection
            .prepare_cached(
                "DELETE FROM events WHERE position IN (SELECT position FROM events ORDER BY position LIMIT ?2) AND observed_at < ?1 \
                 AND position <= (SELECT coalesce(min(position), 0) FROM cursors WHERE active)",
            )?
            .execute((old, AT_ONCE))
    }

    /// Deletes some identities, the oldest first: those that were seen so long ago. Without one, a list that still shows the event adds it
    /// again. Gives how many.
    pub(super) fn forget_identities(&mut self, age: Duration) -> rusqlite::Result<usize> {
        let old = self.seconds().saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.connection
            .prepare_cached(
                "DELETE FROM identities WHERE (epoch, resource_version, uid) IN \
                 (SELECT epoch, resource_version, uid FROM identities ORDER BY epoch, resource_version, uid LIMIT ?2) AND seen_at <= ?1",
            )?
            .execute((old, AT_ONCE))
    }

    /// Whether every active sink is done with everything.
    pub(super) fn is_delivered(&self) -> rusqlite::Result<bool> {
        let behind: i64 = self.connection.query_row("SELECT count(*) FROM cursors WHERE active AND position < ?1", [self.last], |row| row.get(0))?;
        Ok(behind == 0)
    }

    /// Gives free pages back to the file system when they are more than a quarter.
    pub(super) fn shrink(&mut self) -> rusqlite::Result<bool> {
        let (pages, free) = (self.number("page_count")?, self.number("freelist_count")?);
        if free < 1_000 || free * 4 < pages {
            return Ok(false);
        }
        self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
        Ok(true)
    }

    /// Lets the slowest active sink lose some of its oldest rows, up to where the next slowest stands. Gives how many, each sink's counted.
    pub(super) fn shed(&mut self) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached("SELECT sink, position FROM cursors WHERE active ORDER BY position")?;
        let cursors: Vec<(String, Position)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let Some(slowest) = cursors.first().map(|cursor| cursor.1) else { return Ok(0) };
        let next = cursors.iter().map(|cursor| cursor.1).find(|position| *position > slowest).unwrap_or(self.last);
        let target: Option<Position> = self.connection.query_row(
            "SELECT max(position) FROM (SELECT position FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3)",
            (slowest, next, AT_ONCE),
            |row| row.get(0),
        )?;
        let Some(target) = target else { return Ok(0) };
        let mut shed = 0;
        for (sink, position) in cursors.iter().filter(|cursor| cursor.1 < target) {
            self.give_up(sink, *position, target, SHED)?;
            shed += u64::try_from(target - position).unwrap_or(0);
            self.connection.execute("UPDATE cursors SET position = ?2 WHERE sink = ?1", (sink, target))?;
        }
        Ok(shed)
    }
}

pub(super) fn log_size(file: &Path) -> u64 {
    fs::metadata(with_suffix(file, "-wal")).map_or(0, |meta| meta.len())
}

fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_nanos()).ok()).unwrap_or(0)
}

/// `journal.sqlite` -> `journal.sqlite-wal`.
pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file that is deleted when the disk is full, so that deleting rows, which needs room too, can go on.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    pub(super) whole: bool,
}

impl Reserve {
    /// In a journal's folder; `wanted` is false for a journal that ends with the process.
    pub(super) fn new(folder: &Path, wanted: bool) -> Self {
        let mut reserve = Self { path: folder.join("reserve"), whole: !wanted };
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
            let zeros = vec![0_u8; RESERVE];
            let size = fs::metadata(&self.path).map_or(0, |meta| meta.len());
            self.whole = size == RESERVE as u64 || File::create(&self.path).and_then(|mut file| file.write_all(&zeros)).is_ok();
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
    let volume = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(volume.f_blocks.saturating_mul(volume.f_frsize) / 2)
}

/// Whether SQLite's words mean that the disk is full or fails.
pub(super) fn is_disk_trouble(why: &rusqlite::Error) -> bool {
    matches!(why.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure))
}

/// Whether SQLite's words, or a value that the schema can't have, mean that the file is not what was written.
pub(super) fn is_damage(why: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
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
