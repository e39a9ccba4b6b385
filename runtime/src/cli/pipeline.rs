//! What a source has seen -> decided -> the journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::cluster::{Chain, Observation, Owners, Raw, Seldom, Unreadable};
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
        let (mut seen, mut seldom, mut garbled, mut told) = (Seen::default(), Seldom::default(), Seldom::default(), false);
        while let Some(observation) = source.recv().await {
            let (batch, kinds) = self.decide(observation).await;
            let whole = batch.checkpoint.is_some();
            seen.unreadable += batch.unreadable.len() as u64;
            for ((_, why), kind) in batch.unreadable.iter().zip(kinds) {
                let said = garbled.fails(kind);
                garbled.over();
                if said.is_some() {
                    warn!(unreadable = seen.unreadable, "What can't be read as an event is kept as a dead letter of no sink: {why}.");
                }
            }
            let mut pause = Duration::from_millis(100);
            let appended = loop {
                match self.journal.append(batch.clone()).await {
                    Ok(appended) => break appended,
                    Err(Error::Closed) => return Err(Error::Closed),
                    Err(why) => {
                        if let Some(times) = seldom.fails("unstored") {
                            error!(times, "Cannot store events, and the watch waits: {why}. Trying again.");
                        }
                        sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(10));
                    }
                }
            };
            if let Some((time, times)) = seldom.over() {
                info!(times, seconds = time.as_secs(), "Events are stored again.");
            }
            seen.kept += appended.stored;
            told = told || (whole && self.tell_of_others());
            if let Some(gap) = appended.gap {
                let (scope, reason) = (gap.scope.unwrap_or_default(), gap.reason);
                error!(gap = gap.id, scope, "Events may have come and gone unseen: {reason}. `kubedl-events gaps` shows when.");
            }
        }
        if !told {
            self.tell_of_others();
        }
        Ok(seen)
    }

    /// Says, where that is so, that there are events and none of them is KubeDL's: perhaps others are wanted. Gives whether it did.
    fn tell_of_others(&self) -> bool {
        if *self.journal.head().borrow() > 0 {
            return false;
        }
        let others = self.journal.stats().dropped_by().get(filter::NOT_KUBEDL).copied().unwrap_or(0);
        if others > 0 {
            info!(others, "None of the events so far is KubeDL's, so they were dropped: --objects all takes them.");
        }
        others > 0
    }

    /// What is to be stored, and of what kind each thing is that can't be read.
    async fn decide(&self, observation: Observation) -> (Batch, Vec<&'static str>) {
        let observed_at = Timestamp::try_from((self.now)()).unwrap_or(Timestamp::UNIX_EPOCH);
        let scope = observation.scope.key().to_owned();
        let mut batch = Batch { scope, checkpoint: observation.reached, lost: observation.lost, ..Batch::default() };
        let mut kinds = Vec::new();
        for raw in observation.events {
            let raw = self.redaction.apply(raw);
            match event::normalize(&raw, observed_at, &self.options) {
                Ok(event) => batch.entries.push(self.entry(&event, raw).await),
                Err(why) => {
                    kinds.push(why.kind());
                    batch.unreadable.push((raw.json().to_owned(), why.to_string()));
                }
            }
        }
        for Unreadable { text, mut reason, kind } in observation.unreadable {
            // Its words may quote it.
            self.redaction.hide(&mut reason);
            let raw = self.redaction.apply(Raw::stored(text));
            kinds.push(kind);
            batch.unreadable.push((raw.json().to_owned(), reason));
        }
        (batch, kinds)
    }

    async fn entry(&self, event: &Event, raw: Raw) -> Entry {
        let (rule, kept) = match decide(&self.owners, self.objects, event).await.0 {
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

/// Decides about an event, and gives what was known of the controllers of its object.
pub(super) async fn decide(owners: &Owners, objects: Objects, event: &Event) -> (Decision, Chain) {
    let object = &event.regarding;
    let chain = if filter::needs_owners(object) {
        owners.chain(&object.kind, &object.namespace, &object.name, &object.uid).await
    } else {
        Chain::Owners(Vec::new())
    };
    (filter::decide(objects, event, &chain), chain)
}
