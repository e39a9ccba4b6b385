//! What the journal counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use super::batch::Appended;
use super::error::Error;
use crate::cluster::Pulse;

/// Counters since the start; they count after the commit.
#[derive(Debug, Default)]
pub struct Stats {
    /// Of the thread that writes.
    pub pulse: Pulse,
    pub(in crate::journal) stored: AtomicU64,
    pub(in crate::journal) known: AtomicU64,
    pub(in crate::journal) unreadable: AtomicU64,
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    pub(in crate::journal) commits: AtomicU64,
    pub(in crate::journal) shed: AtomicU64,
    pub(in crate::journal) gaps: AtomicU64,
    /// Counts the files: each time a damaged one was replaced.
    pub(in crate::journal) generation: AtomicU64,
    /// Held for writing while a damaged file is replaced, and for reading while a connection is
    /// opened *and first used*: SQLite opens the write-ahead log by its name only then, and that of
    /// the new file must not be taken for the old one's.
    pub(in crate::journal) replacing: RwLock<()>,
    /// Bytes; 0: none.
    pub(in crate::journal) limit: AtomicU64,
    /// Bytes that count with the limit, and are no rows: the reserve, and what others keep on the
    /// volume.
    pub(in crate::journal) beside: AtomicU64,
    trouble: Mutex<Option<String>>,
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
        self.dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .sum()
    }
    /// Events dropped, by the filter's rules.
    pub fn dropped_by(&self) -> BTreeMap<&'static str, u64> {
        self.dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    /// Objects that could not be read as events.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
    /// Gaps that watches left.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }
    /// Rows that sinks lost to the size limit, each sink's counted.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }
    /// Transactions.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
    /// Damaged files that were replaced by what could be read of them.
    pub fn salvaged(&self) -> u64 {
        self.generation()
    }
    /// The most bytes that the journal takes on disk.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }
    /// Bytes of the data folder that count with the limit beside the journal's own files.
    pub fn beside(&self) -> u64 {
        self.beside.load(Ordering::Relaxed)
    }
    /// Why events could not be stored when that was last tried; none: they could.
    pub fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    pub(in crate::journal) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
    /// Has a connection opened and first used while no file is replaced; it is told the generation
    /// of the file.
    pub(in crate::journal) fn opening<T>(&self, open: impl FnOnce(u64) -> T) -> T {
        let _open = self
            .replacing
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        open(self.generation())
    }
    pub(in crate::journal) fn count(&self, appended: &Appended) {
        self.stored.fetch_add(appended.stored, Ordering::Relaxed);
        self.known.fetch_add(appended.known, Ordering::Relaxed);
        self.unreadable
            .fetch_add(appended.unreadable, Ordering::Relaxed);
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, count) in &appended.dropped_by {
            *dropped.entry(rule).or_default() += count;
        }
        self.gaps
            .fetch_add(u64::from(appended.gap.is_some()), Ordering::Relaxed);
    }
    pub(in crate::journal) fn tried(&self, appended: Result<(), &Error>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            appended.err().map(ToString::to_string);
    }
}
