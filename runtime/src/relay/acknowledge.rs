//! What became of events is noted in the journal, and dead letters are told.

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::journal::{self, DeadLetter, Haste, Position};

use super::progress::State;
use super::run::{Relay, pause};

impl Relay<'_> {
    /// Says that there are new dead letters, and seldom while there are ever more.
    pub(super) fn mourn(&mut self, dead: &[DeadLetter]) {
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
