//! What can go wrong, in words for the person who can act.

use std::fmt;
use std::path::PathBuf;

use super::row::Position;
use super::sqlite_error::{self, is_damage};

/// Why the journal can't do something.
#[derive(Debug)]
pub enum Error {
    /// The folder or file can't be used. Not retryable without a person.
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// Nobody has written one there.
    Absent {
        /// The folder.
        directory: PathBuf,
    },
    /// Another process holds the folder.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Written by a newer version of this program; nothing was changed.
    Newer {
        /// Version of the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The journal belongs to another cluster; nothing was changed.
    OtherCluster {
        /// Uid of `kube-system` in the journal.
        journal: String,
        /// Uid of `kube-system` now.
        cluster: String,
    },
    /// SQLite failed; the transaction did not happen. Retryable: the disk may have room again.
    Storage(rusqlite::Error),
    /// A row is not what was written.
    Damaged {
        /// Which.
        position: Position,
    },
    /// The journal is at its size limit, and sinks have to make room. Retryable.
    Full {
        /// Bytes now.
        size: u64,
        /// Bytes at most.
        most: u64,
    },
    /// The disk has no room for more events. Retryable.
    DiskFull {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// The journal is at its size limit by its write-ahead log, which another program holds by
    /// reading for long. Retryable.
    Held {
        /// Bytes of the log.
        log: u64,
        /// Bytes that the journal may have at most.
        most: u64,
    },
    /// A damaged journal can't be saved, since there is no room for the new file. Nothing was
    /// touched. Retryable.
    NoRoom {
        /// The journal's folder.
        folder: PathBuf,
        /// Bytes that the new file may take.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A sink has too many dead letters. Retryable once a person has looked at them.
    LettersFull {
        /// The sink.
        sink: String,
        /// How many it may have.
        most: u64,
    },
    /// Another write that shared the transaction failed and undid it. Retryable.
    Undone,
    /// The writing thread has ended.
    Closed,
}

impl Error {
    /// Whether the file is damaged, so that what is readable should be saved.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Storage(why) if is_damage(why))
    }

    /// What SQLite says of a page on which something is not where it belongs.
    pub(in crate::journal) fn corrupt() -> Self {
        Self::Storage(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            None,
        ))
    }

    /// SQLite's errors can't be cloned; code and words can.
    pub(in crate::journal) fn copy(&self) -> Self {
        match self {
            Self::Storage(why) => Self::Storage(sqlite_error::copy(why)),
            Self::Full { size, most } => Self::Full {
                size: *size,
                most: *most,
            },
            Self::DiskFull { folder } => Self::DiskFull {
                folder: folder.clone(),
            },
            Self::Held { log, most } => Self::Held {
                log: *log,
                most: *most,
            },
            Self::NoRoom {
                folder,
                needed,
                free,
            } => Self::NoRoom {
                folder: folder.clone(),
                needed: *needed,
                free: *free,
            },
            Self::LettersFull { sink, most } => Self::LettersFull {
                sink: sink.clone(),
                most: *most,
            },
            Self::Damaged { position } => Self::Damaged {
                position: *position,
            },
            Self::OtherCluster { journal, cluster } => Self::OtherCluster {
                journal: journal.clone(),
                cluster: cluster.clone(),
            },
            Self::Newer { found, known } => Self::Newer {
                found: *found,
                known: *known,
            },
            Self::Folder { path, why } => Self::Folder {
                path: path.clone(),
                why: why.kind().into(),
            },
            Self::Absent { directory } => Self::Absent {
                directory: directory.clone(),
            },
            Self::Locked { path } => Self::Locked { path: path.clone() },
            Self::Undone => Self::Undone,
            Self::Closed => Self::Closed,
        }
    }
}

impl fmt::Display for Error {
    // Long: one arm an error, and each is a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, why } => write!(
                f,
                "cannot use {} for the journal: {why}. Give a writable folder with --data-dir",
                path.display()
            ),
            Self::Absent { directory } => {
                write!(
                    f,
                    "there is no journal in {}: give the folder of the service with --data-dir",
                    directory.display()
                )
            }
            Self::Locked { path } => {
                write!(
                    f,
                    "another process holds {}: stop it, or give each process a folder of its own with --data-dir",
                    path.display()
                )
            }
            Self::Newer { found, known } => write!(
                f,
                "the journal has format {found}, this version of kubedl-events knows formats up to {known}: run the newer version, or start with an empty --data-dir"
            ),
            Self::OtherCluster { journal, cluster } => write!(
                f,
                "the journal belongs to another cluster (uid of kube-system: {journal} in the journal, {cluster} now): give this cluster a --data-dir of its own"
            ),
            Self::Storage(why) => write!(f, "the journal's storage failed: {why}"),
            Self::Damaged { position } => write!(
                f,
                "row {position} of the journal is damaged: its checksum does not fit"
            ),
            Self::Full { size, most } => write!(
                f,
                "the journal has {} MiB, its limit is {} MiB, and everything in it still has to be delivered: mend the sink that is behind, raise \
                 --max-size, or let it lose its oldest events with --on-full shed",
                size >> 20,
                most >> 20
            ),
            Self::DiskFull { folder } => write!(
                f,
                "the disk of {} is full: events wait until there is room",
                folder.display()
            ),
            Self::Held { log, most } => write!(
                f,
                "the journal's write-ahead log has {} MiB of the {} MiB that the journal may have, and can't be emptied while another program reads the \
                 journal: end what holds it open, such as a forgotten sqlite3",
                log >> 20,
                most >> 20
            ),
            Self::NoRoom {
                folder,
                needed,
                free,
            } => write!(
                f,
                "the journal in {} is damaged, and the new file that takes its place needs up to {} MiB, of which {} MiB are free. Nothing was touched, and \
                 events wait: make room there, and it goes on by itself",
                folder.display(),
                needed.div_ceil(1 << 20),
                free >> 20
            ),
            Self::LettersFull { sink, most } => write!(
                f,
                "the sink {sink} has {most} dead letters, which is the most: look at them with `kubedl-events dead-letters list`, then retry or drop them"
            ),
            Self::Undone => write!(
                f,
                "another write to the journal failed, and took this one with it"
            ),
            Self::Closed => write!(f, "the journal is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(why: rusqlite::Error) -> Self {
        Self::Storage(why)
    }
}
