//! What to do after an answer. Pure: a function of values, without clock or randomness of its own.

use std::collections::VecDeque;
use std::time::Duration;

use crate::journal::{DeadLetter, Position};

use super::{Attempt, Failure, Outcome};

/// How patient the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The wait after the first failure; doubled at each further one.
    pub first_wait: Duration,
    /// The longest wait of its own accord.
    pub longest_wait: Duration,
    /// The longest wait that a destination can ask for.
    pub longest_asked: Duration,
    /// The wait after `misconfigured`.
    pub misconfigured_wait: Duration,
    /// Tries of an event that the destination calls retryable while it stores its neighbours; then it is a dead letter.
    pub tries_alone: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(30),
            longest_asked: Duration::from_secs(15 * 60),
            misconfigured_wait: Duration::from_secs(15),
            tries_alone: 20,
        }
    }
}

/// Events of a batch that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Positions, in order.
    pub positions: Vec<Position>,
    /// What the next try is told.
    pub attempt: Attempt,
    /// How often they were named as not stored while others were.
    pub named: u32,
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
    /// Events stored.
    pub stored: usize,
}

impl Work {
    /// A batch that was just read: one part. Positions up to `unsure_through` may have been sent before.
    pub fn new(positions: Vec<Position>, through: Position, unsure_through: Position) -> Self {
        let maybe_sent = positions.first().is_some_and(|first| *first <= unsure_through);
        let attempt = Attempt { number: 0, maybe_sent };
        let parts = if positions.is_empty() { VecDeque::new() } else { VecDeque::from([Part { positions, attempt, named: 0 }]) };
        Self { parts, through, dead: Vec::new(), stored: 0 }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the front part after this wait.
    Send {
        /// How long.
        after: Duration,
    },
    /// Everything is stored or given up: acknowledge.
    Acknowledge,
}

/// Takes the answer to the front part into the work. `spread`, from 0 up to 1, is the jitter: waits grow by up to a quarter.
pub fn step(mut work: Work, outcome: Outcome, policy: &Policy, spread: f64) -> (Work, Next) {
    let Some(part) = work.parts.pop_front() else { return (work, Next::Acknowledge) };
    let backoff = policy.first_wait.saturating_mul(1 << part.attempt.number.min(16)).min(policy.longest_wait);
    let wait = |after: Option<Duration>| {
        let own = backoff.mul_f64(1.0 + spread.clamp(0.0, 1.0) / 4.0);
        own.max(after.unwrap_or_default().min(policy.longest_asked))
    };
    let after = match outcome {
        Outcome::Stored(failures) => stored(&mut work, part, failures, policy).map(|asked| wait(Some(asked))),
        Outcome::Retry { after, .. } => {
            // "Nothing is known to be stored" is no proof that nothing was.
            again(&mut work, part, true);
            Some(wait(after))
        }
        Outcome::Misconfigured { .. } => {
            let sent = part.attempt.maybe_sent;
            again(&mut work, part, sent);
            Some(wait(Some(policy.misconfigured_wait)))
        }
        Outcome::Broken { maybe_sent, .. } => {
            let sent = part.attempt.maybe_sent || maybe_sent;
            again(&mut work, part, sent);
            Some(wait(None))
        }
        Outcome::Refused { reason } => {
            refused(&mut work, part, reason);
            None
        }
    };
    match work.parts.is_empty() {
        true => (work, Next::Acknowledge),
        false => (work, Next::Send { after: after.unwrap_or_default() }),
    }
}

fn again(work: &mut Work, mut part: Part, maybe_sent: bool) {
    part.attempt = Attempt { number: part.attempt.number.saturating_add(1), maybe_sent };
    work.parts.push_front(part);
}

/// Sorts named failures; gives the wait that they ask for, if any is to be tried again.
fn stored(work: &mut Work, part: Part, failures: Vec<Failure>, policy: &Policy) -> Option<Duration> {
    let named = part.named + 1;
    let all_failed = failures.len() >= part.positions.len();
    let mut again: Vec<Position> = Vec::new();
    let mut asked = Duration::ZERO;
    let mut gone = 0;
    for failure in failures {
        // An index beyond the batch names nothing; the boundary that the answer crossed has refused it already.
        let Some(position) = part.positions.get(failure.index).copied() else { continue };
        gone += 1;
        let exhausted = !all_failed && named >= policy.tries_alone;
        if failure.retryable && !exhausted {
            asked = asked.max(failure.after.unwrap_or_default());
            again.push(position);
        } else {
            let reason = if failure.retryable { format!("retries exhausted: {}", failure.reason) } else { failure.reason };
            work.dead.push(DeadLetter { position, reason, attempts: part.attempt.number + 1 });
        }
    }
    work.stored += part.positions.len().saturating_sub(gone);
    if again.is_empty() {
        return None;
    }
    again.sort_unstable();
    again.dedup();
    let attempt = Attempt { number: part.attempt.number.saturating_add(1), maybe_sent: part.attempt.maybe_sent };
    work.parts.push_front(Part { positions: again, attempt, named: if all_failed { part.named } else { named } });
    Some(asked)
}

/// Refused as a whole: the halves are tried alone until the event to blame is.
fn refused(work: &mut Work, mut part: Part, reason: String) {
    if let [position] = part.positions[..] {
        work.dead.push(DeadLetter { position, reason, attempts: part.attempt.number + 1 });
        return;
    }
    let second = part.positions.split_off(part.positions.len() / 2);
    let half = |positions| Part { positions, attempt: Attempt { number: 0, ..part.attempt }, named: part.named };
    work.parts.push_front(half(second));
    work.parts.push_front(half(std::mem::take(&mut part.positions)));
}
