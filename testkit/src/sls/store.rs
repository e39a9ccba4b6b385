//! What arrived: logs, requests, standing orders. Waiting is on a condition variable.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Options;
use super::clock::wall_nanoseconds;
use super::order::{Order, Orders, Plan};
use super::wire::LogGroup;

/// One log as it was stored.
#[derive(Clone, Debug, Serialize)]
pub struct StoredLog {
    /// The number of the request that brought it, counted from 1.
    pub request: u64,
    /// The log store it went to.
    pub log_store: String,
    /// The key of `/shards/route?key=`, if the write had one.
    pub hash_key: Option<String>,
    /// Unix seconds.
    pub time: u32,
    /// Nanoseconds within that second, if sent.
    pub time_ns: Option<u32>,
    /// The group's topic.
    pub topic: String,
    /// The group's source.
    pub source: String,
    /// The group's tags in the order sent.
    pub tags: Vec<(String, String)>,
    /// Keys and values in the order sent.
    pub contents: Vec<(String, String)>,
    /// When the whole request had arrived, for comparisons within this process.
    #[serde(skip)]
    pub arrived: Instant,
    /// The same in nanoseconds since 1970, for comparisons with other processes.
    pub arrived_ns: u64,
}

impl StoredLog {
    /// The first value of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.contents
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

/// One request, answered or not.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// Counted from 1, in the order in which requests began.
    pub number: u64,
    /// `POST`, `GET`.
    pub method: String,
    /// Path and parameters as sent.
    pub target: String,
    /// Whether it was a write of logs.
    pub is_write: bool,
    /// The status answered; `None` if the connection was cut.
    pub status: Option<u16>,
    /// The `errorCode` answered.
    pub error_code: Option<String>,
    /// The bytes of the body as sent.
    pub sent_bytes: usize,
    /// The bytes of the body before compression, as far as they were found out.
    pub raw_bytes: usize,
    /// The logs that were stored.
    pub logs: usize,
    /// When the whole request had arrived, in nanoseconds since 1970.
    pub arrived_ns: u64,
}

/// When a request had arrived, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) instant: Instant,
    pub(crate) wall_ns: u64,
}

impl Arrival {
    pub(crate) fn now() -> Self {
        Self {
            instant: Instant::now(),
            wall_ns: wall_nanoseconds(),
        }
    }
}

#[derive(Default)]
struct Kept {
    logs: Vec<StoredLog>,
    requests: Vec<RequestRecord>,
    orders: Orders,
    last_number: u64,
    dump: Option<File>,
}

/// Room for this many logs and requests is there from the start, as address space: a growing vector
/// of this size would be copied while a bench measures latencies.
const EXPECTED: usize = 1 << 18;

/// Everything that requests and tests share.
pub(crate) struct Store {
    kept: Mutex<Kept>,
    grown: Condvar,
}

impl Store {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let dump = options.dump.as_ref().map(File::create).transpose()?;
        Ok(Self {
            kept: Mutex::new(Kept {
                dump,
                logs: Vec::with_capacity(EXPECTED),
                requests: Vec::with_capacity(EXPECTED),
                ..Kept::default()
            }),
            grown: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere leaves whole entries: each push is one step.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_number(&self) -> u64 {
        let mut kept = self.lock();
        kept.last_number += 1;
        kept.last_number
    }

    pub(crate) fn plan(&self) -> Plan {
        self.lock().orders.plan()
    }

    pub(crate) fn order(&self, order: Order) {
        self.lock().orders.add(order);
    }

    pub(crate) fn orders(&self) -> usize {
        self.lock().orders.count()
    }

    pub(crate) fn clear_orders(&self) {
        self.lock().orders.clear();
    }

    pub(crate) fn refused(&self, group: &LogGroup) -> Option<(String, String)> {
        self.lock().orders.refused(&group.logs)
    }

    /// Stores a checked group. Gives the number of its logs.
    pub(crate) fn keep(
        &self,
        group: LogGroup,
        to: &Destination,
        arrival: Arrival,
    ) -> io::Result<usize> {
        let count = group.logs.len();
        let mut kept = self.lock();
        let first = kept.logs.len();
        for log in group.logs {
            kept.logs.push(StoredLog {
                request: to.request,
                log_store: to.log_store.clone(),
                hash_key: to.hash_key.clone(),
                time: log.time,
                time_ns: log.time_ns,
                topic: group.topic.clone(),
                source: group.source.clone(),
                tags: group.tags.clone(),
                contents: log.contents,
                arrived: arrival.instant,
                arrived_ns: arrival.wall_ns,
            });
        }
        if let Some(mut dump) = kept.dump.as_ref() {
            dump.write_all(&json_lines(kept.logs.get(first..).unwrap_or_default())?)?;
        }
        self.grown.notify_all();
        Ok(count)
    }

    pub(crate) fn record(&self, request: RequestRecord) {
        self.lock().requests.push(request);
        self.grown.notify_all();
    }

    /// Copies of the logs that `chooses` wants, in the order of arrival.
    pub(crate) fn logs(&self, chooses: impl Fn(&StoredLog) -> bool) -> Vec<StoredLog> {
        self.lock()
            .logs
            .iter()
            .filter(|log| chooses(log))
            .cloned()
            .collect()
    }

    /// The logs from this position on.
    pub(crate) fn logs_from(&self, position: usize) -> Vec<StoredLog> {
        self.lock()
            .logs
            .get(position..)
            .unwrap_or_default()
            .to_vec()
    }

    pub(crate) fn requests(&self) -> Vec<RequestRecord> {
        self.lock().requests.clone()
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        let kept = self.lock();
        (kept.logs.len(), kept.requests.len())
    }

    /// Waits until `(logs, requests)` are enough; gives the last counts and whether they were.
    pub(crate) fn wait(
        &self,
        timeout: Duration,
        enough: impl Fn(usize, usize) -> bool,
    ) -> ((usize, usize), bool) {
        let kept = self.lock();
        let lacks = |kept: &mut Kept| !enough(kept.logs.len(), kept.requests.len());
        let waited = self.grown.wait_timeout_while(kept, timeout, lacks);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let counts = (kept.logs.len(), kept.requests.len());
        (counts, enough(counts.0, counts.1))
    }
}

/// Where a group goes, and with which request it came.
pub(crate) struct Destination {
    pub(crate) request: u64,
    pub(crate) log_store: String,
    pub(crate) hash_key: Option<String>,
}

/// Each as one line of JSON.
pub(crate) fn json_lines<T: Serialize>(items: &[T]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
