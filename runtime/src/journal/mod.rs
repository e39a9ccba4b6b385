//! 4. Durable order, in one SQLite file: append, read from a sink's cursor, acknowledge, dead letters.
//!
//! # Invariants
//!
//! - One transaction holds a batch of events *and* the resource version that their watch has reached: they can't disagree.
//! - An answer of Ok comes after the commit, with `synchronous=FULL`: a crash loses nothing that was answered.
//! - An identity (epoch, resource version, uid) is taken once: a list that shows an event again adds nothing.
//! - Positions grow by one for each stored event and are never used again; a cursor names the last position that its sink is
//!   done with: stored there, or lying in its dead letters.
//! - One thread writes. What waits while it commits is committed together next.
//! - The data folder is locked: a second process is refused.
//!
//! The journal doesn't know what a sink is beyond its name, nor what an event says. The format is in [`schema`].

mod reader;
pub mod schema;
mod writer;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

pub use reader::{Reader, Row};

/// Between two looks at whether there is something to checkpoint.
const CHECKPOINTS: Duration = Duration::from_millis(500);

/// A place in the journal's order; 0 is before the first event.
pub type Position = i64;

/// Where the journal lies and how long it keeps what is delivered.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made with mode 0700 where it isn't there.
    pub directory: PathBuf,
    /// How long rows stay after every sink is done with them.
    pub retain: Duration,
    /// False for a journal that ends with the process: no fsync.
    pub durable: bool,
}

/// One event to store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `metadata.uid` of the event.
    pub uid: String,
    /// `metadata.resourceVersion` of the event.
    pub resource_version: String,
    /// The filter's rule.
    pub rule: &'static str,
    /// What to keep; none for an event that the filter dropped: only its identity and rule are kept.
    pub kept: Option<Kept>,
}

/// The part of an [`Entry`] that is read back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When the watcher saw it, in nanoseconds since 1970.
    pub observed_at: i64,
    /// The job as JSON.
    pub job: Option<String>,
    /// Labels as JSON.
    pub labels: Option<String>,
    /// Kubernetes' own JSON.
    pub raw: String,
}

/// A batch of one scope.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Key of the scope.
    pub scope: String,
    /// In the order of the watch.
    pub entries: Vec<Entry>,
    /// Objects that could not be read as events, with the reason: they become dead letters of no sink.
    pub unreadable: Vec<(String, String)>,
    /// The resource version that the scope has reached with this batch.
    pub checkpoint: Option<String>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events stored now.
    pub stored: u64,
    /// Events that were stored or dropped before.
    pub known: u64,
    /// Events dropped by the filter, seen for the first time.
    pub dropped: u64,
}

/// An event that a sink will never store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the journal.
    pub position: Position,
    /// The sink's words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Where a sink stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last position that the sink is done with.
    pub position: Position,
    /// Rows up to here may have been sent before, without an acknowledgement: the last process did not end in order.
    pub unsure_through: Position,
}

/// Where a sink that the journal does not know begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the oldest row.
    #[default]
    Oldest,
    /// With what comes from now on.
    Now,
}

/// Whether a command may wait a moment to share another's commit, which saves a write to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// More is waiting for the answer.
    Now,
    /// Nothing can go on before something else is committed anyway.
    WithNext,
}

/// Counters since the start; they count after the commit.
#[derive(Debug, Default)]
pub struct Stats {
    pub(in crate::journal) stored: AtomicU64,
    pub(in crate::journal) known: AtomicU64,
    pub(in crate::journal) dropped: AtomicU64,
    pub(in crate::journal) commits: AtomicU64,
}

impl Stats {
    /// Events stored.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }
    /// Events seen again.
    pub fn known(&self) -> u64 {
        self.known.load(Ordering::Relaxed)
    }
    /// Events dropped by the filter.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
    /// Transactions.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

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
    /// The writing thread has ended.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, why } => write!(f, "cannot use {} for the journal: {why}. Give a writable folder with --data-dir", path.display()),
            Self::Locked { path } => {
                write!(f, "another process holds {}: stop it, or give each process a folder of its own with --data-dir", path.display())
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
            Self::Damaged { position } => write!(f, "row {position} of the journal is damaged: its checksum does not fit"),
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

/// The open journal. Clones share it; the file is closed when [`Journal::close`] has answered.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Unbounded, but everybody waits for an answer before sending more.
    commands: mpsc::Sender<writer::Command>,
    head: watch::Receiver<Position>,
    stats: Arc<Stats>,
    file: PathBuf,
}

impl Journal {
    /// Opens or makes the journal of a folder.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let folder = |why| Error::Folder { path: options.directory.clone(), why };
        make_private(&options.directory).map_err(folder)?;
        let lock = lock(&options.directory)?;
        let file = options.directory.join("journal.sqlite");
        let connection = rusqlite::Connection::open(&file)?;
        schema::prepare(&connection, options.durable)?;
        // Sinks that are not registered again are parked: they hold nothing up.
        connection.execute("UPDATE cursors SET active = 0", [])?;
        let last: Position = connection.query_row("SELECT last_position FROM journal", [], |row| row.get(0))?;
        let (head_tx, head) = watch::channel(last);
        let (commands, inbox) = mpsc::channel();
        let stats = Arc::new(Stats::default());
        let writer = writer::Writer::new(connection, lock, head_tx, stats.clone(), options.retain, last);
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(inbox)).map_err(folder)?;
        checkpoint_beside(&file, stats.clone()).map_err(folder)?;
        Ok(Self { commands, head, stats, file })
    }

    /// Makes sure that the journal is this cluster's; a new journal becomes so.
    pub async fn bind(&self, cluster: &str) -> Result<(), Error> {
        self.ask(|reply| writer::Command::Bind { cluster: cluster.to_owned(), reply }).await
    }

    /// The resource version that a scope has reached.
    pub async fn checkpoint(&self, scope: &str) -> Result<Option<String>, Error> {
        self.ask(|reply| writer::Command::Checkpoint { scope: scope.to_owned(), reply }).await
    }

    /// Stores a batch and its checkpoint.
    pub async fn append(&self, batch: Batch) -> Result<Appended, Error> {
        self.ask(|reply| writer::Command::Append { batch, reply }).await
    }

    /// Makes a sink known, and gives its cursor.
    pub async fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
        self.ask(|reply| writer::Command::Register { sink: sink.to_owned(), start, reply }).await
    }

    /// Moves a sink's cursor, and keeps its dead letters.
    pub async fn acknowledge(&self, sink: &str, position: Position, dead: Vec<DeadLetter>, haste: Haste) -> Result<(), Error> {
        self.ask(|reply| writer::Command::Acknowledge { sink: sink.to_owned(), position, dead, haste, reply }).await
    }

    /// Notes that a sink has nothing in flight: what follows its cursor was never sent.
    pub async fn settle(&self, sink: &str) -> Result<(), Error> {
        self.ask(|reply| writer::Command::Settle { sink: sink.to_owned(), reply }).await
    }

    /// A connection that reads, for one thread.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.file)
    }

    /// The last position; changes after each commit that stored something.
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ends the writing thread after what was sent before, and closes the file.
    pub async fn close(&self) -> Result<(), Error> {
        self.ask(|reply| writer::Command::Close { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> writer::Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// Moves what was committed from the write-ahead log into the database, on a thread and connection of its own, so that no commit
/// waits for it (sqlite.org/wal.html, "passive"). Ends with the journal.
fn checkpoint_beside(file: &Path, stats: Arc<Stats>) -> std::io::Result<()> {
    let (file, stats) = (file.to_owned(), Arc::downgrade(&stats));
    let work = move || {
        let Ok(connection) = rusqlite::Connection::open(&file) else { return };
        let mut seen = 0;
        loop {
            std::thread::sleep(CHECKPOINTS);
            // The writer and the handles share the counters: none left means closed.
            let Some(commits) = stats.upgrade().map(|stats| stats.commits()) else { return };
            if commits != seen {
                seen = commits;
                let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        }
    };
    std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work).map(drop)
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|why| Error::Folder { path: path.clone(), why })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(std::fs::TryLockError::Error(why)) => Err(Error::Folder { path, why }),
    }
}
