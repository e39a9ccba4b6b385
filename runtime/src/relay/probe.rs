//! Is the destination down, or is it an event? Another event, sent by itself, shows it.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::debug;

use crate::event::ObjectReference;
use crate::journal::Position;

use super::destination::{Attempt, Destination, Outcome};
use super::gather::Items;
use super::item::Item;
use super::next::Among;
use super::run::Relay;
use super::work::{Part, Probe, Work};

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
        let Some((position, item)) = self.other(work, items, among) else {
            return Some(Probe::None);
        };
        let maybe_sent =
            |part: &Part| part.attempt.maybe_sent && part.positions.contains(&position);
        let attempt = Attempt {
            number: 0,
            maybe_sent: position <= self.unsure_through || work.parts.iter().any(maybe_sent),
        };
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

    /// The first event of another object, or any: not always the same one, since that may be at
    /// fault, too.
    fn other(&self, work: &Work, items: &Items, among: Among) -> Option<(Position, Arc<Item>)> {
        let front = work.parts.front()?;
        let mut behind = self.behind(work, items);
        let turn = match among {
            Among::OtherObjects => {
                let of_front = front
                    .positions
                    .iter()
                    .filter_map(|position| items.get(position));
                let mut objects: Vec<ObjectReference> =
                    of_front.map(|item| item.event.regarding.clone()).collect();
                behind.retain(|(_, item)| {
                    let is_new = !objects
                        .iter()
                        .any(|object| is_same(object, &item.event.regarding));
                    if is_new {
                        objects.push(item.event.regarding.clone());
                    }
                    is_new
                });
                front.failed as usize
            }
            Among::AllObjects => {
                // Those of the front part's own object first: events of other objects were probes
                // before.
                let own = front
                    .positions
                    .first()
                    .and_then(|position| items.get(position))
                    .map(|item| item.event.regarding.clone());
                behind.sort_by_key(|(_, item)| {
                    !own.as_ref()
                        .is_some_and(|own| is_same(own, &item.event.regarding))
                });
                // The next one has its turn when those before it have failed as often as the front
                // part: it comes before them then.
                let often = self.options.policy.often();
                let tries = |position: &Position| {
                    let part = work
                        .parts
                        .iter()
                        .find(|part| part.positions.contains(position));
                    part.map_or(often, |part| often.saturating_sub(part.failed).max(1))
                };
                in_turn(
                    front.failed.saturating_sub(often),
                    &behind
                        .iter()
                        .map(|(position, _)| tries(position))
                        .collect::<Vec<_>>(),
                )
            }
        };
        let turn = turn % behind.len().max(1);
        (turn < behind.len()).then(|| behind.swap_remove(turn))
    }

    /// What comes behind the front part, of this batch and after it, in order.
    fn behind(&self, work: &Work, items: &Items) -> Vec<(Position, Arc<Item>)> {
        let of_batch = work.parts.iter().skip(1).flat_map(|part| &part.positions);
        let of_batch =
            of_batch.filter_map(|position| Some((*position, items.get(position)?.clone())));
        // Dead letters that a person put back have numbers in place of positions.
        let (origins, rows) = match self.origins() {
            Ok(origins) if work.through < Position::MAX => (
                origins,
                self.reader
                    .read(work.through, ROWS, BYTES)
                    .unwrap_or_default(),
            ),
            _ => Default::default(),
        };
        let rows = rows.into_iter().filter(|row| !self.is_there(row, &origins));
        let gets = |item: &Item| {
            self.options
                .select
                .as_ref()
                .is_none_or(|select| select.admits(&item.event).unwrap_or(true))
        };
        let after = rows
            .filter_map(|row| Item::from_row(row, &self.options.event).ok())
            .filter(gets);
        of_batch
            .chain(after.map(|item| (item.position, Arc::new(item))))
            .collect()
    }
}

/// Whose turn a try is, where each has so many tries, one after the other, and again from the
/// first.
fn in_turn(number: u32, tries: &[u32]) -> usize {
    let mut left = number.checked_rem(tries.iter().sum()).unwrap_or(0);
    let has_turn = |tries: &u32| {
        let has_turn = left < *tries;
        left = left.saturating_sub(*tries);
        has_turn
    };
    tries.iter().position(has_turn).unwrap_or(0)
}

fn is_same(a: &ObjectReference, b: &ObjectReference) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_tries_and_then_the_first_again() {
        let turns: Vec<usize> = (0..8).map(|number| in_turn(number, &[1, 3, 2])).collect();
        assert_eq!(turns, [0, 1, 1, 1, 2, 2, 0, 1]);
        assert_eq!(in_turn(5, &[]), 0);
    }
}
