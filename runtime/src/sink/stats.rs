//! What a sink's instances have done so far. It changes after the fact.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::account::{Account, Exchange};
use super::http;

/// Status codes that are told apart; of others, the class is. A destination can't make up labels.
const CODES: [(u16, &str); 20] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (301, "301"),
    (302, "302"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (422, "422"),
    (429, "429"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];

/// Of one sink, its versions and instances together.
#[derive(Debug, Default)]
pub struct Stats {
    instances: AtomicU64,
    traps: AtomicU64,
    timeouts: AtomicU64,
    recycles: AtomicU64,
    memory: AtomicUsize,
    reloads: AtomicU64,
    refused: AtomicU64,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    over_budget: AtomicU64,
    batches: AtomicU64,
    account: Mutex<Account>,
}

impl Stats {
    /// Instances that were opened.
    pub fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Calls that ended with a trap.
    pub fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// Calls that were ended since their time was over.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Instances that were replaced since they had served for long, or had grown.
    pub fn recycles(&self) -> u64 {
        self.recycles.load(Ordering::Relaxed)
    }

    /// Bytes of memory of the instance that serves.
    pub fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Versions that took over from another.
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// Versions that were not taken: they could not be read, or not be opened.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// HTTP requests by how they ended: a status, the class of one such as `2xx`, or a word of
    /// [`http::Error::name`].
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Requests that were not sent, since the sink had sent what it may in a minute.
    pub fn over_budget(&self) -> u64 {
        self.over_budget.load(Ordering::Relaxed)
    }

    /// What was sent where, the newest last.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all()
    }

    /// A request was not sent for that.
    pub(super) fn spent(&self) {
        self.over_budget.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the batch that is being stored.
    pub(super) fn batch(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// The sink is handed a batch.
    pub(super) fn hands_over(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has ended.
    pub(super) fn exchanged(&self, exchange: Exchange) {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(exchange);
    }

    /// A version was not taken.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reloaded(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self, memory: usize) {
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.holds(memory);
    }

    pub(super) fn trapped(&self) {
        self.traps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recycled(&self) {
        self.recycles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn holds(&self, memory: usize) {
        self.memory.store(memory, Ordering::Relaxed);
    }

    pub(super) fn requested(&self, answer: &Result<http::Response, http::Error>) {
        let name = result(answer);
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default() += 1;
    }
}

/// How a request ended: a status, its class, or a word.
pub(super) fn result(answer: &Result<http::Response, http::Error>) -> &'static str {
    match answer {
        Ok(answer) => code(answer.status),
        Err(error) => error.name(),
    }
}

fn code(status: u16) -> &'static str {
    let known = CODES
        .iter()
        .find(|(code, _)| *code == status)
        .map(|(_, name)| *name);
    known.unwrap_or(match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_can_not_make_up_labels() {
        let stats = Stats::default();
        for status in 0..=u16::MAX {
            stats.requested(&Ok(http::Response {
                status,
                ..Default::default()
            }));
        }
        let counted = stats.requests();
        assert_eq!(counted.len(), CODES.len() + 6);
        assert_eq!(
            (counted["200"], counted["2xx"], counted["5xx"]),
            (1, 96, 95)
        );
    }
}
