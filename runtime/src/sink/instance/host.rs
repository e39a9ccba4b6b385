//! The host's side of one instance: what its imports reach.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Result, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::relay::Item;
use crate::sink::component::bindings::v0_1::{self, http_import, raw_event};
use crate::sink::grant::Grant;
use crate::sink::http::{self, Gate};

use super::clock;
use super::conditions::Conditions;
use super::output::{Output, Target, Voice};

/// Requests end so long before the call does, so that a sane sink can still answer.
const RESERVE: Duration = Duration::from_secs(1);
/// Elements of all tables of a store together. Rust's guests have some hundred, Go's some thousand.
const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, and tables, of a store. A component of one module has about five instances; one
/// made of an interpreter and its libraries some dozen.
const PARTS: usize = 100;
/// Linear memories of a store, each of which takes 4 GiB of addresses. Components share one among
/// their modules.
const MEMORIES: usize = 10;
/// What a guest may hold of the host's at a time: streams, timers, pollables.
const HANDLES: usize = 1_024;
/// Ticks of the clock that a call may compute before its thread yields to all others: a second.
const PATIENCE: u32 = 20;
/// Bytes of randomness a call.
const RANDOM: u64 = 1 << 20;
/// The part of a guest's memory that the answers of one `send-all` may take: one of so many.
const ANSWERS: usize = 4;
/// Requests of one `send-all`.
const REQUESTS: usize = 1_000;

/// The data of one store.
pub(in crate::sink) struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
    gate: Option<Gate>,
    pub(super) memory: Memory,
    /// The batch that is being saved.
    pub(super) items: Vec<Arc<Item>>,
    /// When the call has to be over.
    pub(in crate::sink) deadline: Instant,
    pub(super) conduct: Arc<Conduct>,
}

/// What a call did, for the one who has to judge it when it broke off.
#[derive(Default)]
pub(super) struct Conduct {
    /// A request was started whose end is unknown, or that had an answer.
    pub(super) asked: AtomicBool,
    /// Ticks of the clock that it was computing at.
    ticks: AtomicU32,
    /// Since when the call is waiting in http, and how long it was before.
    waits: Mutex<(Option<Instant>, Duration)>,
}

/// Counts what a store takes: the bytes of all its linear memories together, and the elements of
/// all its tables.
pub(super) struct Memory {
    pub(super) limit: usize,
    pub(super) used: usize,
    elements: usize,
}

impl Memory {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            elements: 0,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > TABLE_ELEMENTS {
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

/// What a guest may hand over in one call of the host, in bytes as wasmtime counts them, in parts
/// of its memory: an allocator adds to each text what it takes.
const HANDED_OVER: usize = 4;
/// Never less, where it has so much: a body that is just too large is refused in words.
const LEAST_HANDED_OVER: usize = 34 << 20;

/// A store with its limits.
pub(in crate::sink) fn store(engine: &Engine, host: Host) -> Store<Host> {
    let most = (host.memory.limit / HANDED_OVER)
        .max(LEAST_HANDED_OVER)
        .min(host.memory.limit);
    let mut store = Store::new(engine, host);
    store.limiter(|host| &mut host.memory);
    store.set_hostcall_fuel(most);
    store.set_max_component_handles(HANDLES);
    // The epoch makes a busy guest give way at each tick, so that a time-out around it is seen.
    store.epoch_deadline_callback(|context| {
        let Host { gate, conduct, .. } = context.data();
        // Where it only describes itself, the thread is not its own.
        if gate.is_some() && conduct.ticks.fetch_add(1, Ordering::Relaxed) == PATIENCE {
            clock::yield_to_others();
        }
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

impl Host {
    /// For a sink with its grant. `gate` is none where a guest may not reach anything: while it
    /// describes itself.
    pub(in crate::sink) fn new(
        voice: &Arc<Voice>,
        grant: &Grant,
        gate: Option<Gate>,
        stdout: Target,
        conditions: Option<&Conditions>,
    ) -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Output::new(voice, stdout))
            .stderr(Output::new(voice, Target::Log("stderr")));
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM);
        for variable in &grant.env {
            wasi.env(&variable.name, &variable.value);
        }
        if let Some(conditions) = conditions {
            conditions.rule(&mut wasi);
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            wasi: wasi.build(),
            table,
            gate,
            memory: Memory::new(grant.limits.memory),
            items: Vec::new(),
            deadline: Instant::now(),
            conduct: Arc::default(),
        }
    }

    fn outgoing(&self) -> Outgoing {
        Outgoing {
            gate: self.gate.clone(),
            memory: self.memory.limit,
            deadline: self.deadline,
            conduct: self.conduct.clone(),
        }
    }
}

/// A guest's way out for one call.
struct Outgoing {
    gate: Option<Gate>,
    /// The guest's memory, which answers have to go into.
    memory: usize,
    deadline: Instant,
    conduct: Arc<Conduct>,
}

type Answer = std::result::Result<http::Response, http::Error>;

impl Outgoing {
    fn gate(&self) -> std::result::Result<Gate, http::Error> {
        let denied = || {
            http::Error::Denied("a sink may not send requests while it describes itself".to_owned())
        };
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
        let most = self.memory;
        let answer = self
            .conduct
            .in_http(tokio::task::spawn_blocking(move || {
                gate.send(request, time, most)
            }))
            .await;
        answer.unwrap_or_else(|why| Err(http::Error::Other(why.to_string())))
    }

    /// At most the grant's width at a time, with answers that together take a part of the guest's
    /// memory; after a connect error, 429 or 503 no new one is started.
    async fn send_all(self, requests: Vec<http::Request>) -> Vec<Answer> {
        let gate = match self.gate() {
            Ok(gate) => gate,
            Err(denied) => return requests.iter().map(|_| Err(denied.clone())).collect(),
        };
        let not_sent = || {
            Err(http::Error::NotSent(
                "a request before it showed that the destination takes no more now".to_owned(),
            ))
        };
        let most = self.memory / ANSWERS / requests.len().max(1);
        let mut answers: Vec<Answer> = requests.iter().map(|_| not_sent()).collect();
        let mut waiting: VecDeque<(usize, http::Request)> =
            requests.into_iter().enumerate().collect();
        let mut running = JoinSet::new();
        loop {
            while running.len() < gate.width()
                && let Some((index, request)) = waiting.pop_front()
            {
                let (gate, time) = (gate.clone(), self.time_left());
                running.spawn_blocking(move || (index, gate.send(request, time, most)));
            }
            let Some(done) = self.conduct.in_http(running.join_next()).await else {
                return answers;
            };
            let Ok((index, answer)) = done else { continue };
            let full = matches!(
                &answer,
                Err(http::Error::Connect(_) | http::Error::Proxy(_))
                    | Ok(http::Response {
                        status: 429 | 503,
                        ..
                    })
            );
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

    /// Whether it was computing for most of a time.
    pub(super) fn computed(&self, time: Duration) -> bool {
        clock::TICK * self.ticks.load(Ordering::Relaxed) > time / 2
    }

    /// How long the call has waited in http.
    pub(super) fn waited(&self) -> Duration {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.1 + waits.0.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl raw_event::Host for Host {
    fn get(&mut self, index: u32) -> Result<Option<String>> {
        let item = usize::try_from(index)
            .ok()
            .and_then(|index| self.items.get(index));
        Ok(item.map(|item| item.raw.json().to_owned()))
    }
}

impl http_import::Host for Host {
    async fn send(
        &mut self,
        request: http_import::Request,
    ) -> Result<std::result::Result<http_import::Response, http_import::Error>> {
        Ok(v0_1::response(
            self.outgoing().send(v0_1::request(request)).await,
        ))
    }

    async fn send_all(
        &mut self,
        requests: Vec<http_import::Request>,
    ) -> Result<Vec<std::result::Result<http_import::Response, http_import::Error>>> {
        let count = requests.len();
        if count > REQUESTS {
            // Before any of them, or a word about it, is held twice. The sentence is in the first
            // answer and the last.
            drop(requests);
            let says = |place| place == 0 || place + 1 == count;
            let why = |place| {
                if says(place) {
                    format!("{count} requests at once, at most {REQUESTS} are allowed")
                } else {
                    String::new()
                }
            };
            return Ok((0..count)
                .map(|place| Err(http_import::Error::InvalidRequest(why(place))))
                .collect());
        }
        let requests = requests.into_iter().map(v0_1::request).collect();
        Ok(self
            .outgoing()
            .send_all(requests)
            .await
            .into_iter()
            .map(v0_1::response)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Instance, Module};

    fn instantiate(text: &str, limit: usize, times: usize) -> std::result::Result<(), String> {
        let engine = Engine::default();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, Memory::new(limit));
        store.limiter(|memory| memory);
        (0..times).try_for_each(|_| {
            Instance::new(&mut store, &module, &[])
                .map(drop)
                .map_err(|why| why.to_string())
        })
    }

    #[test]
    fn all_memories_count_together() {
        let text = "(module (memory 10) (memory 10))";
        assert_eq!(instantiate(text, 20 << 16, 1), Ok(()));
        assert!(
            instantiate(text, 19 << 16, 1)
                .unwrap_err()
                .contains("memory")
        );
        assert!(instantiate(text, 39 << 16, 2).is_err());
    }

    #[test]
    fn all_tables_count_together() {
        let text = "(module (table 30000 funcref) (table 30000 funcref))";
        assert_eq!(instantiate(text, 1 << 20, 1), Ok(()));
        assert!(instantiate(text, 1 << 20, 2).unwrap_err().contains("table"));
    }

    #[test]
    fn empty_memories_are_counted() {
        assert_eq!(
            instantiate("(module (memory 0))", 1 << 20, MEMORIES),
            Ok(())
        );
        assert!(
            instantiate("(module (memory 0))", 1 << 20, MEMORIES + 1)
                .unwrap_err()
                .contains("memor")
        );
    }

    #[test]
    fn instances_are_counted() {
        assert_eq!(instantiate("(module)", 1 << 20, PARTS), Ok(()));
        assert!(
            instantiate("(module)", 1 << 20, PARTS + 1)
                .unwrap_err()
                .contains("instance")
        );
    }
}
