//! A sink at work: its version, and the instance that serves at the moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::{debug, info};
use wasmtime::Store;

use crate::relay::{Attempt, Cause, Destination, Item, Limits, Outcome};

use super::bindings::v0_1::{self, Words, World};
use super::blueprint::cause;
use super::grant::{self, Grant};
use super::host::{Conduct, Host, store};
use super::http::{Gate, Network};
use super::output::Target;
use super::slot::{Opened, Slot};
use super::wear::{Wear, rest};
use super::{Blueprint, Stats, Term, Version};

/// Batches where neither the grant nor the sink says otherwise.
const BATCH: Limits = Limits {
    events: 1_000,
    bytes: 1 << 20,
};

/// A sink, by its name. Its instance is replaced when it breaks; its version, when another one
/// waits in its slot.
pub struct Sink {
    version: Version,
    gate: Gate,
    term: Term,
    network: Network,
    instance: Option<Instance>,
    /// Calls in a row that were ended while they computed.
    burnt: u32,
    slot: Slot,
}

pub(super) struct Instance {
    store: Store<Host>,
    world: World,
    /// When it was opened, with how many bytes of memory, and how many batches it was handed since.
    opened: (Instant, usize),
    batches: u32,
}

impl Sink {
    /// Of a component and what it may reach.
    ///
    /// # Errors
    /// As [`Version::new`].
    pub fn new(name: &str, blueprint: Blueprint, grant: Grant) -> Result<Self, grant::Error> {
        Ok(Self::of(Version::new(name, blueprint, grant)?))
    }

    /// Of a version, without an end of its term, and with a straight way out.
    pub fn of(version: Version) -> Self {
        let (term, network, slot) = (
            Term::endless(),
            Network::default(),
            Slot::new(version.clone()),
        );
        let gate = Gate::new(
            &version.name,
            version.grant.clone(),
            term.clone(),
            &network,
            slot.stats(),
        );
        Self {
            gate,
            version,
            term,
            network,
            instance: None,
            burnt: 0,
            slot,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.version.name
    }

    /// Where another version can be put.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Lets it send for a term, by connections of that term alone, in the operator's network. To be
    /// called before it is opened.
    pub fn begin(&mut self, term: Term, network: &Network) {
        self.cut();
        self.slot.begin(term.clone(), network.clone());
        (self.term, self.network) = (term, network.clone());
        self.gate = Gate::new(
            &self.version.name,
            self.version.grant.clone(),
            self.term.clone(),
            network,
            self.slot.stats(),
        );
    }

    /// Discards the instance, and breaks every request that is still open: none outlives this, and
    /// none can follow.
    pub fn cut(&mut self) {
        self.instance = None;
        self.slot.stats().holds(0);
        self.gate.cut();
        self.slot.cut();
    }

    /// Puts another version in place of one that can't be opened.
    pub fn replace(&mut self, version: Version) {
        self.slot.serves(&version, false);
        self.version = version;
        let network = self.network.clone();
        self.begin(self.term.clone(), &network);
    }

    /// Bytes of memory of the instance that serves.
    pub fn memory(&self) -> usize {
        self.instance.as_ref().map_or(0, Instance::memory)
    }

    /// Lets the version in the slot serve, and closes the one before.
    async fn take_over(&mut self) {
        let Some(Opened {
            version,
            gate,
            instance,
        }) = self.slot.take()
        else {
            return;
        };
        self.close().await;
        self.gate.cut();
        info!(sink = &*version.name, digest = %version.digest(), "The next version of the sink has taken over.");
        let stats = self.slot.stats();
        stats.reloaded();
        stats.holds(instance.memory());
        (self.version, self.gate, self.instance, self.burnt) = (version, gate, Some(instance), 0);
    }

    /// Closes an instance that has served for long enough.
    async fn retire(&mut self) {
        let limit = self.version.grant.limits.memory;
        let Some(wear) = self
            .instance
            .as_ref()
            .map(Instance::wear)
            .filter(|wear| wear.is_over(limit))
        else {
            return;
        };
        debug!(
            sink = &*self.version.name,
            ?wear,
            "A fresh instance takes the place of one that has served for long."
        );
        self.close().await;
        self.slot.stats().recycled();
    }

    /// Lets a sink rest that computes until its time is over, again and again.
    fn weigh(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Broken {
                reason,
                maybe_sent,
                cause,
                after: Some(limit),
            } => {
                self.burnt = self.burnt.saturating_add(1);
                Outcome::Broken {
                    reason,
                    maybe_sent,
                    cause,
                    after: rest(self.burnt, limit),
                }
            }
            Outcome::Broken { .. } => outcome,
            outcome => {
                self.burnt = 0;
                outcome
            }
        }
    }

    /// Closes the instance that serves, and says how that went: `Stored` with no failures is
    /// success.
    pub async fn closed(&mut self) -> Outcome {
        let Some(mut instance) = self.instance.take() else {
            return Outcome::Stored(Vec::new());
        };
        let (limit, conduct) = instance.begin(
            self.version.grant.limits.call.min(Duration::from_secs(5)),
            Vec::new(),
        );
        let call = instance
            .world
            .kubedl_events_event_sink()
            .call_close(&mut instance.store);
        let outcome = match within(limit, &conduct, "close", call).await {
            Ok(Ok(())) => Outcome::Stored(Vec::new()),
            Ok(Err(error)) => v0_1::refusal(error, &|text| self.version.voice.redactor.words(text)),
            Err(broke) => broke.counted(&self.slot.stats()).into_outcome(),
        };
        self.version.voice.settle();
        outcome
    }

    /// An instance that opened, of the version that serves.
    async fn fresh(&self) -> Result<Instance, Outcome> {
        let instance = fresh(&self.version, &self.gate, &self.slot.stats()).await?;
        self.slot.serves(&self.version, true);
        Ok(instance)
    }
}

/// Makes an instance and opens it.
pub(super) async fn fresh(
    version: &Version,
    gate: &Gate,
    stats: &Stats,
) -> Result<Instance, Outcome> {
    let broke = |broke: Broke| broke.counted(stats).into_outcome();
    let mut instance = instantiate(version, gate).await.map_err(broke)?;
    let (limit, conduct) = instance.begin(version.grant.limits.call, Vec::new());
    let opened = instance
        .world
        .kubedl_events_event_sink()
        .call_open(&mut instance.store);
    match within(limit, &conduct, "open", opened).await {
        Ok(Ok(())) => {
            instance.opened = (Instant::now(), instance.memory());
            stats.opened(instance.memory());
            Ok(instance)
        }
        Ok(Err(error)) => Err(v0_1::refusal(error, &|text| {
            version.voice.redactor.words(text)
        })),
        Err(why) => Err(broke(why)),
    }
}

async fn instantiate(version: &Version, gate: &Gate) -> Result<Instance, Broke> {
    let Version {
        blueprint,
        grant,
        voice,
        conditions,
        ..
    } = version;
    let target = if grant.stdout {
        Target::Stdout
    } else {
        Target::Log("stdout")
    };
    let host = Host::new(
        voice,
        grant,
        Some(gate.clone()),
        target,
        conditions.as_ref(),
    );
    let conduct = host.conduct.clone();
    let mut store = store(&blueprint.engine, host);
    let world = within(
        grant.limits.call,
        &conduct,
        "its start",
        blueprint.world.instantiate_async(&mut store),
    )
    .await?;
    Ok(Instance {
        store,
        world,
        opened: (Instant::now(), 0),
        batches: 0,
    })
}

impl Instance {
    fn memory(&self) -> usize {
        self.store.data().memory.used
    }

    fn wear(&self) -> Wear {
        let (since, fresh) = self.opened;
        Wear {
            age: since.elapsed(),
            batches: self.batches,
            memory: self.memory(),
            fresh,
        }
    }

    /// Sets the clock and the batch for a call.
    fn begin(&mut self, limit: Duration, items: Vec<Arc<Item>>) -> (Duration, Arc<Conduct>) {
        let conduct = Arc::new(Conduct::default());
        let host = self.store.data_mut();
        host.deadline = Instant::now() + limit;
        host.items = items;
        host.conduct = conduct.clone();
        (limit, conduct)
    }

    async fn save(
        &mut self,
        limit: Duration,
        attempt: Attempt,
        items: &[Arc<Item>],
        words: Words<'_>,
    ) -> Result<Outcome, Broke> {
        let (limit, conduct) = self.begin(limit, items.to_vec());
        self.batches = self.batches.saturating_add(1);
        let labels: Vec<_> = items.iter().map(|item| v0_1::labels(&item.event)).collect();
        let events: Vec<_> = items
            .iter()
            .zip(&labels)
            .map(|(item, labels)| v0_1::event(&item.event, labels))
            .collect();
        let call = self.world.kubedl_events_event_sink().call_save_events(
            &mut self.store,
            v0_1::batch(attempt),
            &events,
        );
        let answer = within(limit, &conduct, "save-events", call).await;
        self.store.data_mut().items = Vec::new();
        Ok(v0_1::saved(answer?, items, words))
    }
}

impl Destination for Sink {
    fn limits(&self) -> Limits {
        let (limits, wishes) = (
            &self.version.grant.limits,
            self.version.blueprint.description(),
        );
        let wish = |wish: u64| usize::try_from(wish).ok().filter(|wish| *wish > 0);
        Limits {
            events: limits
                .batch_events
                .or(wish(wishes.batch_events.into()))
                .unwrap_or(BATCH.events)
                .clamp(1, 10_000),
            bytes: limits
                .batch_bytes
                .or(wish(wishes.batch_bytes))
                .unwrap_or(BATCH.bytes)
                .min(limits.memory / 8),
        }
    }

    async fn open(&mut self) -> Outcome {
        self.take_over().await;
        if self.instance.is_some() {
            return Outcome::Stored(Vec::new());
        }
        match self.fresh().await {
            Ok(instance) => {
                self.instance = Some(instance);
                Outcome::Stored(Vec::new())
            }
            Err(outcome) => self.weigh(outcome),
        }
    }

    async fn save(&mut self, attempt: Attempt, items: &[Arc<Item>]) -> Outcome {
        self.take_over().await;
        self.retire().await;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => match self.fresh().await {
                Ok(instance) => instance,
                // No event is to blame: none was handed over.
                Err(Outcome::Broken { reason, after, .. }) => {
                    return self.weigh(Outcome::Broken {
                        reason,
                        maybe_sent: false,
                        cause: Cause::Waiting,
                        after,
                    });
                }
                Err(Outcome::Refused { reason }) => {
                    return self.weigh(Outcome::Misconfigured { reason });
                }
                Err(outcome) => return self.weigh(outcome),
            },
        };
        self.slot.stats().hands_over();
        let redactor = &self.version.voice.redactor;
        let saved = instance
            .save(self.version.grant.limits.call, attempt, items, &|text| {
                redactor.words(text)
            })
            .await;
        let stats = self.slot.stats();
        let outcome = saved.unwrap_or_else(|broke| broke.counted(&stats).into_outcome());
        let broken = matches!(outcome, Outcome::Broken { .. });
        stats.holds(if broken { 0 } else { instance.memory() });
        if !broken {
            self.instance = Some(instance);
        }
        self.weigh(outcome)
    }

    async fn close(&mut self) {
        match self.closed().await {
            Outcome::Stored(_) => {}
            outcome => debug!(
                sink = &*self.version.name,
                ?outcome,
                "The sink could not be closed."
            ),
        }
    }
}

/// How a call broke off.
struct Broke {
    reason: String,
    maybe_sent: bool,
    cause: Cause,
    /// The time that it burnt, if it computed until that was over.
    burnt: Option<Duration>,
    /// It ran out of time; else it trapped.
    late: bool,
}

impl Broke {
    fn counted(self, stats: &Stats) -> Self {
        if self.late {
            stats.timed_out()
        } else {
            stats.trapped()
        }
        self
    }

    fn into_outcome(self) -> Outcome {
        let Self {
            reason,
            maybe_sent,
            cause,
            burnt,
            ..
        } = self;
        Outcome::Broken {
            reason,
            maybe_sent,
            cause,
            after: burnt,
        }
    }
}

/// A call with its time-out, which ends a guest that computes (by epochs) as well as one that
/// waits.
async fn within<T>(
    limit: Duration,
    conduct: &Conduct,
    what: &str,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Broke> {
    let result = timeout(limit, call).await;
    let maybe_sent = conduct.asked.load(Ordering::Relaxed);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(why)) => Err(Broke {
            reason: format!("{what} ended with a trap: {}", cause(&why)),
            maybe_sent,
            cause: Cause::Sink,
            burnt: None,
            late: false,
        }),
        Err(_) => {
            let waiting = conduct.waited() * 2 > limit;
            let place = if waiting {
                ", waiting for the destination"
            } else {
                ""
            };
            let cause = if waiting { Cause::Waiting } else { Cause::Sink };
            let burnt = conduct.computed(limit).then_some(limit);
            Err(Broke {
                reason: format!("{what} took longer than {} ms{place}", limit.as_millis()),
                maybe_sent,
                cause,
                burnt,
                late: true,
            })
        }
    }
}
