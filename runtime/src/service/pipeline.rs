//! What a source has seen -> decided -> the journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::cluster::{Chain, Object, Observation, Owners, Raw, Seen as SeenBy, Seldom, Unreadable};
use crate::event::redact::Redaction;
use crate::event::{self, Event, ObjectReference};
use crate::filter::{self, Decision, Objects};
use crate::journal::{Batch, Entry, Error, Journal, Kept};

/// How long the questions about the events of one batch may take together.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events about which questions are open at once.
const QUESTIONS: usize = 256;
/// Seconds; the watch of Pods may lag behind events that are younger.
const YOUNG: i64 = 3;

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
        let (mut seen, mut seldom, mut garbled, mut told) =
            (Seen::default(), Seldom::default(), Seldom::default(), false);
        while let Some(observation) = source.recv().await {
            let Decided {
                mut batch,
                open,
                kinds,
            } = self.decide(observation);
            seen.unreadable += batch.unreadable.len() as u64;
            for ((_, why), kind) in batch.unreadable.iter().zip(kinds) {
                let said = garbled.fails(kind);
                garbled.over();
                if said.is_some() {
                    warn!(
                        unreadable = seen.unreadable,
                        "What can't be read as an event is kept as a dead letter of no sink: {why}."
                    );
                }
            }
            if !open.is_empty() {
                // The rest does not wait for what has to be asked first. It does not count as seen
                // before all of it is there.
                let Batch {
                    scope,
                    checkpoint,
                    forgotten,
                    lifetime,
                    ..
                } = batch.clone();
                let rest = Batch {
                    scope,
                    checkpoint,
                    forgotten,
                    lifetime,
                    ..Batch::default()
                };
                (batch.checkpoint, batch.lifetime) = (None, None);
                batch.forgotten.clear();
                seen.kept += self.append(batch, &mut seldom).await?;
                batch = Batch {
                    entries: self.find_out(open).await,
                    ..rest
                };
            }
            let whole = batch.checkpoint.is_some();
            seen.kept += self.append(batch, &mut seldom).await?;
            told = told || (whole && self.tell_of_others());
        }
        if !told {
            self.tell_of_others();
        }
        Ok(seen)
    }

    /// Stores a batch, however long that takes; gives how many of its events are new.
    async fn append(&self, batch: Batch, seldom: &mut Seldom) -> Result<u64, Error> {
        let batch = Arc::new(batch);
        let mut pause = Duration::from_millis(100);
        let appended = loop {
            match self.journal.append(batch.clone()).await {
                Ok(appended) => break appended,
                Err(Error::Closed) => return Err(Error::Closed),
                Err(why) => {
                    if let Some(times) = seldom.fails("unstored") {
                        error!(
                            times,
                            "Cannot store events, and the watch waits: {why}. Trying again."
                        );
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
            }
        };
        if let Some((time, times)) = seldom.over() {
            info!(times, seconds = time.as_secs(), "Events are stored again.");
        }
        if let Some(gap) = appended.gap {
            let (scope, reason) = (gap.scope.unwrap_or_default(), gap.reason);
            error!(
                gap = gap.id,
                scope,
                "Events may have come and gone unseen: {reason}. `kubedl-events gaps` shows when."
            );
        }
        Ok(appended.stored)
    }

    /// Says, where that is so, that there are events and none of them is KubeDL's: perhaps others
    /// are wanted. Gives whether it did.
    fn tell_of_others(&self) -> bool {
        if *self.journal.head().borrow() > 0 {
            return false;
        }
        let others = self
            .journal
            .stats()
            .dropped_by()
            .get(filter::NOT_KUBEDL)
            .copied()
            .unwrap_or(0);
        if others > 0 {
            info!(
                others,
                "None of the events so far is KubeDL's, so they were dropped: --objects all takes them."
            );
        }
        others > 0
    }

    /// Decides about all that can be decided without asking anybody.
    fn decide(&self, observation: Observation) -> Decided {
        let observed_at = Timestamp::try_from((self.now)()).unwrap_or(Timestamp::UNIX_EPOCH);
        let Observation {
            scope,
            events,
            unreadable,
            reached,
            lost,
            forgotten,
            lifetime,
        } = observation;
        let scope = scope.key().to_owned();
        let mut batch = Batch {
            scope,
            checkpoint: reached,
            lost,
            forgotten,
            lifetime,
            ..Batch::default()
        };
        let (mut open, mut kinds) = (Vec::new(), Vec::new());
        for raw in events {
            let raw = self.redaction.apply(raw);
            match event::normalize(&raw, observed_at, &self.options) {
                Ok(event) => match known(&self.owners, &event) {
                    Some(chain) => batch.entries.push(self.entry(&event, raw, &chain)),
                    None => open.push((event, raw)),
                },
                Err(why) => {
                    kinds.push(why.kind());
                    batch
                        .unreadable
                        .push((raw.json().to_owned(), why.to_string()));
                }
            }
        }
        for Unreadable {
            text,
            mut reason,
            kind,
        } in unreadable
        {
            // Its words may quote it.
            self.redaction.hide(&mut reason);
            let raw = self.redaction.apply(Raw::stored(text));
            kinds.push(kind);
            batch.unreadable.push((raw.json().to_owned(), reason));
        }
        Decided { batch, open, kinds }
    }

    /// Asks about several events at once; within a time, after which they are kept undecided.
    async fn find_out(&self, open: Vec<(Event, Raw)>) -> Vec<Entry> {
        let since = Instant::now();
        let ask = |(event, raw): (Event, Raw)| async move {
            let chain = self
                .owners
                .chain(&object(&event), seen(&event), since, since + PATIENCE)
                .await;
            self.entry(&event, raw, &chain)
        };
        stream::iter(open)
            .map(ask)
            .buffered(QUESTIONS)
            .collect()
            .await
    }

    fn entry(&self, event: &Event, raw: Raw, chain: &Chain) -> Entry {
        let (rule, kept) = match filter::decide(self.objects, event, chain) {
            Decision::Drop { rule } => (rule, None),
            Decision::Keep { rule, job } => {
                let job = job.and_then(|job| serde_json::to_string(&job).ok());
                let observed_at =
                    i64::try_from(event.observed_at.as_nanosecond()).unwrap_or(i64::MAX);
                (
                    rule,
                    Some(Kept {
                        observed_at,
                        job,
                        labels: None,
                        raw: raw.into_json(),
                        repeats: event.count > 1,
                    }),
                )
            }
        };
        Entry {
            uid: event.uid.clone(),
            resource_version: event.resource_version.clone(),
            rule,
            kept,
        }
    }
}

/// A batch, and events about which the API server has to be asked first.
struct Decided {
    batch: Batch,
    open: Vec<(Event, Raw)>,
    /// Of what kind each thing is that can't be read.
    kinds: Vec<&'static str>,
}

fn object(event: &Event) -> Object {
    let ObjectReference {
        api_version,
        kind,
        namespace,
        name,
        uid,
        ..
    } = event.regarding.clone();
    // An event is about an object of its own namespace, where it doesn't say.
    let namespace = if namespace.is_empty() {
        event.namespace.clone()
    } else {
        namespace
    };
    Object {
        api_version,
        kind,
        namespace,
        name,
        uid,
    }
}

fn seen(event: &Event) -> SeenBy<'_> {
    let age = event
        .observed_at
        .duration_since(event.last_timestamp)
        .as_secs();
    SeenBy {
        resource_version: &event.resource_version,
        is_young: age.abs() < YOUNG,
    }
}

/// What is known of the controllers of an event's object; none where somebody has to be asked.
fn known(owners: &Owners, event: &Event) -> Option<Chain> {
    if filter::needs_owners(&event.regarding) {
        owners.known(&object(event), seen(event))
    } else {
        Some(Chain::Owners(Vec::new()))
    }
}

/// Decides about an event, and gives what was known of the controllers of its object.
pub(crate) async fn decide(owners: &Owners, objects: Objects, event: &Event) -> (Decision, Chain) {
    let now = Instant::now();
    let chain = match known(owners, event) {
        Some(chain) => chain,
        None => {
            owners
                .chain(&object(event), seen(event), now, now + PATIENCE)
                .await
        }
    };
    (filter::decide(objects, event, &chain), chain)
}
