//! Where the next version of a sink waits, opened, until the one that serves has finished its
//! batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::relay::Outcome;
use crate::sink::http::{Gate, Network};
use crate::sink::instance::{Instance, fresh};
use crate::sink::{Stats, Term};

use super::Version;

/// The way to a sink that a relay has. Clones are of one sink.
#[derive(Clone)]
pub struct Slot(Arc<Mutex<Inner>>);

struct Inner {
    term: Term,
    network: Network,
    serving: Version,
    /// Whether what serves has opened.
    opened: bool,
    /// Of the next version, from its opening until it serves.
    gate: Option<Gate>,
    next: Option<Opened>,
    stats: Arc<Stats>,
}

/// A version with an instance that opened.
pub struct Opened {
    pub(in crate::sink) version: Version,
    pub(in crate::sink) gate: Gate,
    pub(in crate::sink) instance: Instance,
}

impl Slot {
    pub(in crate::sink) fn new(serving: Version) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            term: Term::endless(),
            network: Network::default(),
            serving,
            opened: false,
            gate: None,
            next: None,
            stats: Arc::default(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the sink's instances have done.
    pub fn stats(&self) -> Arc<Stats> {
        self.inner().stats.clone()
    }

    /// The version that serves, or that is about to.
    pub fn serving(&self) -> Version {
        let inner = self.inner();
        inner
            .next
            .as_ref()
            .map_or_else(|| inner.serving.clone(), |next| next.version.clone())
    }

    /// Whether [`Slot::serving`] has opened.
    pub fn has_opened(&self) -> bool {
        let inner = self.inner();
        inner.opened || inner.next.is_some()
    }

    /// Opens a version beside the one that serves, in the sink's term.
    ///
    /// # Errors
    /// With what the sink answered, or how it broke off.
    pub async fn open(&self, version: Version) -> Result<Opened, Outcome> {
        let gate = {
            let mut inner = self.inner();
            let gate = Gate::new(
                &version.name,
                version.grant.clone(),
                inner.term.clone(),
                &inner.network,
                inner.stats.clone(),
            );
            inner.gate = Some(gate.clone());
            gate
        };
        match fresh(&version, &gate, &self.stats()).await {
            Ok(instance) => Ok(Opened {
                version,
                gate,
                instance,
            }),
            Err(outcome) => {
                gate.cut();
                Err(outcome)
            }
        }
    }

    /// Has it take over after the batch that is in flight, at the next one.
    pub fn put(&self, next: Opened) {
        self.inner().next = Some(next);
    }

    pub(in crate::sink) fn take(&self) -> Option<Opened> {
        let mut inner = self.inner();
        let next = inner.next.take()?;
        inner.gate = None;
        inner.serving = next.version.clone();
        inner.opened = true;
        Some(next)
    }

    pub(in crate::sink) fn serves(&self, version: &Version, opened: bool) {
        let mut inner = self.inner();
        inner.serving = version.clone();
        inner.opened = opened;
    }

    pub(in crate::sink) fn begin(&self, term: Term, network: Network) {
        let mut inner = self.inner();
        (inner.term, inner.network) = (term, network);
    }

    /// Breaks every request of the next version, and forgets it.
    pub(in crate::sink) fn cut(&self) {
        let mut inner = self.inner();
        inner.next = None;
        if let Some(gate) = inner.gate.take() {
            gate.cut();
        }
    }
}
