//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::Appended;

/// Counters since the start; they count after the commit.
#[derive(Debug, Default)]
pub struct Stats {
    pub(in crate::journal) stored: AtomicU64,
    pub(in crate::journal) known: AtomicU64,
    pub(in crate::journal) dropped: AtomicU64,
    pub(in crate::journal) commits: AtomicU64,
    pub(in crate::journal) shed: AtomicU64,
    pub(in crate::journal) gaps: AtomicU64,
    /// Counts the files: each time a damaged one was replaced.
    pub(in crate::journal) generation: AtomicU64,
    /// Held for writing while a damaged file is replaced, and for reading while a connection is opened *and first used*: SQLite opens the write-ahead log by its
    /// name only then, and that of the new file must not be taken for the old one's.
    pub(in crate::journal) replacing: RwLock<()>,
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
    /// Gaps that watches left.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }
    /// Times that a sink lost rows to the size limit.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }
    pub(in crate::journal) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
    /// Has a connection opened and first used while no file is replaced; it is told the generation of the file.
    pub(in crate::journal) fn opening<T>(&self, open: impl FnOnce(u64) -> T) -> T {
        let _open = self.replacing.read().unwrap_or_else(PoisonError::into_inner);
        open(self.generation())
    }
    pub(in crate::journal) fn count(&self, appended: &Appended) {
        self.stored.fetch_add(appended.stored, Ordering::Relaxed);
        self.known.fetch_add(appended.known, Ordering::Relaxed);
        self.dropped.fetch_add(appended.dropped, Ordering::Relaxed);
        self.gaps.fetch_add(u64::from(appended.gap.is_some()), Ordering::Relaxed);
    }
    /// Transactions.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}
