//! Is the destination down, or is it an event? An event of another object, sent by itself, shows it.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::debug;

use crate::event::ObjectReference;
use crate::journal::Position;

use super::gather::Items;
use super::run::Relay;
use super::{Attempt, Destination, Item, Outcome, Probe, Work};

/// Rows after the batch among which a probe is looked for, and their bytes.
const ROWS: usize = 100;
const BYTES: usize = 1 << 20;

impl Relay<'_> {
    /// Sends an event whose object none of the front part is about, so that no object's events change places. None when the stop came first.
    pub(super) async fn probe<D: Destination>(
        &mut self,
        destination: &mut D,
        work: &Work,
        items: &Items,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Probe> {
        let Some((position, item)) = self.other(work, items) else { return Some(Probe::None) };
        let attempt = Attempt { number: 0, maybe_sent: position <= self.unsure_through };
        let outcome = self.save(destination, attempt, &[item], stop).await?;
        debug!(sink = self.options.sink, position, ?outcome, "Probed.");
        match outcome {
            Outcome::Stored(failures) if failures.is_empty() => {
                if !items.contains_key(&position) {
                    self.ahead.insert(position);
                    self.progress.stored_ahead();
                }
                self.rounds.others_stored = true;
                Some(Probe::Stored(position))
            }
            _ => Some(Probe::NotStored),
        }
    }

    /// The first event, of this batch or after it, that is about none of the objects of the front part.
    fn other(&self, work: &Work, items: &Items) -> Option<(Position, Arc<Item>)> {
        let front = work.parts.front()?;
        let objects: Vec<&ObjectReference> =
            front.positions.iter().filter_map(|position| items.get(position)).map(|item| &item.event.regarding).collect();
        let is_other = |item: &Item| !objects.iter().any(|object| is_same(object, &item.event.regarding));
        let of_batch = work.parts.iter().skip(1).flat_map(|part| &part.positions);
        let of_batch = of_batch.filter_map(|position| Some((*position, items.get(position)?.clone()))).find(|(_, item)| is_other(item));
        of_batch.or_else(|| {
            // Dead letters that a person put back have numbers in place of positions.
            let rows = self.reader.read(work.through, ROWS, BYTES).ok().filter(|_| work.through < Position::MAX)?;
            let rows = rows.into_iter().filter(|row| !self.ahead.contains(&row.position));
            let mut others = rows.filter_map(|row| Item::from_row(row, &self.options.event).ok());
            let gets = |item: &Item| self.options.select.as_ref().is_none_or(|select| select.admits(&item.event).unwrap_or(true));
            others.find(|item| is_other(item) && gets(item)).map(|item| (item.position, Arc::new(item)))
        })
    }
}

fn is_same(a: &ObjectReference, b: &ObjectReference) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}
