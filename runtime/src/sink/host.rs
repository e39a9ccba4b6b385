//! The host's side of one instance: what its imports reach.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::relay::Item;

use super::bindings::v0_1::{self, http_import, raw_event};
use super::grant::Grant;
use super::http::{self, Gate};
use super::output::{Output, Target};

/// Requests end so long before the call does, so that a sane sink can still answer.
const RESERVE: Duration = Duration::from_secs(1);
/// Elements of all tables of one table each, at most.
const TABLE_ELEMENTS: usize = 100_000;
/// Bytes of randomness a call.
const RANDOM: u64 = 1 << 20;

/// The data of one store.
pub(super) struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    gate: Option<Gate>,
    pub(super) memory: Memory,
    /// The batch that is being saved.
    pub(super) items: Vec<Arc<Item>>,
    /// When the call has to be over.
    pub(super) deadline: Instant,
    pub(super) conduct: Arc<Conduct>,
}

/// What a call did, for the one who has to judge it when it broke off.
#[derive(Default)]
pub(super) struct Conduct {
    /// A request was started whose end is unknown, or that had an answer.
    pub(super) asked: AtomicBool,
    /// Since when the call is waiting in http, and how long it was before.
    waits: Mutex<(Option<Instant>, Duration)>,
}

/// Counts the memory of all linear memories of a store together.
pub(super) struct Memory {
    pub(super) limit: usize,
    pub(super) used: usize,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

impl Host {
    /// For a sink with its grant. `gate` is none where a guest may not reach anything: while it describes itself.
    pub(super) fn new(sink: &Arc<str>, grant: &Grant, gate: Option<Gate>, stdout: Target) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Output::new(sink, stdout)).stderr(Output::new(sink, Target::Log("stderr")));
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM);
        for variable in &grant.env {
            wasi.env(&variable.name, &variable.value);
        }
        Self {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            gate,
            memory: Memory { limit: grant.limits.memory, used: 0 },
            items: Vec::new(),
            deadline: Instant::now(),
            conduct: Arc::default(),
        }
    }

    fn outgoing(&self) -> Outgoing {
        Outgoing { gate: self.gate.clone(), deadline: self.deadline, conduct: self.conduct.clone() }
    }
}

/// A guest's way out for one call.
struct Outgoing {
    gate: Option<Gate>,
    deadline: Instant,
    conduct: Arc<Conduct>,
}

type Answer = std::result::Result<http::Response, http::Error>;

impl Outgoing {
    fn gate(&self) -> std::result::Result<Gate, http::Error> {
        let denied = || http::Error::Denied("a sink may not send requests while it describes itself".to_owned());
        self.gate.clone().ok_or_else(denied)
    }

    fn time_left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.saturating_sub(RESERVE.min(left / 10))
    }

    async fn send(self, request: http::Request) -> Answer {
        let (gate, time) = (self.gate()?, self.time_left());
        if time.is_zero() {
            return Err(http::Error::NotSent("the call has no time left".to_owned()));
        }
        let answer = self.conduct.in_http(tokio::task::spawn_blocking(move || gate.send(request, time))).await;
        answer.unwrap_or_else(|why| Err(http::Error::Other(why.to_string())))
    }

    /// At most the grant's width at a time; after a connect error, 429 or 503 no new one is started.
    async fn send_all(self, requests: Vec<http::Request>) -> Vec<Answer> {
        let gate = match self.gate() {
            Ok(gate) => gate,
            Err(denied) => return requests.iter().map(|_| Err(denied.clone())).collect(),
        };
        let not_sent = || Err(http::Error::NotSent("a request before it showed that the destination takes no more now".to_owned()));
        let mut answers: Vec<Answer> = requests.iter().map(|_| not_sent()).collect();
        let mut waiting: VecDeque<(usize, http::Request)> = requests.into_iter().enumerate().collect();
        let mut running = JoinSet::new();
        loop {
            while running.len() < gate.width()
                && let Some((index, request)) = waiting.pop_front()
            {
                let (gate, time) = (gate.clone(), self.time_left());
                running.spawn_blocking(move || (index, gate.send(request, time)));
            }
            let Some(done) = self.conduct.in_http(running.join_next()).await else { return answers };
            let Ok((index, answer)) = done else { continue };
            let full = matches!(&answer, Err(http::Error::Connect(_)) | Ok(http::Response { status: 429 | 503, .. }));
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
            if full {
                waiting.clear();
            }
        }
    }
}

impl Conduct {
    /// Takes the time in http. A call that is cut off there is still in it.
    async fn in_http<T>(&self, exchange: impl Future<Output = T>) -> T {
        self.asked.store(true, Ordering::Relaxed);
        let waits = || self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        waits().0 = Some(began);
        let answer = exchange.await;
        let mut waits = waits();
        *waits = (None, waits.1 + began.elapsed());
        drop(waits);
        answer
    }

    /// How long the call has waited in http.
    pub(super) fn waited(&self) -> Duration {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.1 + waits.0.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl raw_event::Host for Host {
    fn get(&mut self, index: u32) -> Result<Option<String>> {
        let item = usize::try_from(index).ok().and_then(|index| self.items.get(index));
        Ok(item.map(|item| item.raw.json().to_owned()))
    }
}

impl http_import::Host for Host {
    async fn send(&mut self, request: http_import::Request) -> Result<std::result::Result<http_import::Response, http_import::Error>> {
        Ok(v0_1::response(self.outgoing().send(v0_1::request(request)).await))
    }

    async fn send_all(&mut self, requests: Vec<http_import::Request>) -> Result<Vec<std::result::Result<http_import::Response, http_import::Error>>> {
        let requests = requests.into_iter().map(v0_1::request).collect();
        Ok(self.outgoing().send_all(requests).await.into_iter().map(v0_1::response).collect())
    }
}
