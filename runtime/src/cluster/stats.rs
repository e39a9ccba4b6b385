//! What watches have done so far, for those who look on. It changes after the fact.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Error, Pulse, Scope};

/// Why an open watch ended, and another one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The API server ended it, as it does at the end of its time.
    Ended,
    /// It ended at once, again and again: something between here and the API server cuts it.
    Cut,
    /// The API server no longer had the resource version (410).
    Expired,
    /// The connection broke, or was silent beyond its time.
    Broken,
    /// The API server answered with another error.
    Refused,
    /// What it sent could not be read.
    Garbled,
    /// The journal took no events, so that it was closed.
    Unread,
    /// It did not show an event that was written (`--heartbeat`).
    Blind,
}

impl Ending {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Ended,
        Self::Cut,
        Self::Expired,
        Self::Broken,
        Self::Refused,
        Self::Garbled,
        Self::Unread,
        Self::Blind,
    ];

    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Cut => "cut",
            Self::Expired => "expired",
            Self::Broken => "broken",
            Self::Refused => "refused",
            Self::Garbled => "garbled",
            Self::Unread => "unread",
            Self::Blind => "blind",
        }
    }

    pub(super) fn by(error: &Error) -> Self {
        match error {
            Error::Expired => Self::Expired,
            Error::Cut(_) => Self::Cut,
            Error::Unreachable(_) => Self::Broken,
            Error::Protocol(_) => Self::Garbled,
            _ => Self::Refused,
        }
    }
}

/// What the watches of a process have done, by the keys of their scopes.
#[derive(Debug, Default)]
pub struct Stats {
    scopes: Mutex<BTreeMap<String, Arc<Sight>>>,
}

impl Stats {
    /// Of one scope; begun where it is new.
    pub fn scope(&self, key: &str) -> Arc<Sight> {
        self.scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key.to_owned())
            .or_default()
            .clone()
    }

    /// Whether the very first answer about each of these scopes was one that waiting can't heal.
    pub(super) fn are_refused(&self, scopes: &[Scope]) -> bool {
        scopes
            .iter()
            .all(|scope| self.scope(scope.key()).refused.load(Ordering::Relaxed))
    }

    /// Of all scopes.
    pub fn scopes(&self) -> Vec<(String, Arc<Sight>)> {
        self.scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(key, sight)| (key.clone(), sight.clone()))
            .collect()
    }
}

/// What is seen of one scope.
#[derive(Debug, Default)]
pub struct Sight {
    /// Of the watch's thread.
    pub pulse: Pulse,
    events: AtomicU64,
    lists: AtomicU64,
    losses: AtomicU64,
    endings: [AtomicU64; Ending::ALL.len()],
    runs: AtomicBool,
    open: AtomicBool,
    whole: AtomicBool,
    refused: AtomicBool,
    trouble: Mutex<Option<(Instant, String)>>,
    unwatched: Mutex<Option<Instant>>,
}

impl Sight {
    /// Events handed over, those that were seen before included.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Lists read to their end.
    pub fn lists(&self) -> u64 {
        self.lists.load(Ordering::Relaxed)
    }

    /// Times that the API server could not show what came since the watch was last open, so that
    /// the list was read again.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// Watches that ended so.
    pub fn endings(&self, ending: Ending) -> u64 {
        self.endings
            .get(ending as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Whether it has a thread now, whose pulse counts.
    pub fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }

    /// Whether everything was seen once, by a list or from where the journal stood: what comes
    /// since, the watch shows.
    pub fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Since when, and why, nothing is seen.
    pub fn trouble(&self) -> Option<(Duration, String)> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble
            .as_ref()
            .map(|(since, why)| (since.elapsed(), why.clone()))
    }

    /// Since when there is no watch that works; none while there is one.
    pub fn unwatched(&self) -> Option<Duration> {
        self.unwatched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map(|since| since.elapsed())
    }

    pub(super) fn begun(&self, runs: bool) {
        self.pulse.beat();
        self.runs.store(runs, Ordering::Relaxed);
    }

    pub(super) fn saw(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn listed(&self) {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.whole.store(true, Ordering::Relaxed);
        self.refused.store(false, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
    }

    /// A watch is asked for; that it is refused counts as its end.
    pub(super) fn tried(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.whole.store(true, Ordering::Relaxed);
        self.refused.store(false, Ordering::Relaxed);
    }

    /// Counts the first reason that is given for the end of a watch.
    pub(super) fn closed(&self, ending: Ending) {
        self.has_no_watch();
        if self.open.swap(false, Ordering::Relaxed)
            && let Some(count) = self.endings.get(ending as usize)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn troubled(&self, why: &Error) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let since = trouble
            .as_ref()
            .map_or_else(Instant::now, |(since, _)| *since);
        *trouble = Some((since, why.to_string()));
    }

    /// A watch works.
    pub(super) fn has_watch(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self
            .unwatched
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn has_no_watch(&self) {
        self.unwatched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(Instant::now);
    }
}
