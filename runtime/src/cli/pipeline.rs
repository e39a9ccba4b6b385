//! What a source has seen -> decided -> the journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::cluster::{Chain, Observation, Owners, Raw};
use crate::event::redact::Redaction;
use crate::event::{self, Event};
use crate::filter::{self, Decision, Objects};
use crate::journal::{Batch, Entry, Error, Journal, Kept};

/// What the pipeline needs beside its stages.
pub struct Pipeline {
    /// Who controls what.
    pub owners: Owners,
    /// What is kept.
    pub objects: Objects,
    /// What is hidden.
    pub redaction: Arc<Redaction>,
    /// Where it goes.
    pub journal: Journal,
    /// What goes into every event.
    pub options: event::Options,
    /// The clock.
    pub now: fn() -> SystemTime,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Events stored in the journal, now or before.
    pub kept: u64,
    /// Objects that could not be read as events.
    pub unreadable: u64,
}

impl Pipeline {
    /// Takes observations until the source ends. An event counts as seen when the journal has it.
    pub async fn run(&self, mut source: Receiver<Observation>) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        while let Some(observation) = source.recv().await {
            let batch = self.decide(observation).await;
            seen.unreadable += batch.unreadable.len() as u64;
            let mut pause = Duration::from_millis(100);
            let appended = loop {
                match self.journal.append(batch.clone()).await {
                    Ok(appended) => break appended,
                    Err(Error::Closed) => return Err(Error::Closed),
                    Err(why) => {
                        error!("Cannot store events, and the watch waits: {why}. Trying again.");
                        sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(10));
                    }
                }
            };
            seen.kept += appended.stored;
            if let Some(gap) = appended.gap {
                let (scope, reason) = (gap.scope.unwrap_or_default(), gap.reason);
                error!(gap = gap.id, scope, "Events may have come and gone unseen: {reason}. `kubedl-events gaps` shows when.");
            }
        }
        Ok(seen)
    }

    async fn decide(&self, observation: Observation) -> Batch {
        let observed_at = Timestamp::try_from((self.now)()).unwrap_or(Timestamp::UNIX_EPOCH);
        let scope = observation.scope.key().to_owned();
        let mut batch = Batch { scope, checkpoint: observation.reached, lost: observation.lost, ..Batch::default() };
        for raw in observation.events {
            let raw = self.redaction.apply(raw);
            match event::normalize(&raw, observed_at, &self.options) {
                Ok(event) => batch.entries.push(self.entry(&event, raw).await),
                Err(why) => {
                    warn!("An object is kept as a dead letter of no sink: {why}.");
                    batch.unreadable.push((raw.json().to_owned(), why.to_string()));
                }
            }
        }
        batch
    }

    async fn entry(&self, event: &Event, raw: Raw) -> Entry {
        let object = &event.regarding;
        let chain = if filter::needs_owners(object) {
            self.owners.chain(&object.kind, &object.namespace, &object.name, &object.uid).await
        } else {
            Chain::Owners(Vec::new())
        };
        let (rule, kept) = match filter::decide(self.objects, event, &chain) {
            Decision::Drop { rule } => (rule, None),
            Decision::Keep { rule, job } => {
                let job = job.and_then(|job| serde_json::to_string(&job).ok());
                let observed_at = i64::try_from(event.observed_at.as_nanosecond()).unwrap_or(i64::MAX);
                (rule, Some(Kept { observed_at, job, labels: None, raw: raw.json().to_owned(), repeats: event.count > 1 }))
            }
        };
        Entry { uid: event.uid.clone(), resource_version: event.resource_version.clone(), rule, kept }
    }
}
