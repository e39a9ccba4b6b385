//! What a relay has done so far, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::journal::Position;

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
    /// Ended.
    Closed,
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    pub(super) fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    pub(super) fn retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, position: Position) {
        self.position.send_replace(position);
    }

    pub(super) fn acknowledged(&self, position: Position, delivered: usize, dead: usize) {
        self.delivered.fetch_add(delivered as u64, Ordering::Relaxed);
        self.dead.fetch_add(dead as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.moved(position);
    }
}
