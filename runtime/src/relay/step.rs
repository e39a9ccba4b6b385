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

use std::collections::BTreeSet;
use std::time::Duration;

use crate::journal::{DeadLetter, Position};

use super::destination::{Attempt, Cause, Failure, Outcome};
use super::next::{Among, Next};
use super::policy::Policy;
use super::work::{Part, Work, halve};

/// Takes the answer to the front part into the work. `spread`, from 0 up to 1, is the jitter: waits
/// grow by up to a quarter.
pub fn step(mut work: Work, outcome: Outcome, policy: &Policy, spread: f64) -> (Work, Next) {
    let Some(part) = work.parts.pop_front() else {
        return (work, Next::Acknowledge);
    };
    let spread = 1.0 + spread.clamp(0.0, 1.0) / 4.0;
    let wait = count_waits(&part, policy, spread);
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
            if blames_sink(&work, policy) {
                return work.stall(stalled.max(wait(after)), reason);
            }
            Some(wait(after))
        }
        Outcome::Refused { reason } => {
            if let Some(words) = count_refusal(&mut work, &part, &reason, policy) {
                work.parts.push_front(part);
                return work.stall(stalled, words);
            }
            refused(&mut work, part, reason);
            None
        }
    };
    go_on(work, then.next(after.unwrap_or_default(), at_once), stalled)
}

/// How long a part waits before its next try, by what the destination asks for.
fn count_waits(
    part: &Part,
    policy: &Policy,
    spread: f64,
) -> impl Fn(Option<Duration>) -> Duration + use<> {
    let backoff = policy
        .first_wait
        .saturating_mul(1 << part.attempt.number.min(16))
        .min(policy.longest_wait_after(part.failed + 1));
    let longest_asked = policy.longest_asked;
    move |after| {
        backoff
            .mul_f64(spread)
            .max(after.unwrap_or_default().min(longest_asked))
    }
}

/// What comes after a part that was taken care of: `next`, where something is left to be sent.
fn go_on(work: Work, next: Next, stalled: Duration) -> (Work, Next) {
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
        false => (work, next),
    }
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

/// Whether nothing is left to show whether an event or the sink is to blame, or too much speaks
/// against the sink.
fn blames_sink(work: &Work, policy: &Policy) -> bool {
    !work.suspects.is_empty() && (work.parts.is_empty() || work.suspects.len() >= policy.suspects)
}

/// Counts an event that was refused alone; gives the words by which the sink is blamed when too many
/// were in a row.
fn count_refusal(work: &mut Work, part: &Part, reason: &str, policy: &Policy) -> Option<String> {
    if part.positions.len() != 1 {
        return None;
    }
    work.refusals = work.refusals.saturating_add(1);
    (work.refusals >= policy.refusals).then(|| {
        format!(
            "{} events in a row were refused, so it is not the events' fault: {reason}",
            work.refusals
        )
    })
}
