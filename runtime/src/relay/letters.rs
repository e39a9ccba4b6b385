//! Events beside the cursor: dead letters that a person put back, and those that are held back.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::journal::{DeadLetter, Letter, Retried};

use super::destination::{Attempt, Destination, Outcome};
use super::gather::Items;
use super::item::Item;
use super::run::{Ended, Relay, pause};
use super::work::Work;

/// Letters of one round, the oldest first, so that it does not hold up what follows for long.
const MOST: usize = 10;

impl Relay<'_> {
    /// Sends dead letters that a person put back.
    pub(super) async fn try_letters_again<D: Destination>(
        &mut self,
        destination: &mut D,
        stop: &mut watch::Receiver<bool>,
    ) {
        loop {
            let letters = match self
                .reader
                .requeued(&self.options.sink, destination.limits().events.max(1))
            {
                Ok(letters) => letters,
                Err(why) => {
                    return warn!(
                        sink = self.options.sink,
                        "Cannot read the dead letters to try again: {why}."
                    );
                }
            };
            if letters.is_empty() {
                return;
            }
            let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
            let (items, mut failed) = self.read_items(letters);
            let open: Vec<i64> = ids
                .iter()
                .copied()
                .filter(|id| items.contains_key(id))
                .collect();
            // By their numbers in place of positions. All of them may have been sent before.
            let work = Work::new(open, i64::MAX, i64::MAX, 0);
            let (mut work, ended) = self.deliver(destination, work, &items, stop).await;
            let stalled = match ended {
                Ended::Stopped => return,
                Ended::Done => None,
                Ended::Stalled { reason, .. } => Some(reason),
            };
            failed.append(&mut work.dead);
            let fates = tell_fates(ids, &failed, &work, stalled.as_deref());
            info!(
                sink = self.options.sink,
                tried = fates.len(),
                stored = work.stored.len(),
                "Dead letters were tried again."
            );
            if !self.note(fates, stop).await {
                return;
            }
        }
    }

    /// The events of letters, by the letters' numbers; and letters that can't be read as events.
    fn read_items(&self, letters: Vec<Letter>) -> (Items, Vec<DeadLetter>) {
        let mut items = Items::new();
        let mut failed = Vec::new();
        for letter in letters {
            match Item::from_row(letter.row, &self.options.event) {
                Ok(item) => drop(items.insert(letter.id, Arc::new(item))),
                Err(why) => failed.push(DeadLetter {
                    position: letter.id,
                    reason: why.to_string(),
                    attempts: 0,
                    held_back: false,
                }),
            }
        }
        (items, failed)
    }

    /// Tries again what is held back, each by itself. One that was not stored for long, while
    /// others were, becomes a dead letter.
    pub(super) async fn try_held_back<D: Destination>(
        &mut self,
        destination: &mut D,
        stop: &mut watch::Receiver<bool>,
    ) {
        let letters = match self.reader.held_back(&self.options.sink, MOST) {
            Ok(letters) => letters,
            Err(why) => {
                self.rounds.later(true);
                return warn!(
                    sink = self.options.sink,
                    "Cannot read the events that are held back: {why}."
                );
            }
        };
        let mut fates = Vec::new();
        for letter in &letters {
            let Ok(item) = Item::from_row(letter.row.clone(), &self.options.event) else {
                continue;
            };
            let attempt = Attempt {
                number: letter.attempts,
                maybe_sent: true,
            };
            let Some(outcome) = self
                .save(destination, attempt, &[Arc::new(item)], stop)
                .await
            else {
                return;
            };
            fates.push(self.fate(letter, outcome));
        }
        self.rounds.later(!letters.is_empty());
        self.note(fates, stop).await;
    }

    fn fate(&self, letter: &Letter, outcome: Outcome) -> Retried {
        let (id, attempts) = (letter.id, 1);
        let dies = |reason: String| {
            error!(
                sink = self.options.sink,
                letter = id,
                "An event that was held back is now a dead letter: {reason}."
            );
            self.progress.died();
            Retried::Kept {
                id,
                reason,
                attempts,
            }
        };
        let again = |reason: String| {
            let since = (self.options.now)()
                .duration_since(letter.died_at)
                .unwrap_or_default();
            if since < self.options.policy.give_up_after || !self.rounds.others_stored {
                return Retried::HeldBack {
                    id,
                    reason,
                    attempts,
                };
            }
            let reason = format!(
                "not stored for {} s, in which others were: {reason}",
                since.as_secs()
            );
            dies(reason)
        };
        match outcome {
            Outcome::Stored(failures) => match failures.into_iter().next() {
                None => {
                    info!(
                        sink = self.options.sink,
                        letter = id,
                        "An event that was held back is stored."
                    );
                    self.progress.stored_ahead();
                    Retried::Stored(id)
                }
                Some(failure) if failure.retryable => again(failure.reason),
                Some(failure) => dies(failure.reason),
            },
            Outcome::Refused { reason } => dies(reason),
            Outcome::Retry { reason, .. }
            | Outcome::Misconfigured { reason }
            | Outcome::Broken { reason, .. } => again(reason),
        }
    }

    /// Notes what became of letters; false when the stop came first.
    async fn note(&mut self, fates: Vec<Retried>, stop: &mut watch::Receiver<bool>) -> bool {
        if fates.is_empty() {
            return true;
        }
        while let Err(why) = self.journal.retried(fates.clone()).await {
            if self.heed(why) || pause(self.options.policy.first_wait, stop).await {
                return false;
            }
        }
        self.settle_trouble();
        true
    }
}

/// What became of letters that were tried again: some failed, and the rest is stored, but for what
/// was open when the sink stalled.
fn tell_fates(
    ids: Vec<i64>,
    failed: &[DeadLetter],
    work: &Work,
    stalled: Option<&str>,
) -> Vec<Retried> {
    let fate = |id: i64| match (failed.iter().find(|letter| letter.position == id), stalled) {
        (Some(letter), _) => Retried::Kept {
            id,
            reason: letter.reason.clone(),
            attempts: letter.attempts,
        },
        (None, Some(reason)) if !work.stored.contains(&id) => Retried::Kept {
            id,
            reason: reason.to_owned(),
            attempts: 1,
        },
        (None, _) => Retried::Stored(id),
    };
    ids.into_iter().map(fate).collect()
}
