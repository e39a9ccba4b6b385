//! What to do after an answer. Pure: a function of values, without clock or randomness of its own.
//!
//! # Who is blamed
//!
//! - An event that a destination names as never to be stored, or refuses alone, is a dead letter. After [`Policy::refusals`] such in a row,
//!   without one stored, it is the sink that is blamed: it stalls, and drops nothing.
//! - An event that alone breaks [`Policy::kills`] fresh instances is a suspect. It is a dead letter once a later one of the batch is
//!   stored. Without that, or with [`Policy::suspects`] of them in a row, it is the sink that is blamed: it stalls, and drops nothing.
//! - A destination that stores nothing is down, and no event is to blame. After [`Policy::tries`] tries an event of another object is sent by itself, and
//!   shows whether it is ([`Next::Probe`]). If that one is stored, and the part in front fails again, the part is halved until the event to blame is
//!   alone. Then that is *held back*: the cursor goes on, and it is tried again by itself, among the dead letters, for as long as the operator says.
//! - An event that the destination calls retryable while it stores others in the same call is held back after as many tries.

use std::collections::VecDeque;
use std::time::Duration;

use crate::journal::{DeadLetter, Position};

use super::{Attempt, Cause, Failure, Outcome};

/// How patient the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The wait after the first failure; doubled at each further one.
    pub first_wait: Duration,
    /// The longest wait of its own accord.
    pub longest_wait: Duration,
    /// The longest wait that a destination can ask for.
    pub longest_asked: Duration,
    /// The wait after `misconfigured`, and of a sink that stalls.
    pub misconfigured_wait: Duration,
    /// Tries of what is not stored, until it is found out whether an event is to blame.
    pub tries: u32,
    /// How long an event that is held back is tried again, while others are stored; then it is a dead letter.
    pub give_up_after: Duration,
    /// Fresh instances that an event breaks alone until it is a suspect.
    pub kills: u32,
    /// Suspects in a row, without an event stored between, that make it the sink's fault.
    pub suspects: usize,
    /// Events refused in a row, without one stored between, that make it the sink's fault.
    pub refusals: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(30),
            longest_asked: Duration::from_secs(15 * 60),
            misconfigured_wait: Duration::from_secs(15),
            tries: 6,
            give_up_after: Duration::from_secs(3600),
            kills: 3,
            suspects: 8,
            refusals: 16,
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
    /// How many fresh instances they broke.
    pub kills: u32,
    /// How often they were tried while nothing was stored, since a probe was last.
    pub failed: u32,
    /// Whether a probe was stored since they failed last: if they fail again, it is their own fault.
    pub proven: bool,
}

impl Part {
    /// To be tried for the first time.
    fn new(positions: Vec<Position>, attempt: Attempt) -> Self {
        Self { positions, attempt, named: 0, kills: 0, failed: 0, proven: false }
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
    /// Events stored.
    pub stored: usize,
    /// Events refused in a row, those of batches before included.
    pub refusals: u32,
}

impl Work {
    /// A batch that was just read: one part. Positions up to `unsure_through` may have been sent before; `refusals` were refused in a row.
    pub fn new(positions: Vec<Position>, through: Position, unsure_through: Position, refusals: u32) -> Self {
        let maybe_sent = positions.first().is_some_and(|first| *first <= unsure_through);
        let attempt = Attempt { number: 0, maybe_sent };
        let parts = if positions.is_empty() { VecDeque::new() } else { VecDeque::from([Part::new(positions, attempt)]) };
        Self { parts, through, dead: Vec::new(), suspects: Vec::new(), stored: 0, refusals }
    }

    /// Ends a batch that stalls: what is settled stays so, and the cursor goes to the last event before the first that isn't.
    fn stall(mut self, wait: Duration, reason: String) -> (Self, Next) {
        let open = self.suspects.iter().map(|letter| letter.position).chain(self.parts.iter().flat_map(|part| part.positions.iter().copied()));
        if let Some(first) = open.min() {
            self.through = first - 1;
            // What lies behind it is read again.
            self.dead.retain(|letter| letter.position < first);
        }
        self.parts.clear();
        self.suspects.clear();
        (self, Next::Stall { after: wait, reason })
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
    /// Send an event of another object by itself; [`Work::probed`] takes in whether it is stored. Then send the front part.
    Probe {
        /// How long the front part waits.
        after: Duration,
        /// Before that wait: what is stored a moment after the front part was not shows more, and comes before it in fewer cases. After it where the
        /// destination has asked for the wait.
        at_once: bool,
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

/// Takes the answer to the front part into the work. `spread`, from 0 up to 1, is the jitter: waits grow by up to a quarter.
pub fn step(mut work: Work, outcome: Outcome, policy: &Policy, spread: f64) -> (Work, Next) {
    let Some(part) = work.parts.pop_front() else { return (work, Next::Acknowledge) };
    let backoff = policy.first_wait.saturating_mul(1 << part.attempt.number.min(16)).min(policy.longest_wait);
    let spread = 1.0 + spread.clamp(0.0, 1.0) / 4.0;
    let wait = |after: Option<Duration>| backoff.mul_f64(spread).max(after.unwrap_or_default().min(policy.longest_asked));
    let stalled = policy.misconfigured_wait.mul_f64(spread);
    let (mut probe, mut at_once) = (false, true);
    let after = match outcome {
        Outcome::Stored(failures) if !part.positions.is_empty() && failures.len() >= part.positions.len() && failures.iter().all(|f| f.retryable) => {
            let asked = failures.iter().filter_map(|failure| failure.after).max();
            let reason = failures.into_iter().next().map(|failure| failure.reason).unwrap_or_default();
            at_once = asked.is_none();
            probe = unstored(&mut work, part, &reason, policy);
            Some(wait(asked))
        }
        Outcome::Stored(failures) => stored(&mut work, part, failures, policy).map(|asked| wait(Some(asked))),
        Outcome::Retry { after, reason } => {
            // "Nothing is known to be stored" is no proof that nothing was.
            at_once = after.is_none();
            probe = unstored(&mut work, Part { attempt: Attempt { maybe_sent: true, ..part.attempt }, ..part }, &reason, policy);
            Some(wait(after))
        }
        Outcome::Misconfigured { .. } => {
            let sent = part.attempt.maybe_sent;
            again(&mut work, part, sent);
            Some(wait(Some(policy.misconfigured_wait)))
        }
        Outcome::Broken { maybe_sent, cause: Cause::Waiting, after, reason } => {
            let sent = part.attempt.maybe_sent || maybe_sent;
            at_once = after.is_none();
            probe = unstored(&mut work, Part { attempt: Attempt { maybe_sent: sent, ..part.attempt }, ..part }, &reason, policy);
            Some(wait(after))
        }
        Outcome::Broken { reason, maybe_sent, cause: Cause::Sink, after } => {
            broken(&mut work, part, maybe_sent, &reason, policy);
            // Nothing is left to show whether an event or the sink is to blame, or too much speaks against the sink.
            if !work.suspects.is_empty() && (work.parts.is_empty() || work.suspects.len() >= policy.suspects) {
                return work.stall(stalled.max(wait(after)), reason);
            }
            Some(wait(after))
        }
        Outcome::Refused { reason } => {
            if part.positions.len() == 1 {
                work.refusals = work.refusals.saturating_add(1);
                if work.refusals >= policy.refusals {
                    let words = format!("{} events in a row were refused, so it is not the events' fault: {reason}", work.refusals);
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
            let reason = work.suspects.first().map(|letter| letter.reason.clone()).unwrap_or_default();
            work.stall(stalled, reason)
        }
        true => (work, Next::Acknowledge),
        false if probe => (work, Next::Probe { after: after.unwrap_or_default(), at_once }),
        false => (work, Next::Send { after: after.unwrap_or_default() }),
    }
}

impl Work {
    /// Takes in how a probe ended: whether an event of another object was `stored`, or that there is `none`. An event of this very work that was is done.
    pub fn probed(&mut self, probe: Probe) {
        let Some(mut front) = self.parts.pop_front() else { return };
        match probe {
            Probe::Stored(position) => {
                (front.proven, front.failed) = (true, 0);
                for part in &mut self.parts {
                    let before = part.positions.len();
                    part.positions.retain(|other| *other != position);
                    self.stored += before - part.positions.len();
                }
                self.parts.retain(|part| !part.positions.is_empty());
            }
            // Its halves can be each other's probes.
            Probe::None if front.positions.len() > 1 => return split(self, front),
            Probe::None | Probe::NotStored => {}
        }
        self.parts.push_front(front);
    }
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// This event was stored.
    Stored(Position),
    /// It was not, whatever the reason.
    NotStored,
    /// There is no event of another object.
    None,
}

/// Nothing of a part was stored, and nothing says whose fault it is. Gives whether a probe is to show it.
fn unstored(work: &mut Work, mut part: Part, reason: &str, policy: &Policy) -> bool {
    part.attempt.number = part.attempt.number.saturating_add(1);
    part.failed = part.failed.saturating_add(1);
    if !std::mem::take(&mut part.proven) {
        let probe = part.failed >= policy.tries;
        work.parts.push_front(part);
        return probe;
    }
    let [position] = part.positions[..] else {
        // The first failure of a half calls for a probe.
        part.failed = policy.tries.saturating_sub(1);
        split(work, part);
        return false;
    };
    work.dead.push(held_back(position, reason, part.attempt.number));
    false
}

fn held_back(position: Position, reason: &str, attempts: u32) -> DeadLetter {
    DeadLetter { position, reason: reason.to_owned(), attempts, held_back: true }
}

/// In the same order, with all that is known of it.
fn split(work: &mut Work, mut part: Part) {
    let attempt = Attempt { number: 0, ..part.attempt };
    let second = part.positions.split_off(part.positions.len() / 2);
    work.parts.push_front(Part { positions: second, attempt, ..part.clone() });
    work.parts.push_front(Part { attempt, ..part });
}

fn again(work: &mut Work, mut part: Part, maybe_sent: bool) {
    part.attempt = Attempt { number: part.attempt.number.saturating_add(1), maybe_sent };
    work.parts.push_front(part);
}

/// Sorts named failures, beside which something was stored; gives the wait that they ask for, if any is to be tried again.
fn stored(work: &mut Work, part: Part, failures: Vec<Failure>, policy: &Policy) -> Option<Duration> {
    let named = part.named + 1;
    let attempts = part.attempt.number + 1;
    let others_stored = failures.len() < part.positions.len();
    let mut again: Vec<Position> = Vec::new();
    let mut asked = Duration::ZERO;
    let mut gone = 0;
    for failure in failures {
        // An index beyond the batch names nothing; the boundary that the answer crossed has refused it already.
        let Some(position) = part.positions.get(failure.index).copied() else { continue };
        gone += 1;
        if !failure.retryable {
            work.dead.push(DeadLetter { position, reason: failure.reason, attempts, held_back: false });
        } else if named >= policy.tries && others_stored {
            work.dead.push(held_back(position, &failure.reason, attempts));
        } else {
            asked = asked.max(failure.after.unwrap_or_default());
            again.push(position);
        }
    }
    let passed = part.positions.len().saturating_sub(gone);
    work.stored += passed;
    if passed > 0 {
        work.refusals = 0;
        work.dead.append(&mut work.suspects);
    }
    if again.is_empty() {
        return None;
    }
    again.sort_unstable();
    again.dedup();
    // That one is named as not stored is no proof: the answer about it may be what got lost.
    let attempt = Attempt { number: part.attempt.number.saturating_add(1), maybe_sent: true };
    work.parts.push_front(Part { named: if passed > 0 { named } else { part.named }, ..Part::new(again, attempt) });
    Some(asked)
}

/// Refused as a whole: the halves are tried alone until the event to blame is.
fn refused(work: &mut Work, part: Part, reason: String) {
    if let [position] = part.positions[..] {
        work.dead.push(DeadLetter { position, reason, attempts: part.attempt.number + 1, held_back: false });
        return;
    }
    let attempt = Attempt { number: 0, ..part.attempt };
    halve(work, part, attempt);
}

/// Broke its instance: the halves are tried alone, and what does it alone, again and again, is a suspect.
fn broken(work: &mut Work, mut part: Part, maybe_sent: bool, reason: &str, policy: &Policy) {
    let attempt = Attempt { number: part.attempt.number.saturating_add(1), maybe_sent: part.attempt.maybe_sent || maybe_sent };
    let [position] = part.positions[..] else { return halve(work, part, attempt) };
    part.kills += 1;
    part.attempt = attempt;
    if part.kills < policy.kills {
        return work.parts.push_front(part);
    }
    let reason = format!("it broke {} fresh instances alone, and others were stored after it: {reason}", part.kills);
    work.suspects.push(DeadLetter { position, reason, attempts: attempt.number, held_back: false });
}

fn halve(work: &mut Work, mut part: Part, attempt: Attempt) {
    let second = part.positions.split_off(part.positions.len() / 2);
    let half = |positions| Part { named: part.named, ..Part::new(positions, attempt) };
    work.parts.push_front(half(second));
    work.parts.push_front(half(std::mem::take(&mut part.positions)));
}
