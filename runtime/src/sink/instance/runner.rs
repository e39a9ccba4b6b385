//! A sink at work: its version, and the instance that serves at the moment.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info};

use crate::relay::{Attempt, Cause, Destination, Item, Limits, Outcome};
use crate::sink::grant::{self, Grant};
use crate::sink::http::{Gate, Network};
use crate::sink::{Blueprint, Opened, Slot, Term, Version};

use super::guest::{Instance, fresh};
use super::wear::rest;

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
        let limit = self.version.grant.limits.call.min(Duration::from_secs(5));
        let redactor = &self.version.voice.redactor;
        let outcome = instance
            .close(limit, &|text| redactor.words(text))
            .await
            .unwrap_or_else(|broke| broke.counted(&self.slot.stats()).into_outcome());
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
