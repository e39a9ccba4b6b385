//! The journal's files: their names and sizes, their folder and its lock.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::error::Error;

/// Name of the journal's file in its folder.
pub const FILE: &str = "journal.sqlite";
/// Name of the file in its folder that the process which writes it has locked.
pub const LOCK: &str = "lock";

/// Makes the folder, for its owner alone, where it isn't there.
pub(super) fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Locks the folder for this process; the lock lasts as long as the file is open.
pub(super) fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|why| Error::Folder {
        path: path.clone(),
        why,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(std::fs::TryLockError::Error(why)) => Err(Error::Folder { path, why }),
    }
}

/// Bytes of the write-ahead log of a file.
pub(super) fn log_size(file: &Path) -> u64 {
    fs::metadata(with_suffix(file, "-wal")).map_or(0, |meta| meta.len())
}

/// `journal.sqlite` -> `journal.sqlite-wal`.
pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
