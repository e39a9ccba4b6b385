//! What telemetry looks at: the stages' own stats. `cli` hands each in when its stage begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::cluster::{self, Pulse};
use crate::event::redact::Redaction;
use crate::journal::Journal;
use crate::relay::Progress;
use crate::sink::{Exchange, Slot};

/// Who delivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Not decided yet.
    #[default]
    Starting,
    /// This process, all the time.
    Alone,
    /// This process, while it holds the Lease.
    Leading,
    /// Another one, that holds the Lease.
    Standby {
        /// Its identity.
        holder: String,
    },
    /// Nobody knows: the Lease can't be reached.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Role {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Alone => "alone",
            Self::Leading => "leading",
            Self::Standby { .. } => "standby",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether this process delivers.
    pub fn delivers(&self) -> bool {
        matches!(self, Self::Alone | Self::Leading)
    }
}

/// A sink that was compiled and checked.
#[derive(Clone)]
pub struct Ready {
    /// Its version, and what its instances have done.
    pub slot: Slot,
    /// What its relays have done.
    pub progress: Arc<Progress>,
    /// Of the thread of its relay.
    pub pulse: Arc<Pulse>,
    /// Whether that thread runs.
    pub runs: bool,
}

/// A sink that was asked for.
#[derive(Clone)]
pub struct Watched {
    /// Name of the instance.
    pub name: String,
    /// None while it is compiled.
    pub ready: Option<Ready>,
    /// Why it does not run in this process, while the others do.
    pub left_out: Option<String>,
}

/// All of it. Made at the very start of the process.
pub struct Board {
    began: Instant,
    /// What the watches do.
    pub cluster: Arc<cluster::Stats>,
    /// Of the thread of the pipeline.
    pub pipeline: Pulse,
    journal: OnceLock<Journal>,
    redaction: OnceLock<Arc<Redaction>>,
    role: Mutex<Role>,
    sinks: Mutex<Vec<Watched>>,
    stopping: OnceLock<()>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            cluster: Arc::default(),
            pipeline: Pulse::default(),
            journal: OnceLock::new(),
            redaction: OnceLock::new(),
            role: Mutex::default(),
            sinks: Mutex::default(),
            stopping: OnceLock::new(),
        }
    }
}

impl Board {
    /// When the process began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The journal is open.
    pub fn has_journal(&self, journal: &Journal) {
        let _ = self.journal.set(journal.clone());
    }

    /// What is hidden in events.
    pub fn has_redaction(&self, redaction: &Arc<Redaction>) {
        let _ = self.redaction.set(redaction.clone());
    }

    /// How much each redaction rule has hidden.
    pub fn hidden(&self) -> BTreeMap<String, u64> {
        self.redaction
            .get()
            .into_iter()
            .flat_map(|redaction| redaction.hidden())
            .map(|(rule, count)| (rule.to_owned(), count))
            .collect()
    }

    /// The journal, when it is open.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// These sinks are going to be compiled.
    pub fn expects(&self, names: impl Iterator<Item = String>) {
        *self.locked() = names
            .map(|name| Watched {
                name,
                ready: None,
                left_out: None,
            })
            .collect();
    }

    /// A sink is compiled and checked.
    pub fn has_sink(&self, name: &str, slot: &Slot, progress: &Arc<Progress>, pulse: &Arc<Pulse>) {
        let ready = Ready {
            slot: slot.clone(),
            progress: progress.clone(),
            pulse: pulse.clone(),
            runs: false,
        };
        if let Some(sink) = self.locked().iter_mut().find(|sink| sink.name == name) {
            sink.ready = Some(ready);
        }
    }

    /// A sink is left out, so that the others can run.
    pub fn leaves_out(&self, name: &str, why: String) {
        if let Some(sink) = self.locked().iter_mut().find(|sink| sink.name == name) {
            sink.left_out = Some(why);
        }
    }

    /// A sink's relay has a thread now, or has no longer.
    pub fn runs(&self, name: &str, runs: bool) {
        let mut sinks = self.locked();
        let found = sinks.iter_mut().find(|sink| sink.name == name);
        if let Some(ready) = found.and_then(|sink| sink.ready.as_mut()) {
            ready.pulse.beat();
            ready.runs = runs;
        }
    }

    /// What each sink sent where, the newest last.
    pub fn exchanges(&self) -> BTreeMap<String, Vec<Exchange>> {
        let ready = self
            .sinks()
            .into_iter()
            .filter_map(|sink| Some((sink.name, sink.ready?)));
        ready
            .map(|(name, ready)| (name, ready.slot.stats().exchanges()))
            .collect()
    }

    /// The sinks that were asked for, in that order.
    pub fn sinks(&self) -> Vec<Watched> {
        self.locked().clone()
    }

    /// Who delivers from now on.
    pub fn becomes(&self, role: Role) {
        *self.role.lock().unwrap_or_else(PoisonError::into_inner) = role;
    }

    /// Who delivers.
    pub fn role(&self) -> Role {
        self.role
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The process is to end.
    pub fn stops(&self) {
        let _ = self.stopping.set(());
    }

    /// Whether it is to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get().is_some()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
