//! Where the journal lies, and what it keeps.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Where the journal lies and how long it keeps what is delivered.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made with mode 0700 where it isn't there.
    pub directory: PathBuf,
    /// How long rows stay after every sink is done with them.
    pub retain: Duration,
    /// False for a journal that ends with the process: no fsync.
    pub durable: bool,
    /// How long the API server shows an event (its `--event-ttl`); who saw nothing for longer may
    /// have missed some.
    pub event_ttl: Duration,
    /// Bytes of the files on disk: the journal, its write-ahead log and its reserve, what was set
    /// aside, and what lies beside it; none: as much as there is.
    pub max_size: Option<u64>,
    /// What happens at `max_size` when only undelivered rows are left.
    pub on_full: OnFull,
    /// Dead letters of one sink, at most; then the sink waits.
    pub most_letters: u64,
    /// A folder of files that can be made again: they count with the journal, and go before any
    /// event waits for room.
    pub spare: Option<PathBuf>,
    /// A folder of files that stay, and count with the journal.
    pub stays: Option<PathBuf>,
    /// The clock.
    pub now: fn() -> SystemTime,
}

impl Options {
    /// For a folder, with the defaults of the command line.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            retain: Duration::from_secs(24 * 3600),
            durable: true,
            event_ttl: Duration::from_secs(3600),
            max_size: None,
            on_full: OnFull::Block,
            most_letters: 100_000,
            spare: None,
            stays: None,
            now: SystemTime::now,
        }
    }
}

/// What happens when only undelivered rows are left and the journal is at its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Takes no more events, so that the watch is closed, until sinks have made room.
    Block,
    /// The slowest sink loses its oldest rows, and a gap says so.
    Shed,
}
