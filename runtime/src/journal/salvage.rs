//! Salvage: moves what can be read of a damaged file into a new one, and notes the rest as a gap.
//!
//! A crash at any moment loses nothing. While the new file is built, beside the damaged one, it is called `journal.sqlite.salvage`, and is thrown away by
//! the next start. When it is whole and on the disk it becomes `journal.sqlite.salvaged`; from then on it counts, and whoever finds it finishes: sets the
//! damaged file and its write-ahead log aside, and puts the new one in its place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use super::reader::checksum;
use super::room::with_suffix;
use super::store::seconds;
use super::{Error, Position, schema};

/// Rows copied at once while nothing is wrong.
const AT_ONCE: i64 = 500;
/// Bytes of rows after which they are committed.
const COMMIT_BYTES: usize = 4 << 20;
/// Bytes that a new file may take beside those of the old one's pages.
const MARGIN: u64 = 1 << 20;
/// How long a damaged file is kept for a person.
pub(super) const KEEP_SET_ASIDE: Duration = Duration::from_secs(7 * 24 * 3600);

const BUILDING: &str = ".salvage";
const BUILT: &str = ".salvaged";
const DAMAGED: &str = ".damaged-";

/// Puts a new file in the place of a damaged one, which is kept for a person. Nobody may have the old one open for writing.
pub(super) fn salvage(file: &Path, now: SystemTime, event_ttl: Duration) -> Result<(), Error> {
    build(file, now, event_ttl)?;
    finish(file, now)
}

/// Builds the new file beside the damaged one, which may be open; [`finish`] makes it count. With too little room nothing is begun. An event may be as old
/// as `event_ttl` when it is seen.
pub(super) fn build(file: &Path, now: SystemTime, event_ttl: Duration) -> Result<(), Error> {
    discard(file);
    let old = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let needed = pages(old.as_ref().ok(), file).saturating_add(MARGIN);
    let folder = file.parent().unwrap_or(Path::new("."));
    let free = free(folder)?;
    if free < needed {
        return Err(Error::NoRoom { folder: folder.to_owned(), needed, free });
    }
    let building = with_suffix(file, BUILDING);
    let built = copy_into(&building, old, seconds(now), event_ttl).and_then(|counts| {
        let whole = File::open(&building).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&building, with_suffix(file, BUILT)));
        whole.and_then(|()| File::open(folder)?.sync_all()).map_err(|why| Error::Folder { path: building.clone(), why })?;
        Ok(counts)
    });
    match built {
        Ok((rows, lost)) => {
            tracing::error!(
                rows,
                lost,
                "The journal was damaged on the disk. What could be read was moved to a new file, and `kubedl-events gaps` lists the rest. The damaged one \
                 is kept beside it for {} days, or until its room is needed.",
                KEEP_SET_ASIDE.as_secs() / 86_400
            );
            Ok(())
        }
        Err(why) => {
            discard(file);
            Err(why)
        }
    }
}

/// Puts a new file that was built in its place, where there is one; a crash may have come in between, here or there.
pub(super) fn finish(file: &Path, now: SystemTime) -> Result<(), Error> {
    let built = with_suffix(file, BUILT);
    if !built.exists() {
        discard(file);
        return Ok(());
    }
    let refuse = |path: &Path| {
        let path = path.to_owned();
        move |why| Error::Folder { path, why }
    };
    let aside = set_aside_as(file, seconds(now));
    for suffix in ["-wal", ""] {
        let from = with_suffix(file, suffix);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, suffix)).map_err(refuse(&from))?;
        }
    }
    // It is of the old file, and made anew.
    let _ = fs::remove_file(with_suffix(file, "-shm"));
    let folder = file.parent().unwrap_or(Path::new("."));
    let sync = || File::open(folder).and_then(|folder| folder.sync_all()).map_err(refuse(folder));
    sync()?;
    fs::rename(&built, file).map_err(refuse(&built))?;
    sync()
}

/// Throws away what a crash left of a file that was not finished.
fn discard(file: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = fs::remove_file(with_suffix(&with_suffix(file, BUILDING), suffix));
    }
}

/// A name that is not taken.
fn set_aside_as(file: &Path, at: i64) -> PathBuf {
    let name = |number: u32| with_suffix(file, &if number == 0 { format!("{DAMAGED}{at}") } else { format!("{DAMAGED}{at}-{number}") });
    (0..).map(name).find(|path| !path.exists() && !with_suffix(path, "-wal").exists()).unwrap_or_else(|| name(u32::MAX))
}

/// A damaged file, or its write-ahead log, that is kept for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetAside {
    path: PathBuf,
    pub(super) bytes: u64,
    at: SystemTime,
}

/// All of a journal, the oldest first.
pub(super) fn set_aside(file: &Path) -> Vec<SetAside> {
    let start = file.file_name().map(|name| format!("{}{DAMAGED}", name.to_string_lossy())).unwrap_or_default();
    let entries = file.parent().and_then(|folder| fs::read_dir(folder).ok());
    let of = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let digits: String = name.strip_prefix(&start)?.chars().take_while(char::is_ascii_digit).collect();
        let at = UNIX_EPOCH + Duration::from_secs(digits.parse().ok()?);
        Some(SetAside { path: entry.path(), bytes: entry.metadata().ok()?.len(), at })
    };
    let mut files: Vec<SetAside> = entries.into_iter().flatten().flatten().filter_map(of).collect();
    files.sort_by(|a, b| (a.at, &a.path).cmp(&(b.at, &b.path)));
    files
}

impl SetAside {
    pub(super) fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.at).is_ok_and(|age| age >= KEEP_SET_ASIDE)
    }

    pub(super) fn remove(&self, why: &str) {
        match fs::remove_file(&self.path) {
            Ok(()) => tracing::warn!("Removed {}, a damaged journal that was kept aside: {why}.", self.path.display()),
            Err(error) => tracing::warn!("Cannot remove {}, a damaged journal that was kept aside: {error}.", self.path.display()),
        }
    }
}

/// Bytes of the pages in use; where the file can't tell, of all of it.
fn pages(old: Option<&Connection>, file: &Path) -> u64 {
    let number = |name: &str| old.and_then(|old| old.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).ok());
    let used = || {
        let pages = number("page_count")?.checked_sub(number("freelist_count")?)?;
        u64::try_from(pages.checked_mul(number("page_size")?)?).ok().filter(|used| *used > 0)
    };
    let length = |suffix: &str| fs::metadata(with_suffix(file, suffix)).map_or(0, |meta| meta.len());
    let all = length("") + length("-wal");
    used().map_or(all, |used| used.min(all))
}

fn free(folder: &Path) -> Result<u64, Error> {
    let volume = rustix::fs::statvfs(folder).map_err(|why| Error::Folder { path: folder.to_owned(), why: why.into() })?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// Fills a new file with what can be read of the old one.
fn copy_into(building: &Path, old: rusqlite::Result<Connection>, at: i64, event_ttl: Duration) -> Result<(u64, u64), Error> {
    let new = Connection::open(building)?;
    schema::prepare_unsafe(&new)?;
    let counts = match old {
        Ok(old) => copy(&old, &new, at, event_ttl)?,
        Err(_) => {
            note(&new, None, at, event_ttl)?;
            (0, 0)
        }
    };
    // In the file from now on, so that nobody has to change it.
    new.pragma_update(None, "journal_mode", "WAL")?;
    new.close().map_err(|(_, why)| why)?;
    Ok(counts)
}

/// Gives how many rows were moved, and how many that some sink still needed are gone.
fn copy(old: &Connection, new: &Connection, at: i64, event_ttl: Duration) -> Result<(u64, u64), Error> {
    let mut forgotten = Vec::new();
    for (table, columns) in [("checkpoints", 4), ("cursors", 5), ("dead_letters", 11), ("gaps", 12), ("selections", 3), ("origins", 3)] {
        if !by_rowid(old, new, table, columns)?.whole {
            forgotten.push(table);
        }
    }
    let Copied { rows, .. } = by_rowid(old, new, "events", 8)?;
    identities(old, new)?;
    let facts = old.query_row("SELECT cluster, epoch, last_position FROM journal", [], |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Position>(2)?))
    });
    let seen: Position = new.query_row("SELECT max(coalesce((SELECT max(position) FROM events), 0), coalesce((SELECT max(position) FROM cursors), 0), coalesce((SELECT max(position) FROM identities), 0))", [], |row| row.get(0))?;
    let (cluster, epoch, last) = match facts {
        Ok((cluster, epoch, last)) => (cluster, epoch, last.max(seen)),
        Err(_) => {
            let epoch: i64 = new.query_row("SELECT coalesce(max(epoch), 1) FROM identities", [], |row| row.get(0))?;
            (None, epoch, seen)
        }
    };
    new.execute("UPDATE journal SET cluster = ?1, epoch = ?2, last_position = ?3", (cluster, epoch, last))?;
    let lost = account(new, last, at, event_ttl)?;
    for (table, reason) in FORGOTTEN {
        if forgotten.contains(&table) {
            // Of which sink and of when, nobody can say.
            new.execute("INSERT INTO gaps (until, certain, reason) VALUES (?1, 0, ?2)", (at, reason))?;
        }
    }
    Ok((rows, lost))
}

/// Tables that say which events are not stored, and the gap that stands for what they said.
const FORGOTTEN: [(&str, &str); 2] = [
    ("dead_letters", "dead letters were damaged on the disk: which events are not stored is no longer known of all of them"),
    ("gaps", "gaps were damaged on the disk: where events were missing before is no longer known of all of them"),
];

/// What came of copying a table.
struct Copied {
    rows: u64,
    /// All that was there.
    whole: bool,
}

/// Copies a table in the order of its row ids, and goes around what can't be read.
fn by_rowid(old: &Connection, new: &Connection, table: &str, columns: usize) -> Result<Copied, Error> {
    let marks = vec!["?"; columns].join(", ");
    let there = old.query_row("SELECT count(*) FROM sqlite_schema WHERE name = ?1", [table], |row| row.get::<_, bool>(0));
    let Ok(mut select) = old.prepare(&format!("SELECT rowid, * FROM {table} WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?3")) else {
        // Journals of earlier versions have not all of them.
        return Ok(Copied { rows: 0, whole: there != Ok(true) });
    };
    if is_lost(old, table) {
        return Ok(Copied { rows: 0, whole: false });
    }
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    new.execute_batch("BEGIN")?;
    let mut bytes = 0;
    let is_sound = |row: &[Value]| table != "events" || is_intact(row);
    let last = old.query_row(&format!("SELECT max(rowid) FROM {table}"), [], |row| row.get::<_, Option<i64>>(0));
    let mut all = last.is_ok();
    let last = last.unwrap_or_default();
    // Where the end can't be read, a stretch without any row that can is taken for it.
    let (mut after, mut barren, mut copied) = (0_i64, 0_i64, 0);
    while last.is_none_or(|last| after < last) && barren < 1_000_000 {
        let single = barren > 0;
        let through = if single { after.saturating_add(1) } else { i64::MAX };
        let mut batch: Vec<Vec<Value>> = Vec::new();
        let whole = read_some(&mut select, (after, through), columns, is_sound, &mut batch);
        all &= whole;
        let reached = batch.last().and_then(|row| if let Some(Value::Integer(id)) = row.first() { Some(*id) } else { None });
        for row in batch {
            bytes += row.iter().map(size).sum::<usize>();
            insert.execute(params_from_iter(row.into_iter().skip(1)))?;
            copied += 1;
        }
        if bytes > COMMIT_BYTES {
            new.execute_batch("COMMIT; BEGIN")?;
            bytes = 0;
        }
        match (reached, whole) {
            (Some(reached), whole) => (after, barren) = (reached, i64::from(!whole)),
            (None, true) if !single => break,
            (None, _) => (after, barren) = (after.saturating_add(1), barren + 1),
        }
    }
    new.execute_batch("COMMIT")?;
    Ok(Copied { rows: copied, whole: all })
}

/// Whether no way leads into a table, as when its first page is damaged: then no row of it has to be tried.
fn is_lost(old: &Connection, table: &str) -> bool {
    const WAYS: i64 = 64;
    let last: i64 = old.query_row("SELECT last_position FROM journal", [], |row| row.get(0)).unwrap_or(1_000_000);
    let Ok(mut way) = old.prepare(&format!("SELECT 1 FROM {table} WHERE rowid = ?1")) else { return true };
    let mut leads = |rowid: i64| way.exists([rowid]).is_ok();
    !leads(1) && !leads(i64::MAX) && !(1..WAYS).any(|part| leads(last / WAYS * part + last % WAYS))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 8,
    }
}

/// False when it ended with an error, or with a row that is not sound or not where it belongs, as on a damaged page, whose place says nothing; what came
/// before it is in `rows`.
fn read_some(
    select: &mut rusqlite::Statement<'_>,
    (after, through): (i64, i64),
    columns: usize,
    is_sound: impl Fn(&[Value]) -> bool,
    rows: &mut Vec<Vec<Value>>,
) -> bool {
    let Ok(mut found) = select.query((after, through, AT_ONCE)) else { return false };
    let mut reached = after;
    loop {
        match found.next() {
            Ok(Some(row)) => {
                let Ok(values) = (0..=columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>() else { return false };
                match values.first() {
                    Some(Value::Integer(id)) if (reached.saturating_add(1)..=through).contains(id) && is_sound(&values) => reached = *id,
                    _ => return false,
                }
                rows.push(values);
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Whether a row of `events` (with its row id in front) has the text that its CRC was made of.
fn is_intact(row: &[Value]) -> bool {
    let text = |place: usize| match row.get(place) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let number = |place: usize| if let Some(Value::Integer(number)) = row.get(place) { *number } else { -1 };
    number(8) == i64::from(checksum(number(1), number(3), [text(5), text(6), text(7)])) && text(7).is_some()
}

/// Copies identities from both ends, up to what can't be read: without one, a list adds an event a second time, and loses none.
fn identities(old: &Connection, new: &Connection) -> Result<(), Error> {
    new.execute_batch("BEGIN")?;
    copy_identities(old, new)?;
    Ok(new.execute_batch("COMMIT")?)
}

fn copy_identities(old: &Connection, new: &Connection) -> Result<(), Error> {
    for order in ["", " DESC"] {
        let select = format!("SELECT * FROM identities ORDER BY epoch{order}, resource_version{order}, uid{order}");
        let Ok(mut select) = old.prepare(&select) else { return Ok(()) };
        let mut insert = new.prepare("INSERT OR IGNORE INTO identities VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        let Ok(mut rows) = select.query([]) else { continue };
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let Ok(values) = (0..7).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>() else { break };
                    insert.execute(params_from_iter(values))?;
                }
                Ok(None) => return Ok(()),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Notes for each sink the rows that it still needed and that are gone. Gives how many such rows there are.
fn account(new: &Connection, last: Position, at: i64, event_ttl: Duration) -> Result<u64, Error> {
    let mut statement = new.prepare("SELECT sink, position FROM cursors WHERE active")?;
    let cursors: Vec<(String, Position)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut most = 0;
    for (sink, position) in &cursors {
        let there: i64 = new.query_row("SELECT count(*) FROM events WHERE position > ?1", [position], |row| row.get(0))?;
        let lost = (last - position - there).max(0);
        if lost > 0 {
            note(new, Some(sink), at, event_ttl)?;
        }
        most = most.max(lost);
    }
    let checkpoints: i64 = new.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0))?;
    if cursors.is_empty() || checkpoints == 0 {
        note(new, None, at, event_ttl)?;
    }
    Ok(u64::try_from(most).unwrap_or(0))
}

fn note(new: &Connection, sink: Option<&str>, at: i64, event_ttl: Duration) -> Result<(), Error> {
    let certain = sink.is_some();
    let reason = "rows of the journal were damaged on the disk and could not be saved";
    let since: Option<i64> = new
        .query_row(
            "SELECT observed_at / 1000000000 - ?2 FROM events WHERE ?1 IS NOT NULL AND position <= (SELECT position FROM cursors WHERE sink = ?1) \
             ORDER BY position DESC LIMIT 1",
            (sink, i64::try_from(event_ttl.as_secs()).unwrap_or(i64::MAX)),
            |row| row.get(0),
        )
        .optional()?;
    new.execute("INSERT INTO gaps (sink, since, until, certain, reason) VALUES (?1, ?2, ?3, ?4, ?5)", (sink, since, at, certain, reason))?;
    Ok(())
}
