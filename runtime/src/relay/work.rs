//! A batch on its way: what of it is still to be sent, and what became of the rest. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::journal::{DeadLetter, Position};

use super::destination::Attempt;
use super::next::Next;

/// Events of a batch that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Positions, in order.
    pub positions: Vec<Position>,
    /// What the next try is told.
    pub attempt: Attempt,
    /// How often they were named as not stored while others were.
    pub named: u32,
    /// How many fresh instances they broke.
    pub kills: u32,
    /// How often they were tried while nothing was stored, since a probe was last.
    pub failed: u32,
    /// Whether a probe was stored since they failed last: if they fail again, it is their own
    /// fault.
    pub proven: bool,
}

impl Part {
    /// To be tried for the first time.
    pub(super) fn new(positions: Vec<Position>, attempt: Attempt) -> Self {
        Self {
            positions,
            attempt,
            named: 0,
            kills: 0,
            failed: 0,
            proven: false,
        }
    }
}

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What is still to be sent; the front one is next.
    pub parts: VecDeque<Part>,
    /// Where the cursor goes when all is done.
    pub through: Position,
    /// Events given up, with the reasons.
    pub dead: Vec<DeadLetter>,
    /// Events that are dead letters once a later one is stored.
    pub suspects: Vec<DeadLetter>,
    /// Positions of events stored. After a stall some lie behind `through`: they are not sent
    /// again.
    pub stored: Vec<Position>,
    /// Events refused in a row, those of batches before included.
    pub refusals: u32,
}

impl Work {
    /// A batch that was just read: one part. Positions up to `unsure_through` may have been sent
    /// before; `refusals` were refused in a row.
    pub fn new(
        positions: Vec<Position>,
        through: Position,
        unsure_through: Position,
        refusals: u32,
    ) -> Self {
        let maybe_sent = positions
            .first()
            .is_some_and(|first| *first <= unsure_through);
        let attempt = Attempt {
            number: 0,
            maybe_sent,
        };
        let parts = if positions.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([Part::new(positions, attempt)])
        };
        Self {
            parts,
            through,
            dead: Vec::new(),
            suspects: Vec::new(),
            stored: Vec::new(),
            refusals,
        }
    }

    /// Ends a batch that stalls: what is settled stays so, and the cursor goes to the last event
    /// before the first that isn't.
    pub(super) fn stall(mut self, wait: Duration, reason: String) -> (Self, Next) {
        let open = self.suspects.iter().map(|letter| letter.position).chain(
            self.parts
                .iter()
                .flat_map(|part| part.positions.iter().copied()),
        );
        if let Some(first) = open.min() {
            self.through = first - 1;
            // What is not stored behind it is read again.
            self.dead.retain(|letter| letter.position < first);
        }
        self.parts.clear();
        self.suspects.clear();
        (
            self,
            Next::Stall {
                after: wait,
                reason,
            },
        )
    }

    /// Takes in how a probe ended: whether the other event was `stored`, or that there is `none`.
    /// An event of this very work that was is done.
    pub fn probed(&mut self, probe: Probe) {
        let Some(mut front) = self.parts.pop_front() else {
            return;
        };
        match probe {
            Probe::Stored(position) => {
                (front.proven, front.failed) = (true, 0);
                for part in &mut self.parts {
                    self.stored
                        .extend(part.positions.extract_if(.., |other| *other == position));
                }
                self.parts.retain(|part| !part.positions.is_empty());
            }
            // Its halves can be each other's probes.
            Probe::None if front.positions.len() > 1 => {
                front.attempt.number = 0;
                return halve(self, front);
            }
            Probe::NotStored(position) => {
                let sent = self
                    .parts
                    .iter_mut()
                    .filter(|part| part.positions.contains(&position));
                sent.for_each(|part| part.attempt.maybe_sent = true);
            }
            Probe::None => {}
        }
        self.parts.push_front(front);
    }
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// This event was stored.
    Stored(Position),
    /// This event is not known to be stored, whatever the reason; it may be.
    NotStored(Position),
    /// There is no such event.
    None,
}

/// Puts the halves of a part in front, in their order and with all that is known of it.
pub(super) fn halve(work: &mut Work, mut part: Part) {
    let second = part.positions.split_off(part.positions.len() / 2);
    work.parts.push_front(Part {
        positions: second,
        ..part.clone()
    });
    work.parts.push_front(part);
}
