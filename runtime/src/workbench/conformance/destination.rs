//! The destination that the suite plays.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sink::http::{Answer, Play, Script, Sent};

use super::traffic;

/// A request, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// As it was sent.
    pub sent: Sent,
    /// The status of the whole answer; none where there was none.
    pub status: Option<u16>,
}

impl Exchange {
    /// Whether the destination said that it took what was sent.
    pub fn is_taken(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// What happened since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// In order of their answers.
    pub exchanges: Vec<Exchange>,
}

impl Seen {
    /// The events in requests that were taken.
    pub fn taken(&self) -> BTreeSet<u64> {
        self.exchanges
            .iter()
            .filter(|exchange| exchange.is_taken())
            .flat_map(|exchange| traffic::events(&exchange.sent))
            .collect()
    }

    /// The first flaw of a request's body.
    pub fn flaw(&self) -> Option<String> {
        self.exchanges
            .iter()
            .find_map(|exchange| traffic::flaw(&exchange.sent))
    }
}

#[derive(Debug, Default)]
struct State {
    /// In turn; the last one stays.
    plays: VecDeque<Play>,
    seen: Seen,
    denied: BTreeSet<String>,
}

/// Answers as it was told to, and keeps what it saw.
#[derive(Debug, Default)]
pub(super) struct Destination(Mutex<State>);

impl Destination {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it answer so from now on, in turn; the last one stays.
    pub fn plays(&self, plays: impl IntoIterator<Item = Play>) {
        self.state().plays = plays.into_iter().collect();
    }

    /// What happened since this was last called.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.state().seen)
    }

    /// The destinations that the gate denied, each with its words.
    pub fn denied(&self) -> BTreeSet<String> {
        self.state().denied.clone()
    }
}

impl Script for Destination {
    fn answer(&self, sent: Sent) -> Play {
        let mut state = self.state();
        let play = match state.plays.len() {
            0 => Play::Answer(Answer::of(200)),
            1 => state.plays.front().cloned().unwrap_or(Play::Silence),
            _ => state.plays.pop_front().unwrap_or(Play::Silence),
        };
        let status = if let Play::Answer(answer) = &play {
            Some(answer.status)
        } else {
            None
        };
        state.seen.exchanges.push(Exchange { sent, status });
        play
    }

    fn denied(&self, words: &str) {
        self.state().denied.insert(words.to_owned());
    }
}
