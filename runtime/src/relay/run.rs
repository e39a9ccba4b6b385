//! The relay's loop: performs what [`step`](super::step) says.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, error, info, warn};

use crate::cluster::Seldom;
use crate::event;
use crate::filter::Select;
use crate::journal::{self, Cursor, DeadLetter, Haste, Journal, Position, Reader, Retried};

use super::gather::{Gathered, Items, gather};
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
    /// Which events the sink gets; without one, all.
    pub select: Option<Select>,
    /// A number from 0 to 1, another one each time: the jitter of waits.
    pub spread: fn() -> f64,
}

/// Opens a destination for the first time: tries again for as long as it asks for, and fails where waiting can't heal. Calls `waits`, with the
/// reason, when it takes longer.
pub async fn open<D: Destination>(
    destination: &mut D,
    options: &Options,
    stop: &mut watch::Receiver<bool>,
    mut waits: impl FnMut(&str),
) -> Result<(), Error> {
    let (mut wait, mut seldom) = (options.policy.first_wait, Seldom::default());
    loop {
        let opened = tokio::select! {
            biased;
            opened = destination.open() => opened,
            // Nothing is in flight.
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let reason = match opened {
            Outcome::Stored(_) => return Ok(()),
            Outcome::Misconfigured { reason } | Outcome::Refused { reason } => return Err(Error::NotOpened { sink: options.sink.clone(), reason }),
            Outcome::Retry { reason, after } | Outcome::Broken { reason, after, .. } => {
                wait = wait.max(after.unwrap_or_default().min(options.policy.longest_asked));
                reason
            }
        };
        if let Some(times) = seldom.fails("closed") {
            warn!(sink = options.sink, times, retry_in_ms = wait.as_millis() as u64, "The sink can't be opened yet: {reason}.");
        }
        waits(&reason);
        if pause(wait, stop).await {
            return Ok(());
        }
        wait = (wait * 2).min(options.policy.longest_wait);
    }
}

/// Hands everything after the sink's cursor to an opened destination, for ever: until `stop` becomes true.
pub async fn run<D: Destination>(
    destination: &mut D,
    journal: Journal,
    cursor: Cursor,
    options: &Options,
    progress: &Progress,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let reader = journal.reader().map_err(Error::Journal)?;
    let (mut head, mut requeued) = (journal.head(), journal.requeued());
    let (position, unsure_through) = (cursor.position, cursor.unsure_through);
    let mut relay = Relay {
        journal: &journal,
        reader,
        options,
        progress,
        position,
        unsure_through,
        refusals: 0,
        settled: true,
        undecided: Seldom::default(),
        letters: Seldom::default(),
    };
    progress.moved(relay.position);
    relay.mended();
    // Letters may have been put back while nothing ran.
    requeued.mark_changed();
    while !*stop.borrow() {
        if requeued.has_changed().unwrap_or(false) {
            requeued.mark_unchanged();
            relay.try_letters_again(destination, &mut stop).await;
        }
        let pending = head.borrow_and_update().saturating_sub(relay.position);
        if pending > 0 {
            relay.next_batch(destination, &mut stop).await;
            continue;
        }
        progress.set(State::Idle);
        tokio::select! {
            biased;
            _ = head.changed() => {}
            _ = requeued.changed() => requeued.mark_changed(),
            _ = stop.wait_for(|stop| *stop) => {}
        }
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
    reader: Reader,
    options: &'a Options,
    progress: &'a Progress,
    position: Position,
    /// Rows up to here may have been sent before.
    unsure_through: Position,
    /// Events refused in a row.
    refusals: u32,
    /// Nothing after `position` was ever sent without an acknowledgement.
    settled: bool,
    /// What is said of events on which the selection fails.
    undecided: Seldom,
    /// What is said of dead letters.
    letters: Seldom,
}

/// How sending a batch ended.
enum Ended {
    /// All of it is stored or given up.
    Done,
    /// The sink is to blame.
    Stalled { after: Duration, reason: String },
    /// The stop came first.
    Stopped,
}

impl Relay<'_> {
    /// Reads what comes after the cursor, sends it until it is stored or given up, and acknowledges it.
    async fn next_batch<D: Destination>(&mut self, destination: &mut D, stop: &mut watch::Receiver<bool>) {
        let Some((work, gathered)) = self.read(destination.limits()).await else { return };
        self.settled = false;
        let (mut work, ended) = self.deliver(destination, work, &gathered.items, stop).await;
        let (after, reason) = match ended {
            Ended::Stopped => return,
            Ended::Done => (None, String::new()),
            Ended::Stalled { after, reason } => (Some(after), reason),
        };
        self.refusals = work.refusals;
        let dead = std::mem::take(&mut work.dead);
        self.mourn(&dead);
        if work.through > self.position {
            self.acknowledge(work.through, dead, work.stored).await;
        }
        self.settled = after.is_none();
        if self.settled {
            self.progress.passed_over(gathered.unselected, gathered.undecided);
        }
        if let Some(after) = after {
            let retry_in_ms = after.as_millis() as u64;
            if let Some(times) = self.progress.failed("fault", &reason) {
                error!(sink = self.options.sink, times, retry_in_ms, "The sink is at fault, so nothing is given up; it is tried again: {reason}.");
            }
            self.unsure_through = self.unsure_through.max(*self.journal.head().borrow());
            self.progress.set(State::Misconfigured { reason });
            pause(after, stop).await;
        }
    }

    /// Sends dead letters that a person put back.
    async fn try_letters_again<D: Destination>(&mut self, destination: &mut D, stop: &mut watch::Receiver<bool>) {
        loop {
            let letters = match self.reader.requeued(&self.options.sink, destination.limits().events.max(1)) {
                Ok(letters) => letters,
                Err(why) => return warn!(sink = self.options.sink, "Cannot read the dead letters to try again: {why}."),
            };
            if letters.is_empty() {
                return;
            }
            let mut items = Items::new();
            let mut failed = Vec::new();
            let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
            for letter in letters {
                match Item::from_row(letter.row, &self.options.event) {
                    Ok(item) => drop(items.insert(letter.id, Arc::new(item))),
                    Err(why) => failed.push(DeadLetter { position: letter.id, reason: why.to_string(), attempts: 0 }),
                }
            }
            let open: Vec<i64> = ids.iter().copied().filter(|id| items.contains_key(id)).collect();
            // By their numbers in place of positions. All of them may have been sent before.
            let work = Work::new(open, i64::MAX, i64::MAX, 0);
            let (mut work, ended) = self.deliver(destination, work, &items, stop).await;
            let stalled = match ended {
                Ended::Stopped => return,
                Ended::Done => None,
                Ended::Stalled { reason, .. } => Some(reason),
            };
            failed.append(&mut work.dead);
            let through = work.through;
            let fate = |id: i64| match (failed.iter().find(|letter| letter.position == id), &stalled) {
                (Some(letter), _) => Retried::Kept { id, reason: letter.reason.clone(), attempts: letter.attempts },
                (None, Some(reason)) if id > through => Retried::Kept { id, reason: reason.clone(), attempts: 1 },
                (None, _) => Retried::Stored(id),
            };
            let fates: Vec<Retried> = ids.into_iter().map(fate).collect();
            info!(sink = self.options.sink, tried = fates.len(), stored = work.stored, "Dead letters were tried again.");
            while let Err(why) = self.journal.retried(fates.clone()).await {
                if matches!(why, journal::Error::Closed) || pause(self.options.policy.first_wait, stop).await {
                    return;
                }
            }
        }
    }

    async fn read(&mut self, limits: Limits) -> Option<(Work, Gathered)> {
        let mut gathered = match gather(&self.reader, self.position, limits, self.options) {
            Ok(gathered) => gathered,
            Err(why) => {
                self.unreadable(why).await;
                return None;
            }
        };
        let Some(through) = gathered.through else {
            // Rows up to the head are gone: given up by a gap.
            let head = *self.journal.head().borrow();
            self.acknowledge(head, Vec::new(), 0).await;
            return None;
        };
        if let Some(why) = gathered.why.take()
            && let Some(times) = self.undecided.fails("undecided")
        {
            warn!(sink = self.options.sink, times, "The selection fails on events, which the sink therefore gets; on the last of them: {why}.");
        }
        let mut work = Work::new(std::mem::take(&mut gathered.positions), through, self.unsure_through, self.refusals);
        work.dead = std::mem::take(&mut gathered.dead);
        Some((work, gathered))
    }

    async fn unreadable(&mut self, why: journal::Error) {
        let sink = &self.options.sink;
        match why {
            journal::Error::Damaged { position } => {
                error!(sink, position, "A row of the journal is damaged; its event is lost for this sink, and lies in its dead letters as it is.");
                let reason = "damaged in the journal: the checksum of the row does not fit".to_owned();
                self.acknowledge(position, vec![DeadLetter { position, reason, attempts: 0 }], 0).await;
            }
            why if why.is_damage() => {
                if let Err(why) = self.journal.salvage(&self.reader).await {
                    warn!(sink, "The damaged journal can't be healed: {why}.");
                    sleep(self.options.policy.longest_wait).await;
                }
            }
            why => {
                warn!(sink, "Cannot read the journal: {why}. Trying again.");
                sleep(self.options.policy.first_wait).await;
            }
        }
    }

    /// Sends until the batch is stored or given up, or the sink stalls, or the stop leaves no more time.
    async fn deliver<D: Destination>(&self, destination: &mut D, mut work: Work, items: &Items, stop: &mut watch::Receiver<bool>) -> (Work, Ended) {
        let sink = &self.options.sink;
        self.progress.set(State::Sending);
        while let Some(part) = work.parts.front() {
            let part = part.clone();
            if part.attempt.number > 0 {
                self.progress.retry();
            }
            let batch: Vec<Arc<Item>> = part.positions.iter().filter_map(|position| items.get(position).cloned()).collect();
            let began = Instant::now();
            let Some(outcome) = self.save(destination, part.attempt, &batch, stop).await else { return (work, Ended::Stopped) };
            self.progress.called(batch.len(), began.elapsed());
            debug!(sink, events = batch.len(), attempt = part.attempt.number, ?outcome, "Sent.");
            let (reason, misconfigured) = self.say(&part, &outcome);
            let (after_step, next) = step(work, outcome, &self.options.policy, (self.options.spread)());
            work = after_step;
            let after = match next {
                Next::Send { after } => after,
                Next::Acknowledge => break,
                Next::Stall { after, reason } => return (work, Ended::Stalled { after, reason }),
            };
            if let Some(reason) = reason {
                self.progress.set(if misconfigured { State::Misconfigured { reason } } else { State::Retrying { reason } });
            }
            if pause(after, stop).await {
                return (work, Ended::Stopped);
            }
        }
        (work, Ended::Done)
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
            biased;
            outcome = &mut call => return Some(outcome),
            _ = stop.wait_for(|stop| *stop) => {}
        }
        info!(sink = self.options.sink, "Stopping: waiting for the batch in flight.");
        timeout_at(Instant::now() + self.options.grace, call).await.ok()
    }

    /// Says in the log what goes wrong, when it begins and then seldom; gives the reason, and whether a person must act.
    fn say(&self, part: &Part, outcome: &Outcome) -> (Option<String>, bool) {
        let (sink, events, attempt) = (&self.options.sink, part.positions.len(), part.attempt.number);
        let (kind, reason) = match outcome {
            Outcome::Stored(failures) => {
                let Some(first) = failures.iter().find(|failure| failure.retryable) else {
                    self.mended();
                    return (None, false);
                };
                ("Some were not stored, and are tried again", &first.reason)
            }
            Outcome::Retry { reason, .. } => ("Not stored, trying again", reason),
            Outcome::Refused { reason } => {
                debug!(sink, events, attempt, "Refused: {reason}.");
                return (None, false);
            }
            Outcome::Misconfigured { reason } => ("Not stored until a person mends it", reason),
            Outcome::Broken { reason, .. } => ("The sink broke off and was replaced", reason),
        };
        let misconfigured = matches!(outcome, Outcome::Misconfigured { .. });
        match self.progress.failed(kind, reason) {
            Some(times) if misconfigured => error!(sink, events, attempt, times, "{kind}: {reason}."),
            Some(times) => warn!(sink, events, attempt, times, "{kind}: {reason}."),
            None => {}
        }
        (Some(reason.clone()), misconfigured)
    }

    fn mended(&self) {
        if let Some((time, times)) = self.progress.mended() {
            info!(sink = self.options.sink, times, seconds = time.as_secs(), "The sink stores events again.");
        }
    }

    /// Says that there are new dead letters, and seldom while there are ever more.
    fn mourn(&mut self, dead: &[DeadLetter]) {
        let Some(first) = dead.first() else { return };
        let said = self.letters.fails("dead");
        self.letters.over();
        if said.is_some() {
            let (sink, position, dead) = (&self.options.sink, first.position, self.progress.dead() + dead.len() as u64);
            error!(sink, position, dead, "The sink will never store an event, which is now among its dead letters: {}.", first.reason);
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
        biased;
        () = sleep(time) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}
