//! Is the destination down, or is it an event? Another event, sent by itself, shows it.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::debug;

use crate::event::ObjectReference;
use crate::journal::Position;

use super::gather::Items;
use super::run::Relay;
use super::{Among, Attempt, Destination, Item, Outcome, Part, Probe, Work};

/// Rows after the batch among which a probe is looked for, and their bytes.
const ROWS: usize = 100;
const BYTES: usize = 1 << 20;

impl Relay<'_> {
    /// Sends another event. None when the stop came first.
    pub(super) async fn probe<D: Destination>(
        &mut self,
        destination: &mut D,
        work: &Work,
        items: &Items,
        among: Among,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Probe> {
        let Some((position, item)) = self.other(work, items, among) else { return Some(Probe::None) };
        let maybe_sent = |part: &Part| part.attempt.maybe_sent && part.positions.contains(&position);
        let attempt = Attempt { number: 0, maybe_sent: position <= self.unsure_through || work.parts.iter().any(maybe_sent) };
        let outcome = self.save(destination, attempt, &[item], stop).await?;
        debug!(sink = self.options.sink, position, ?outcome, "Probed.");
        match outcome {
            Outcome::Stored(failures) if failures.is_empty() => {
                if !items.contains_key(&position) {
                    self.stored_ahead(position);
                }
                self.rounds.others_stored = true;
                Some(Probe::Stored(position))
            }
            _ => {
                if !items.contains_key(&position) {
                    self.unsure_through = self.unsure_through.max(position);
                }
                Some(Probe::NotStored(position))
            }
        }
    }

    /// The first event of another object, or any: not always the same one, since that may be at fault, too.
    fn other(&self, work: &Work, items: &Items, among: Among) -> Option<(Position, Arc<Item>)> {
        let front = work.parts.front()?;
        let mut behind = self.behind(work, items);
        let turn = match among {
            Among::OtherObjects => {
                let of_front = front.positions.iter().filter_map(|position| items.get(position));
                let mut objects: Vec<ObjectReference> = of_front.map(|item| item.event.regarding.clone()).collect();
                behind.retain(|(_, item)| {
                    let is_new = !objects.iter().any(|object| is_same(object, &item.event.regarding));
                    if is_new {
                        objects.push(item.event.regarding.clone());
                    }
                    is_new
                });
                front.failed
            }
            // The next one has its turn when those before it have failed as often: it comes before them then.
            Among::AllObjects => (front.failed / self.options.policy.often()).saturating_sub(1),
        };
        let turn = turn as usize % behind.len().max(1);
        (turn < behind.len()).then(|| behind.swap_remove(turn))
    }

    /// What comes behind the front part, of this batch and after it, in order.
    fn behind(&self, work: &Work, items: &Items) -> Vec<(Position, Arc<Item>)> {
        let of_batch = work.parts.iter().skip(1).flat_map(|part| &part.positions);
        let of_batch = of_batch.filter_map(|position| Some((*position, items.get(position)?.clone())));
        // Dead letters that a person put back have numbers in place of positions.
        let (origins, rows) = match self.origins() {
            Ok(origins) if work.through < Position::MAX => (origins, self.reader.read(work.through, ROWS, BYTES).unwrap_or_default()),
            _ => Default::default(),
        };
        let rows = rows.into_iter().filter(|row| !self.is_there(row, &origins));
        let gets = |item: &Item| self.options.select.as_ref().is_none_or(|select| select.admits(&item.event).unwrap_or(true));
        let after = rows.filter_map(|row| Item::from_row(row, &self.options.event).ok()).filter(gets);
        of_batch.chain(after.map(|item| (item.position, Arc::new(item)))).collect()
    }
}

fn is_same(a: &ObjectReference, b: &ObjectReference) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}
