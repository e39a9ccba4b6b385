//! What a relay has done so far, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::cluster::Seldom;
use crate::journal::Position;

use super::histogram::Histogram;

/// Upper bounds, in seconds: from a destination on the same machine to the longest call that a
/// grant can give.
const SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
/// Upper bounds, in events: up to the largest batch there can be.
const EVENTS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0,
];

/// What a relay is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Being opened.
    Opening,
    /// Everything in the journal is delivered.
    Idle,
    /// A batch is in flight.
    Sending,
    /// The last try failed; it waits for the next.
    Retrying {
        /// Why.
        reason: String,
    },
    /// A person must mend something; it tries again slowly.
    Misconfigured {
        /// What.
        reason: String,
    },
    /// The journal can't be read, or can't take a note of what was stored.
    Blocked {
        /// Why.
        reason: String,
    },
    /// Ended.
    Closed,
}

impl State {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Idle => "idle",
            Self::Sending => "sending",
            Self::Retrying { .. } => "retrying",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Blocked { .. } => "blocked",
            Self::Closed => "closed",
        }
    }
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// When the first of the failures in a row came.
    pub since: SystemTime,
    /// When the last one came.
    pub last: SystemTime,
    /// How many there were in a row.
    pub times: u64,
    /// The destination's words, the last time.
    pub reason: String,
    /// Whether something was stored since.
    pub over: bool,
}

/// Counters and state of one relay; they change after the fact.
#[derive(Debug)]
pub struct Progress {
    position: watch::Sender<Position>,
    state: Mutex<State>,
    delivered: AtomicU64,
    dead: AtomicU64,
    batches: AtomicU64,
    retried: AtomicU64,
    unselected: AtomicU64,
    undecided: AtomicU64,
    /// Events of each call.
    sizes: Histogram,
    /// Seconds of each call.
    times: Histogram,
    failing: Mutex<(Option<Failing>, Seldom)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            position: watch::Sender::new(-1),
            state: Mutex::new(State::Opening),
            delivered: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            unselected: AtomicU64::new(0),
            undecided: AtomicU64::new(0),
            sizes: Histogram::new(EVENTS),
            times: Histogram::new(SECONDS),
            failing: Mutex::default(),
        }
    }
}

impl Progress {
    /// The last position that is done with; -1 before the relay knows. A change is a commit.
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Events stored at the destination.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Events that became dead letters.
    pub fn dead(&self) -> u64 {
        self.dead.load(Ordering::Relaxed)
    }

    /// Batches acknowledged.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Tries that were not the first.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Events that `select` kept from the sink.
    pub fn unselected(&self) -> u64 {
        self.unselected.load(Ordering::Relaxed)
    }

    /// Events about which `select` failed, and which the sink therefore got.
    pub fn undecided(&self) -> u64 {
        self.undecided.load(Ordering::Relaxed)
    }

    pub(super) fn passed_over(&self, unselected: u64, undecided: u64) {
        self.unselected.fetch_add(unselected, Ordering::Relaxed);
        self.undecided.fetch_add(undecided, Ordering::Relaxed);
    }

    /// Events of each call.
    pub fn sizes(&self) -> &Histogram {
        &self.sizes
    }

    /// Seconds of each call.
    pub fn times(&self) -> &Histogram {
        &self.times
    }

    /// What went wrong last.
    pub fn failing(&self) -> Option<Failing> {
        self.failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone()
    }

    /// It can't be opened yet, or a try to save failed. Gives how often, when that is to be said in
    /// the log now.
    pub fn failed(&self, kind: &'static str, reason: &str) -> Option<u64> {
        let (failing, seldom) = &mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        let before = failing.take().filter(|failing| !failing.over);
        let (since, times) = before.map_or((now, 0), |failing| (failing.since, failing.times));
        *failing = Some(Failing {
            since,
            last: now,
            times: times + 1,
            reason: reason.to_owned(),
            over: false,
        });
        seldom.fails(kind)
    }

    /// Something was stored. Gives for how long and how often it failed, when that is to be said in
    /// the log now.
    pub(super) fn mended(&self) -> Option<(Duration, u64)> {
        let (failing, seldom) = &mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.iter_mut().for_each(|failing| failing.over = true);
        seldom.over()
    }

    pub(super) fn called(&self, events: usize, time: Duration) {
        self.sizes.observe(events as f64);
        self.times.observe(time.as_secs_f64());
    }

    /// It does something else now.
    pub fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// An event that was held back became a dead letter.
    pub(super) fn died(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    /// An event was stored before or after its turn.
    pub(super) fn stored_ahead(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, position: Position) {
        self.position.send_replace(position);
    }

    pub(super) fn acknowledged(&self, position: Position, delivered: usize, dead: usize) {
        self.delivered
            .fetch_add(delivered as u64, Ordering::Relaxed);
        self.dead.fetch_add(dead as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.moved(position);
    }
}
