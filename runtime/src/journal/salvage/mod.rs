//! Salvage: moves what can be read of a damaged file into a new one, and notes the rest as a gap.
//!
//! A crash at any moment loses nothing. While the new file is built, beside the damaged one, it is
//! called `journal.sqlite.salvage`, and is thrown away by the next start. When it is whole and on
//! the disk it becomes `journal.sqlite.salvaged`; from then on it counts, and whoever finds it
//! finishes: sets the damaged file and its write-ahead log aside, and puts the new one in its
//! place.

mod copy;
mod table;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use super::error::Error;
use super::files::with_suffix;
use super::time::seconds;

/// Bytes that a new file may take beside those of the old one's pages.
const MARGIN: u64 = 1 << 20;
/// How long a damaged file is kept for a person.
pub(super) const KEEP_SET_ASIDE: Duration = Duration::from_secs(7 * 24 * 3600);

const BUILDING: &str = ".salvage";
const BUILT: &str = ".salvaged";
const DAMAGED: &str = ".damaged-";

/// Puts a new file in the place of a damaged one, which is kept for a person. Nobody may have the
/// old one open for writing.
pub(super) fn salvage(file: &Path, now: SystemTime, event_ttl: Duration) -> Result<(), Error> {
    build(file, now, event_ttl)?;
    finish(file, now)
}

/// Builds the new file beside the damaged one, which may be open; [`finish`] makes it count. With
/// too little room nothing is begun. An event may be as old as `event_ttl` when it is seen.
pub(super) fn build(file: &Path, now: SystemTime, event_ttl: Duration) -> Result<(), Error> {
    discard(file);
    let old = Connection::open_with_flags(
        file,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    );
    let needed = pages(old.as_ref().ok(), file).saturating_add(MARGIN);
    let folder = file.parent().unwrap_or(Path::new("."));
    let free = free(folder)?;
    if free < needed {
        return Err(Error::NoRoom {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    let building = with_suffix(file, BUILDING);
    let built = copy::copy_into(&building, old, seconds(now), event_ttl).and_then(|counts| {
        let whole = File::open(&building)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&building, with_suffix(file, BUILT)));
        whole
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|why| Error::Folder {
                path: building.clone(),
                why,
            })?;
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

/// Puts a new file that was built in its place, where there is one; a crash may have come in
/// between, here or there.
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
    let sync = || {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(refuse(folder))
    };
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
    let name = |number: u32| {
        with_suffix(
            file,
            &if number == 0 {
                format!("{DAMAGED}{at}")
            } else {
                format!("{DAMAGED}{at}-{number}")
            },
        )
    };
    (0..)
        .map(name)
        .find(|path| !path.exists() && !with_suffix(path, "-wal").exists())
        .unwrap_or_else(|| name(u32::MAX))
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
    let start = file
        .file_name()
        .map(|name| format!("{}{DAMAGED}", name.to_string_lossy()))
        .unwrap_or_default();
    let entries = file.parent().and_then(|folder| fs::read_dir(folder).ok());
    let of = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let digits: String = name
            .strip_prefix(&start)?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let at = UNIX_EPOCH + Duration::from_secs(digits.parse().ok()?);
        Some(SetAside {
            path: entry.path(),
            bytes: entry.metadata().ok()?.len(),
            at,
        })
    };
    let mut files: Vec<SetAside> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(of)
        .collect();
    files.sort_by(|a, b| (a.at, &a.path).cmp(&(b.at, &b.path)));
    files
}

impl SetAside {
    pub(super) fn is_old(&self, now: SystemTime) -> bool {
        now.duration_since(self.at)
            .is_ok_and(|age| age >= KEEP_SET_ASIDE)
    }

    pub(super) fn remove(&self, why: &str) {
        match fs::remove_file(&self.path) {
            Ok(()) => tracing::warn!(
                "Removed {}, a damaged journal that was kept aside: {why}.",
                self.path.display()
            ),
            Err(error) => tracing::warn!(
                "Cannot remove {}, a damaged journal that was kept aside: {error}.",
                self.path.display()
            ),
        }
    }
}

/// Bytes of the pages in use; where the file can't tell, of all of it.
fn pages(old: Option<&Connection>, file: &Path) -> u64 {
    let number = |name: &str| {
        old.and_then(|old| {
            old.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .ok()
        })
    };
    let used = || {
        let pages = number("page_count")?.checked_sub(number("freelist_count")?)?;
        u64::try_from(pages.checked_mul(number("page_size")?)?)
            .ok()
            .filter(|used| *used > 0)
    };
    let length =
        |suffix: &str| fs::metadata(with_suffix(file, suffix)).map_or(0, |meta| meta.len());
    let all = length("") + length("-wal");
    used().map_or(all, |used| used.min(all))
}

fn free(folder: &Path) -> Result<u64, Error> {
    let volume = rustix::fs::statvfs(folder).map_err(|why| Error::Folder {
        path: folder.to_owned(),
        why: why.into(),
    })?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}
