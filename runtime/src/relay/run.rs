//! The relay's loop: performs what [`step`](super::step) says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{debug, error, info, warn};

use crate::cluster::Seldom;
use crate::event;
use crate::filter::Select;
use crate::journal::{self, Cursor, DeadLetter, Haste, Journal, Position, Reader};

use super::gather::Items;
use super::letters::Rounds;
use super::{
    Attempt, Destination, Error, Item, Next, Outcome, Part, Policy, Progress, State, Work, step,
};

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
    /// The clock, which is the journal's.
    pub now: fn() -> SystemTime,
}

/// Opens a destination for the first time: tries again for as long as it asks for, and fails where
/// waiting can't heal. Calls `waits`, with the reason, when it takes longer.
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
            Outcome::Misconfigured { reason } | Outcome::Refused { reason } => {
                return Err(Error::NotOpened {
                    sink: options.sink.clone(),
                    reason,
                });
            }
            Outcome::Retry { reason, after } | Outcome::Broken { reason, after, .. } => {
                wait = wait.max(after.unwrap_or_default().min(options.policy.longest_asked));
                reason
            }
        };
        if let Some(times) = seldom.fails("closed") {
            warn!(
                sink = options.sink,
                times,
                retry_in_ms = wait.as_millis() as u64,
                "The sink can't be opened yet: {reason}."
            );
        }
        waits(&reason);
        if pause(wait, stop).await {
            return Ok(());
        }
        wait = (wait * 2).min(options.policy.longest_wait);
    }
}

/// Hands everything after the sink's cursor to an opened destination, for ever: until `stop`
/// becomes true.
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
    let mut relay = Relay::new(&journal, reader, &cursor, options, progress);
    progress.moved(relay.position);
    relay.mended();
    // Letters may have been put back while nothing ran.
    requeued.mark_changed();
    while !*stop.borrow() {
        if requeued.has_changed().unwrap_or(false) {
            requeued.mark_unchanged();
            relay.try_letters_again(destination, &mut stop).await;
        }
        if relay.rounds.due() {
            relay.try_held_back(destination, &mut stop).await;
        }
        if relay.closed {
            return Err(Error::Journal(journal::Error::Closed));
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
            () = sleep_until(relay.rounds.next), if relay.rounds.any => {}
            _ = requeued.changed() => requeued.mark_changed(),
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    destination.close().await;
    if relay.has_nothing_in_flight()
        && let Err(why) = journal.settle(&options.sink).await
    {
        warn!(
            sink = options.sink,
            "Cannot note in the journal that nothing is in flight: {why}."
        );
    }
    progress.set(State::Closed);
    Ok(())
}

pub(super) struct Relay<'a> {
    pub(super) journal: &'a Journal,
    pub(super) reader: Reader,
    pub(super) options: &'a Options,
    pub(super) progress: &'a Progress,
    pub(super) position: Position,
    /// Rows up to here may have been sent before.
    pub(super) unsure_through: Position,
    /// Events refused in a row.
    pub(super) refusals: u32,
    /// Nothing after `position` was ever sent without an acknowledgement.
    settled: bool,
    /// What is said of events on which the selection fails.
    pub(super) undecided: Seldom,
    /// What is said of dead letters.
    letters: Seldom,
    /// Rows after `position` that are stored already.
    pub(super) ahead: BTreeSet<Position>,
    pub(super) rounds: Rounds,
    /// What is said of a journal that can't be written.
    pub(super) journal_trouble: Seldom,
    /// Whether the journal was asked for what others had delivered, and had something.
    pub(super) has_origins: Option<bool>,
    /// The journal takes nothing any more.
    closed: bool,
}

/// How sending a batch ended.
pub(super) enum Ended {
    /// All of it is stored or given up.
    Done,
    /// The sink is to blame.
    Stalled { after: Duration, reason: String },
    /// The stop came first.
    Stopped,
}

impl<'a> Relay<'a> {
    fn new(
        journal: &'a Journal,
        reader: Reader,
        cursor: &Cursor,
        options: &'a Options,
        progress: &'a Progress,
    ) -> Self {
        Self {
            journal,
            reader,
            options,
            progress,
            position: cursor.position,
            unsure_through: cursor.unsure_through,
            refusals: 0,
            settled: true,
            undecided: Seldom::default(),
            letters: Seldom::default(),
            ahead: BTreeSet::new(),
            rounds: Rounds::new(),
            journal_trouble: Seldom::default(),
            has_origins: None,
            closed: false,
        }
    }

    /// Whether nothing after the cursor was ever sent.
    fn has_nothing_in_flight(&self) -> bool {
        self.settled && self.ahead.is_empty() && self.unsure_through <= self.position
    }

    /// Reads what comes after the cursor, sends it until it is stored or given up, and acknowledges
    /// it.
    async fn next_batch<D: Destination>(
        &mut self,
        destination: &mut D,
        stop: &mut watch::Receiver<bool>,
    ) {
        let Some((work, gathered)) = self.read(destination.limits(), stop).await else {
            return;
        };
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
        self.rounds.others_stored |= !work.stored.is_empty();
        let (stored, ahead): (Vec<_>, Vec<_>) = work
            .stored
            .into_iter()
            .partition(|position| *position <= work.through);
        if work.through > self.position
            && !self
                .acknowledge(work.through, dead, stored.len(), stop)
                .await
        {
            return;
        }
        ahead
            .into_iter()
            .for_each(|position| self.stored_ahead(position));
        self.settled = after.is_none();
        if self.settled {
            self.progress
                .passed_over(gathered.unselected, gathered.undecided);
        }
        if let Some(after) = after {
            let retry_in_ms = after.as_millis() as u64;
            if let Some(times) = self.progress.failed("fault", &reason) {
                error!(
                    sink = self.options.sink,
                    times,
                    retry_in_ms,
                    "The sink is at fault, so nothing is given up; it is tried again: {reason}."
                );
            }
            self.unsure_through = self.unsure_through.max(*self.journal.head().borrow());
            self.progress.set(State::Misconfigured { reason });
            pause(after, stop).await;
        }
    }

    /// Sends until the batch is stored or given up, or the sink stalls, or the stop leaves no more
    /// time.
    pub(super) async fn deliver<D: Destination>(
        &mut self,
        destination: &mut D,
        mut work: Work,
        items: &Items,
        stop: &mut watch::Receiver<bool>,
    ) -> (Work, Ended) {
        self.progress.set(State::Sending);
        while let Some(part) = work.parts.front() {
            let part = part.clone();
            if part.attempt.number > 0 {
                self.progress.retry();
            }
            let batch: Vec<Arc<Item>> = part
                .positions
                .iter()
                .filter_map(|position| items.get(position).cloned())
                .collect();
            let began = Instant::now();
            let Some(outcome) = self.save(destination, part.attempt, &batch, stop).await else {
                return (work, Ended::Stopped);
            };
            self.progress.called(batch.len(), began.elapsed());
            debug!(
                sink = self.options.sink,
                events = batch.len(),
                attempt = part.attempt.number,
                ?outcome,
                "Sent."
            );
            let (reason, misconfigured) = self.say(&part, &outcome);
            let (after_step, next) =
                step(work, outcome, &self.options.policy, (self.options.spread)());
            work = after_step;
            let (after, probe) = match next {
                Next::Send { after } => (after, None),
                Next::Probe {
                    after,
                    at_once,
                    among,
                } => (after, Some((at_once, among))),
                Next::Acknowledge => break,
                Next::Stall { after, reason } => return (work, Ended::Stalled { after, reason }),
            };
            if let Some(reason) = reason {
                self.progress.set(if misconfigured {
                    State::Misconfigured { reason }
                } else {
                    State::Retrying { reason }
                });
            }
            for at_once in [true, false] {
                if let Some((_, among)) = probe.filter(|(when, _)| *when == at_once) {
                    let Some(probe) = self.probe(destination, &work, items, among, stop).await
                    else {
                        return (work, Ended::Stopped);
                    };
                    work.probed(probe);
                }
                if at_once && pause(after, stop).await {
                    return (work, Ended::Stopped);
                }
            }
        }
        (work, Ended::Done)
    }

    /// One call, which the stop may cut short after the grace.
    pub(super) async fn save<D: Destination>(
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
        info!(
            sink = self.options.sink,
            "Stopping: waiting for the batch in flight."
        );
        timeout_at(Instant::now() + self.options.grace, call)
            .await
            .ok()
    }

    /// Says in the log what goes wrong, when it begins and then seldom; gives the reason, and
    /// whether a person must act.
    fn say(&self, part: &Part, outcome: &Outcome) -> (Option<String>, bool) {
        let (sink, events, attempt) = (
            &self.options.sink,
            part.positions.len(),
            part.attempt.number,
        );
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
            Some(times) if misconfigured => {
                error!(sink, events, attempt, times, "{kind}: {reason}.")
            }
            Some(times) => warn!(sink, events, attempt, times, "{kind}: {reason}."),
            None => {}
        }
        (Some(reason.clone()), misconfigured)
    }

    fn mended(&self) {
        if let Some((time, times)) = self.progress.mended() {
            info!(
                sink = self.options.sink,
                times,
                seconds = time.as_secs(),
                "The sink stores events again."
            );
        }
    }

    /// Says that there are new dead letters, and seldom while there are ever more.
    fn mourn(&mut self, dead: &[DeadLetter]) {
        for letter in dead.iter().filter(|letter| letter.held_back) {
            let (sink, position, reason) = (&self.options.sink, letter.position, &letter.reason);
            if self.letters.fails("held back").is_some() {
                warn!(
                    sink,
                    position,
                    "An event is held back, since it is not stored while others are. It is tried again by itself: {reason}."
                );
            }
            self.letters.over();
        }
        let Some(first) = dead.iter().find(|letter| !letter.held_back) else {
            return;
        };
        let said = self.letters.fails("dead");
        self.letters.over();
        if said.is_some() {
            let (sink, position, dead) = (
                &self.options.sink,
                first.position,
                self.progress.dead() + dead.len() as u64,
            );
            error!(
                sink,
                position,
                dead,
                "The sink will never store an event, which is now among its dead letters: {}.",
                first.reason
            );
        }
    }

    /// Moves the cursor; false when the stop came first, or the journal is closed.
    pub(super) async fn acknowledge(
        &mut self,
        position: Position,
        dead: Vec<DeadLetter>,
        stored: usize,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let held_back = dead.iter().any(|letter| letter.held_back);
        let letters = dead.iter().filter(|letter| !letter.held_back).count();
        let caught_up = dead.is_empty() && *self.journal.head().borrow() <= position;
        let haste = if caught_up {
            Haste::WithNext
        } else {
            Haste::Now
        };
        let mut wait = self.options.policy.first_wait;
        while let Err(why) = self
            .journal
            .acknowledge(&self.options.sink, position, dead.clone(), haste)
            .await
        {
            self.progress.set(State::Blocked {
                reason: why.to_string(),
            });
            // Without the note it is sent again by the next start, as after a crash.
            if self.heed(why) || pause(wait, stop).await {
                return false;
            }
            wait = (wait * 2).min(self.options.policy.misconfigured_wait);
        }
        self.settle_trouble();
        self.position = position;
        self.ahead.retain(|other| *other > position);
        if held_back {
            self.rounds.begin();
        }
        self.progress.acknowledged(position, stored, letters);
        true
    }

    /// An event that comes later is stored already, so it is not sent again.
    pub(super) fn stored_ahead(&mut self, position: Position) {
        self.ahead.insert(position);
        self.progress.stored_ahead();
    }

    /// Says, seldom, that the journal failed; gives whether it is closed for good, so that this
    /// relay ends.
    pub(super) fn heed(&mut self, why: journal::Error) -> bool {
        if matches!(why, journal::Error::Closed) {
            self.closed = true;
        } else if let Some(times) = self.journal_trouble.fails("unnoted") {
            warn!(
                sink = self.options.sink,
                times, "Cannot note in the journal what is stored: {why}. Trying again."
            );
        }
        self.closed
    }

    pub(super) fn settle_trouble(&mut self) {
        if let Some((time, times)) = self.journal_trouble.over() {
            info!(
                sink = self.options.sink,
                times,
                seconds = time.as_secs(),
                "What is stored is noted in the journal again."
            );
        }
    }
}

/// Sleeps; true when the stop came first.
pub(super) async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        () = sleep(time) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}
