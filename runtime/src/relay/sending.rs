//! A batch is sent until it is stored or given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, error, info, warn};

use super::destination::{Attempt, Destination, Outcome};
use super::gather::Items;
use super::item::Item;
use super::next::{Among, Next};
use super::progress::State;
use super::run::{Ended, Relay, pause};
use super::step::step;
use super::work::{Part, Work};

impl Relay<'_> {
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
            if !self
                .wait_and_probe(destination, &mut work, items, after, probe, stop)
                .await
            {
                return (work, Ended::Stopped);
            }
        }
        (work, Ended::Done)
    }

    /// Waits, and sends a probe at once or after that; false when the stop came first.
    async fn wait_and_probe<D: Destination>(
        &mut self,
        destination: &mut D,
        work: &mut Work,
        items: &Items,
        after: Duration,
        probe: Option<(bool, Among)>,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        for at_once in [true, false] {
            if let Some((_, among)) = probe.filter(|(when, _)| *when == at_once) {
                let Some(probe) = self.probe(destination, work, items, among, stop).await else {
                    return false;
                };
                work.probed(probe);
            }
            if at_once && pause(after, stop).await {
                return false;
            }
        }
        true
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

    /// Says that the sink stores events again, where it did not.
    pub(super) fn mended(&self) {
        if let Some((time, times)) = self.progress.mended() {
            info!(
                sink = self.options.sink,
                times,
                seconds = time.as_secs(),
                "The sink stores events again."
            );
        }
    }
}
