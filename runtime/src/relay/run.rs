//! The relay's loop: performs what [`step`](super::step) says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, error, info, warn};

use crate::event;
use crate::journal::{Cursor, DeadLetter, Haste, Journal, Position, Reader};

use super::{Attempt, Destination, Error, Item, Limits, Next, Outcome, Part, Policy, Progress, State, Work, step};

/// How a relay works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the sink's instance: the key of its cursor.
    pub sink: String,
    /// Patience.
    pub policy: Policy,
    /// How long a batch in flight is waited for after the stop.
    pub grace: Duration,
    /// What goes into every event.
    pub event: event::Options,
}

/// Opens a destination for the first time: tries again for as long as it asks for, and fails where waiting can't heal.
pub async fn open<D: Destination>(destination: &mut D, options: &Options, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
    let mut wait = options.policy.first_wait;
    loop {
        let reason = match destination.open().await {
            Outcome::Stored(_) => return Ok(()),
            Outcome::Misconfigured { reason } | Outcome::Refused { reason } => return Err(Error::NotOpened { sink: options.sink.clone(), reason }),
            Outcome::Retry { reason, after } => {
                wait = wait.max(after.unwrap_or_default().min(options.policy.longest_asked));
                reason
            }
            Outcome::Broken { reason, .. } => reason,
        };
        warn!(sink = options.sink, retry_in_ms = wait.as_millis() as u64, "The sink can't be opened yet: {reason}.");
        if pause(wait, stop).await {
            return Ok(());
        }
        wait = (wait * 2).min(options.policy.longest_wait);
    }
}

/// Hands everything after the sink's cursor to an opened destination, for ever: until `stop` becomes true.
pub async fn run<D: Destination>(
    mut destination: D,
    journal: Journal,
    cursor: Cursor,
    options: &Options,
    progress: &Progress,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let reader = journal.reader().map_err(Error::Journal)?;
    let mut head = journal.head();
    let mut relay = Relay { journal: &journal, options, progress, position: cursor.position, settled: true };
    progress.moved(relay.position);
    while !*stop.borrow() {
        let limits = destination.limits();
        let pending = head.borrow_and_update().saturating_sub(relay.position);
        if pending <= 0 {
            progress.set(State::Idle);
            tokio::select! {
                _ = head.changed() => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        let Some((work, items)) = relay.read(&reader, limits, cursor.unsure_through).await else { continue };
        relay.deliver(&mut destination, work, &items, &mut stop).await;
    }
    destination.close().await;
    if relay.settled
        && let Err(why) = journal.settle(&options.sink).await
    {
        warn!(sink = options.sink, "Cannot note in the journal that nothing is in flight: {why}.");
    }
    progress.set(State::Closed);
    Ok(())
}

struct Relay<'a> {
    journal: &'a Journal,
    options: &'a Options,
    progress: &'a Progress,
    position: Position,
    /// Nothing after `position` was ever sent without an acknowledgement.
    settled: bool,
}

type Items = HashMap<Position, Arc<Item>>;

impl Relay<'_> {
    async fn read(&mut self, reader: &Reader, limits: Limits, unsure_through: Position) -> Option<(Work, Items)> {
        let rows = match reader.read(self.position, limits.events.max(1), limits.bytes) {
            Ok(rows) => rows,
            Err(crate::journal::Error::Damaged { position }) => {
                error!(
                    sink = self.options.sink,
                    position, "A row of the journal is damaged; its event is lost for this sink, and lies in its dead letters as it is."
                );
                let reason = "damaged in the journal: the checksum of the row does not fit".to_owned();
                self.acknowledge(position, vec![DeadLetter { position, reason, attempts: 0 }], 0).await;
                return None;
            }
            Err(why) => {
                warn!(sink = self.options.sink, "Cannot read the journal: {why}. Trying again.");
                sleep(self.options.policy.first_wait).await;
                return None;
            }
        };
        let through = rows.last()?.position;
        let mut items = Items::new();
        let mut positions = Vec::new();
        let mut dead = Vec::new();
        for row in rows {
            let position = row.position;
            match Item::from_row(row, &self.options.event) {
                Ok(item) => {
                    positions.push(position);
                    items.insert(position, Arc::new(item));
                }
                Err(why) => dead.push(DeadLetter { position, reason: why.to_string(), attempts: 0 }),
            }
        }
        let mut work = Work::new(positions, through, unsure_through);
        work.dead = dead;
        Some((work, items))
    }

    /// Sends until the batch is stored or given up, and acknowledges it; or until the stop leaves no more time.
    async fn deliver<D: Destination>(&mut self, destination: &mut D, mut work: Work, items: &Items, stop: &mut watch::Receiver<bool>) {
        let sink = &self.options.sink;
        self.progress.set(State::Sending);
        while let Some(part) = work.parts.front() {
            let part = part.clone();
            if part.attempt.number > 0 {
                self.progress.retry();
            }
            let batch: Vec<Arc<Item>> = part.positions.iter().filter_map(|position| items.get(position).cloned()).collect();
            self.settled = false;
            let Some(outcome) = self.save(destination, part.attempt, &batch, stop).await else { return };
            debug!(sink, events = batch.len(), attempt = part.attempt.number, ?outcome, "Sent.");
            let (reason, misconfigured) = self.say(&part, &outcome);
            let (after_step, next) = step(work, outcome, &self.options.policy, spread());
            work = after_step;
            let Next::Send { after } = next else { break };
            if let Some(reason) = reason {
                self.progress.set(if misconfigured { State::Misconfigured { reason } } else { State::Retrying { reason } });
            }
            if pause(after, stop).await {
                return;
            }
        }
        let dead = std::mem::take(&mut work.dead);
        for letter in &dead {
            error!(sink, position = letter.position, "The sink will never store an event, which is now among its dead letters: {}.", letter.reason);
        }
        self.acknowledge(work.through, dead, work.stored).await;
        self.settled = true;
    }

    /// One call, which the stop may cut short after the grace.
    async fn save<D: Destination>(
        &self,
        destination: &mut D,
        attempt: Attempt,
        batch: &[Arc<Item>],
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Outcome> {
        let call = destination.save(attempt, batch);
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => return Some(outcome),
            _ = stop.wait_for(|stop| *stop) => {}
        }
        info!(sink = self.options.sink, "Stopping: waiting for the batch in flight.");
        timeout_at(Instant::now() + self.options.grace, call).await.ok()
    }

    /// Says in the log what went wrong; gives the reason, and whether a person must act.
    fn say(&self, part: &Part, outcome: &Outcome) -> (Option<String>, bool) {
        let (sink, events, attempt) = (&self.options.sink, part.positions.len(), part.attempt.number);
        match outcome {
            Outcome::Stored(failures) => {
                let first = failures.iter().find(|failure| failure.retryable).map(|failure| failure.reason.clone());
                if let Some(reason) = &first {
                    warn!(sink, events = failures.len(), attempt, "Some were not stored, trying these again: {reason}.");
                }
                (first, false)
            }
            Outcome::Retry { reason, .. } => {
                warn!(sink, events, attempt, "Not stored, trying again: {reason}.");
                (Some(reason.clone()), false)
            }
            Outcome::Refused { reason } => {
                warn!(sink, events, attempt, "Refused: {reason}.");
                (None, false)
            }
            Outcome::Misconfigured { reason } => {
                error!(sink, events, attempt, "Not stored until a person mends it: {reason}.");
                (Some(reason.clone()), true)
            }
            Outcome::Broken { reason, .. } => {
                warn!(sink, events, attempt, "The sink broke off and was replaced: {reason}.");
                (Some(reason.clone()), false)
            }
        }
    }

    async fn acknowledge(&mut self, position: Position, dead: Vec<DeadLetter>, stored: usize) {
        let letters = dead.len();
        let caught_up = dead.is_empty() && *self.journal.head().borrow() <= position;
        let haste = if caught_up { Haste::WithNext } else { Haste::Now };
        while let Err(why) = self.journal.acknowledge(&self.options.sink, position, dead.clone(), haste).await {
            if matches!(why, crate::journal::Error::Closed) {
                return;
            }
            warn!(sink = self.options.sink, "Cannot note in the journal what is stored: {why}. Trying again.");
            sleep(self.options.policy.first_wait).await;
        }
        self.position = position;
        self.progress.acknowledged(position, stored, letters);
    }
}

/// Sleeps; true when the stop came first.
async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = sleep(time) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}

/// A number from 0 to 1, another one each time.
fn spread() -> f64 {
    let bits = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
