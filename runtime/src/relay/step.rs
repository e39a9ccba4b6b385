//! What to do after an answer. Pure: a function of values, without clock or randomness of its own.
//!
//! # Who is blamed
//!
//! - An event that a destination names as never to be stored, or refuses alone, is a dead letter.
//!   After [`Policy::refusals`] such in a row, without one stored, it is the sink that is blamed:
//!   it stalls, and drops nothing.
//! - An event that alone breaks [`Policy::kills`] fresh instances is a suspect. It is a dead letter
//!   once a later one of the batch is stored. Without that, or with [`Policy::suspects`] of them in
//!   a row, it is the sink that is blamed: it stalls, and drops nothing.
//! - A destination that stores nothing is down, and no event is to blame. After [`Policy::tries`]
//!   tries an event of another object is sent by itself, and shows whether it is ([`Next::Probe`]);
//!   where none is, half as many tries later, the part is halved until one event is alone, and then
//!   any other event does. If that one is stored, and the part in front fails again, the part is
//!   halved until the event to blame is alone. Then that is *held back*: the cursor goes on, and it
//!   is tried again by itself, among the dead letters, for as long as the operator says.
//! - An event that the destination calls retryable while it stores others in the same call is held
//!   back after as many tries.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::journal::{DeadLetter, Position};

use super::{Attempt, Cause, Failure, Outcome, Policy};

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
    fn new(positions: Vec<Position>, attempt: Attempt) -> Self {
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
    fn stall(mut self, wait: Duration, reason: String) -> (Self, Next) {
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
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the front part after this wait.
    Send {
        /// How long.
        after: Duration,
    },
    /// Send another event by itself; [`Work::probed`] takes in whether it is stored. Then send the
    /// front part.
    Probe {
        /// How long the front part waits.
        after: Duration,
        /// Before that wait: what is stored a moment after the front part was not shows more, and
        /// comes before it in fewer cases. After it where the destination has asked for the wait.
        at_once: bool,
        /// Which event.
        among: Among,
    },
    /// Everything is stored or given up: acknowledge.
    Acknowledge,
    /// The sink is to blame: acknowledge up to `through`, wait, and read again from there.
    Stall {
        /// How long.
        after: Duration,
        /// Why, for people.
        reason: String,
    },
}

/// Takes the answer to the front part into the work. `spread`, from 0 up to 1, is the jitter: waits
/// grow by up to a quarter.
pub fn step(mut work: Work, outcome: Outcome, policy: &Policy, spread: f64) -> (Work, Next) {
    let Some(part) = work.parts.pop_front() else {
        return (work, Next::Acknowledge);
    };
    let backoff = policy
        .first_wait
        .saturating_mul(1 << part.attempt.number.min(16))
        .min(policy.longest_wait_after(part.failed + 1));
    let spread = 1.0 + spread.clamp(0.0, 1.0) / 4.0;
    let wait = |after: Option<Duration>| {
        backoff
            .mul_f64(spread)
            .max(after.unwrap_or_default().min(policy.longest_asked))
    };
    let stalled = policy.misconfigured_wait.mul_f64(spread);
    let (mut then, mut at_once) = (Then::Wait, true);
    let after = match all_unstored(outcome, &part) {
        Outcome::Stored(failures) => {
            stored(&mut work, part, failures, policy).map(|asked| wait(Some(asked)))
        }
        Outcome::Retry { after, reason } => {
            // "Nothing is known to be stored" is no proof that nothing was.
            at_once = after.is_none();
            then = unstored(&mut work, part, true, &reason, policy);
            Some(wait(after))
        }
        Outcome::Misconfigured { .. } => {
            work.parts.push_front(Part {
                attempt: next(part.attempt, false),
                ..part
            });
            Some(wait(Some(policy.misconfigured_wait)))
        }
        Outcome::Broken {
            maybe_sent,
            cause: Cause::Waiting,
            after,
            reason,
        } => {
            at_once = after.is_none();
            then = unstored(&mut work, part, maybe_sent, &reason, policy);
            Some(wait(after))
        }
        Outcome::Broken {
            reason,
            maybe_sent,
            cause: Cause::Sink,
            after,
        } => {
            broken(&mut work, part, maybe_sent, &reason, policy);
            // Nothing is left to show whether an event or the sink is to blame, or too much speaks
            // against the sink.
            if !work.suspects.is_empty()
                && (work.parts.is_empty() || work.suspects.len() >= policy.suspects)
            {
                return work.stall(stalled.max(wait(after)), reason);
            }
            Some(wait(after))
        }
        Outcome::Refused { reason } => {
            if part.positions.len() == 1 {
                work.refusals = work.refusals.saturating_add(1);
                if work.refusals >= policy.refusals {
                    let words = format!(
                        "{} events in a row were refused, so it is not the events' fault: {reason}",
                        work.refusals
                    );
                    work.parts.push_front(part);
                    return work.stall(stalled, words);
                }
            }
            refused(&mut work, part, reason);
            None
        }
    };
    match work.parts.is_empty() {
        // The last ones of a batch can't clear those before: nothing of it was stored after them.
        true if !work.suspects.is_empty() => {
            let reason = work
                .suspects
                .first()
                .map(|letter| letter.reason.clone())
                .unwrap_or_default();
            work.stall(stalled, reason)
        }
        true => (work, Next::Acknowledge),
        false => (work, then.next(after.unwrap_or_default(), at_once)),
    }
}

impl Work {
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

/// What a probe is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The first events of other objects than those of the front part, so that no object's events
    /// change places.
    OtherObjects,
    /// All events.
    AllObjects,
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

/// An answer that names each event of a part as not stored, and as to be tried again, says no more
/// than [`Outcome::Retry`].
fn all_unstored(outcome: Outcome, part: &Part) -> Outcome {
    match outcome {
        Outcome::Stored(failures)
            if failures.len() >= part.positions.len()
                && failures.iter().all(|failure| failure.retryable) =>
        {
            let after = failures.iter().filter_map(|failure| failure.after).max();
            match failures.into_iter().next() {
                Some(Failure { reason, .. }) => Outcome::Retry { reason, after },
                None => Outcome::Stored(Vec::new()),
            }
        }
        other => other,
    }
}

/// Nothing of a part was stored, and nothing says whose fault it is.
fn unstored(
    work: &mut Work,
    mut part: Part,
    maybe_sent: bool,
    reason: &str,
    policy: &Policy,
) -> Then {
    part.attempt = next(part.attempt, maybe_sent);
    part.failed = part.failed.saturating_add(1);
    if !std::mem::take(&mut part.proven) {
        let often = part.failed >= policy.often();
        let probes = part.failed >= policy.tries;
        if often && part.positions.len() > 1 {
            // What could show it may be at fault, too: fewer events, and others behind them.
            part.attempt.number = 0;
            halve(work, part);
            return Then::Wait;
        }
        work.parts.push_front(part);
        return if probes {
            Then::Probe(if often {
                Among::AllObjects
            } else {
                Among::OtherObjects
            })
        } else {
            Then::Wait
        };
    }
    let [position] = part.positions[..] else {
        // The first failure of a half calls for a probe.
        part.failed = policy.tries.saturating_sub(1);
        part.attempt.number = 0;
        halve(work, part);
        return Then::Wait;
    };
    work.dead
        .push(held_back(position, reason, part.attempt.number));
    Then::GoOn
}

/// What follows when nothing of a part was stored.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// It is tried again.
    Wait,
    /// A probe shows whose fault it is.
    Probe(Among),
    /// It is held back. Another event was stored a moment ago, so the next part needs no wait, but
    /// one that the destination has asked for.
    GoOn,
}

impl Then {
    fn next(self, after: Duration, at_once: bool) -> Next {
        match self {
            Self::Probe(among) => Next::Probe {
                after,
                at_once,
                among,
            },
            Self::GoOn if at_once => Next::Send {
                after: Duration::ZERO,
            },
            Self::Wait | Self::GoOn => Next::Send { after },
        }
    }
}

fn held_back(position: Position, reason: &str, attempts: u32) -> DeadLetter {
    DeadLetter {
        position,
        reason: reason.to_owned(),
        attempts,
        held_back: true,
    }
}

/// What the next try is told.
fn next(attempt: Attempt, maybe_sent: bool) -> Attempt {
    Attempt {
        number: attempt.number.saturating_add(1),
        maybe_sent: attempt.maybe_sent || maybe_sent,
    }
}

/// Sorts named failures, beside which something was stored; gives the wait that they ask for, if
/// any is to be tried again.
fn stored(
    work: &mut Work,
    part: Part,
    failures: Vec<Failure>,
    policy: &Policy,
) -> Option<Duration> {
    let named = part.named + 1;
    let attempts = part.attempt.number + 1;
    let named_ones: BTreeSet<usize> = failures.iter().map(|failure| failure.index).collect();
    let passed = part
        .positions
        .iter()
        .enumerate()
        .filter(|(index, _)| !named_ones.contains(index))
        .map(|(_, position)| *position);
    let passed: Vec<Position> = passed.collect();
    let some_stored = !passed.is_empty();
    let mut again: Vec<Position> = Vec::new();
    let mut asked = Duration::ZERO;
    for failure in failures {
        // An index beyond the batch names nothing; the boundary that the answer crossed has refused
        // it already.
        let Some(position) = part.positions.get(failure.index).copied() else {
            continue;
        };
        if !failure.retryable {
            work.dead.push(DeadLetter {
                position,
                reason: failure.reason,
                attempts,
                held_back: false,
            });
        } else if named >= policy.tries && some_stored {
            work.dead
                .push(held_back(position, &failure.reason, attempts));
        } else {
            asked = asked.max(failure.after.unwrap_or_default());
            again.push(position);
        }
    }
    work.stored.extend(passed);
    if some_stored {
        work.refusals = 0;
        work.dead.append(&mut work.suspects);
    }
    if again.is_empty() {
        return None;
    }
    again.sort_unstable();
    again.dedup();
    // That one is named as not stored is no proof: the answer about it may be what got lost.
    let attempt = next(part.attempt, true);
    work.parts.push_front(Part {
        named: if some_stored { named } else { part.named },
        ..Part::new(again, attempt)
    });
    Some(asked)
}

/// Refused as a whole: the halves are tried alone until the event to blame is.
fn refused(work: &mut Work, part: Part, reason: String) {
    if let [position] = part.positions[..] {
        work.dead.push(DeadLetter {
            position,
            reason,
            attempts: part.attempt.number + 1,
            held_back: false,
        });
        return;
    }
    let attempt = Attempt {
        number: 0,
        ..part.attempt
    };
    halve(
        work,
        Part {
            named: part.named,
            ..Part::new(part.positions, attempt)
        },
    );
}

/// Broke its instance: the halves are tried alone, and what does it alone, again and again, is a
/// suspect.
fn broken(work: &mut Work, mut part: Part, maybe_sent: bool, reason: &str, policy: &Policy) {
    let attempt = next(part.attempt, maybe_sent);
    let [position] = part.positions[..] else {
        return halve(
            work,
            Part {
                named: part.named,
                ..Part::new(part.positions, attempt)
            },
        );
    };
    part.kills += 1;
    part.attempt = attempt;
    if part.kills < policy.kills {
        return work.parts.push_front(part);
    }
    let reason = format!(
        "it broke {} fresh instances alone, and others were stored after it: {reason}",
        part.kills
    );
    work.suspects.push(DeadLetter {
        position,
        reason,
        attempts: attempt.number,
        held_back: false,
    });
}

/// In the same order, with all that is known of it.
fn halve(work: &mut Work, mut part: Part) {
    let second = part.positions.split_off(part.positions.len() / 2);
    work.parts.push_front(Part {
        positions: second,
        ..part.clone()
    });
    work.parts.push_front(part);
}
