//! The relay's loop: performs what [`step`](super::step) says.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};
use tracing::{error, warn};

use crate::cluster::Seldom;
use crate::journal::{self, Cursor, Journal, Position, Reader};

use super::destination::Destination;
use super::error::Error;
use super::options::Options;
use super::progress::{Progress, State};
use super::rounds::Rounds;

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
    pub(super) letters: Seldom,
    /// Rows after `position` that are stored already.
    pub(super) ahead: BTreeSet<Position>,
    pub(super) rounds: Rounds,
    /// What is said of a journal that can't be written.
    pub(super) journal_trouble: Seldom,
    /// Whether the journal was asked for what others had delivered, and had something.
    pub(super) has_origins: Option<bool>,
    /// The journal takes nothing any more.
    pub(super) closed: bool,
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
}

/// Sleeps; true when the stop came first.
pub(super) async fn pause(time: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        () = sleep(time) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}
