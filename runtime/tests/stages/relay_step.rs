//! Does `step` lose nothing, and repeat no more than it must?

// Long: one question, with all of its cases.

use std::time::Duration;

use kubedl_events::relay::{Attempt, Cause, Failure, Next, Outcome, Policy, Probe, Work, step};

fn policy() -> Policy {
    Policy::default()
}

fn work(n: i64) -> Work {
    Work::new((1..=n).collect(), n, 0, 0)
}

fn front(work: &Work) -> (Vec<i64>, Attempt) {
    let part = work.parts.front().unwrap();
    (part.positions.clone(), part.attempt)
}

fn failure(index: usize, retryable: bool) -> Failure {
    Failure {
        index,
        retryable,
        after: None,
        reason: "r".to_owned(),
    }
}

#[test]
fn a_stored_batch_is_acknowledged() {
    let (work, next) = step(work(3), Outcome::Stored(vec![]), &policy(), 0.0);
    assert_eq!(
        (next, work.stored, work.through),
        (Next::Acknowledge, vec![1, 2, 3], 3)
    );
}

#[test]
fn waits_double_up_to_the_longest_and_honour_what_is_asked() {
    let retry = |after| Outcome::Retry {
        reason: "busy".to_owned(),
        after,
    };
    let mut current = work(1);
    let mut waits = Vec::new();
    for _ in 0..200 {
        let (after, next) = step(current, retry(None), &policy(), 0.0);
        let (Next::Send { after: wait } | Next::Probe { after: wait, .. }) = next else {
            panic!("{next:?}")
        };
        waits.push(wait.as_millis());
        current = after;
    }
    // While it is found out whose fault it is all others wait; a destination that is down for long
    // is asked seldom.
    assert_eq!(waits[..8], [100, 200, 400, 800, 1_600, 3_000, 3_000, 3_000]);
    let found_out: u128 = waits.iter().take_while(|wait| **wait < 30_000).sum();
    assert!(
        (8 * 60_000..12 * 60_000).contains(&found_out),
        "{found_out}"
    );
    assert_eq!(waits.last(), Some(&30_000));
    assert_eq!(
        front(&current).1,
        Attempt {
            number: 200,
            maybe_sent: true
        }
    );
    let asked = |ms| {
        step(
            work(1),
            retry(Some(Duration::from_millis(ms))),
            &policy(),
            0.0,
        )
        .1
    };
    assert_eq!(
        asked(5_000),
        Next::Send {
            after: Duration::from_secs(5)
        }
    );
    assert_eq!(
        asked(u64::MAX),
        Next::Send {
            after: policy().longest_asked
        }
    );
    let spread = step(work(1), retry(None), &policy(), 1.0).1;
    assert_eq!(
        spread,
        Next::Send {
            after: Duration::from_millis(125)
        }
    );
}

#[test]
fn misconfiguration_waits_long_and_drops_nothing() {
    let (work, next) = step(
        work(4),
        Outcome::Misconfigured {
            reason: "no key".to_owned(),
        },
        &policy(),
        0.0,
    );
    assert_eq!(
        next,
        Next::Send {
            after: policy().misconfigured_wait
        }
    );
    assert_eq!(
        front(&work),
        (
            vec![1, 2, 3, 4],
            Attempt {
                number: 1,
                maybe_sent: false
            }
        )
    );
}

#[test]
fn named_failures_are_tried_again_alone_or_become_dead_letters() {
    let (work, next) = step(
        work(4),
        Outcome::Stored(vec![failure(3, true), failure(1, false), failure(0, true)]),
        &policy(),
        0.0,
    );
    assert!(matches!(next, Next::Send { .. }));
    assert_eq!(front(&work).0, [1, 4]);
    assert_eq!(
        work.dead
            .iter()
            .map(|letter| letter.position)
            .collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(work.stored, [3]);
    let (work, next) = step(work, Outcome::Stored(vec![]), &policy(), 0.0);
    assert_eq!((next, work.stored), (Next::Acknowledge, vec![3, 1, 4]));
}

#[test]
fn an_event_that_fails_beside_stored_ones_is_held_back_in_the_end() {
    let mut current = Work::new((1..=100).collect(), 100, 0, 0);
    let mut tries = 0;
    loop {
        tries += 1;
        let left = front(&current).0.len();
        // The last of them is stored each time.
        let failures = (0..left.saturating_sub(1))
            .map(|index| failure(index, true))
            .collect();
        let (after, next) = step(current, Outcome::Stored(failures), &policy(), 0.0);
        current = after;
        if next == Next::Acknowledge {
            break;
        }
        assert!(tries < 1000);
    }
    assert_eq!(
        (current.stored.len() + current.dead.len(), tries),
        (100, policy().tries)
    );
    assert!(current.dead.iter().all(|letter| letter.held_back));
}

/// Plays a destination that never stores `bad` events and, while it is `down`, none; a probe is
/// another event, which is stored where it is up. Gives the order in which events were stored, how
/// it ended, and how many calls it took.
fn play_patiently(
    mut current: Work,
    bad: impl Fn(i64) -> bool,
    down: impl Fn(u32) -> bool,
    probes: bool,
) -> (Vec<i64>, Work, u32) {
    let mut stored = Vec::new();
    for call in 0..2_000 {
        let positions = front(&current).0;
        let outcome = if down(call) || positions.iter().any(|position| bad(*position)) {
            Outcome::Retry {
                reason: "500".to_owned(),
                after: None,
            }
        } else {
            stored.extend(positions);
            Outcome::Stored(vec![])
        };
        let (after, next) = step(current, outcome, &policy(), 0.0);
        current = after;
        match next {
            Next::Acknowledge => return (stored, current, call),
            Next::Probe { .. } => current.probed(match (probes, down(call)) {
                (false, _) => Probe::None,
                (true, true) => Probe::NotStored(1_000),
                (true, false) => Probe::Stored(1_000),
            }),
            _ => {}
        }
    }
    (stored, current, u32::MAX)
}

#[test]
fn what_only_ever_fails_is_held_back_alone_once_others_are_stored_and_order_is_kept() {
    for n in 1..=9_i64 {
        for pattern in 0..(1_u32 << n) {
            let bad = |position: i64| pattern & (1 << (position - 1)) != 0;
            let (stored, work, calls) = play_patiently(work(n), bad, |_| false, true);
            assert_eq!(
                stored,
                (1..=n)
                    .filter(|position| !bad(*position))
                    .collect::<Vec<_>>(),
                "{pattern:b} of {n}"
            );
            assert_eq!(
                positions(&work.dead),
                (1..=n)
                    .filter(|position| bad(*position))
                    .collect::<Vec<_>>(),
                "{pattern:b} of {n}"
            );
            assert!(work.dead.iter().all(|letter| letter.held_back));
            assert!(calls < 150, "{calls} calls for {pattern:b} of {n}");
        }
    }
}

#[test]
fn a_destination_that_is_down_has_nothing_held_back_however_long_it_takes() {
    for probes in [false, true] {
        let (stored, work, _) = play_patiently(work(8), |_| false, |call| call < 1_000, probes);
        assert_eq!((stored, work.dead.len()), ((1..=8).collect::<Vec<_>>(), 0));
    }
    let (stored, work, calls) = play_patiently(work(1), |_| true, |_| true, true);
    assert_eq!((stored.len(), work.dead.len(), calls), (0, 0, u32::MAX));
}

#[test]
fn a_probe_of_the_same_batch_is_stored_once() {
    let mut current = work(3);
    for _ in 0..policy().tries {
        current = step(
            current,
            Outcome::Retry {
                reason: "500".to_owned(),
                after: None,
            },
            &policy(),
            0.0,
        )
        .0;
    }
    current.probed(Probe::None);
    assert_eq!(
        front(&current).0,
        [1],
        "halved, so that one half can be the other's probe"
    );
    current.probed(Probe::NotStored(2));
    assert!(
        current.parts[1].attempt.maybe_sent,
        "its answer may be what was lost"
    );
    current.probed(Probe::Stored(3));
    assert_eq!(current.stored, [3]);
    assert_eq!(
        current
            .parts
            .iter()
            .flat_map(|part| part.positions.clone())
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn bisecting_blames_exactly_the_bad_events_whatever_their_places() {
    for n in 1..=9_i64 {
        for bad in 0..(1_u32 << n) {
            let is_bad = |position: i64| bad & (1 << (position - 1)) != 0;
            let mut current = work(n);
            let mut stored = Vec::new();
            for _ in 0..100 {
                let positions = front(&current).0;
                let outcome = if positions.iter().any(|position| is_bad(*position)) {
                    Outcome::Refused {
                        reason: "bad".to_owned(),
                    }
                } else {
                    stored.extend(positions);
                    Outcome::Stored(vec![])
                };
                let (after, next) = step(current, outcome, &policy(), 0.0);
                current = after;
                if next == Next::Acknowledge {
                    break;
                }
            }
            assert!(current.parts.is_empty());
            assert_eq!(
                stored,
                (1..=n)
                    .filter(|position| !is_bad(*position))
                    .collect::<Vec<_>>(),
                "order is kept"
            );
            assert_eq!(
                current
                    .dead
                    .iter()
                    .map(|letter| letter.position)
                    .collect::<Vec<_>>(),
                (1..=n)
                    .filter(|position| is_bad(*position))
                    .collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn what_a_crash_left_behind_may_have_been_sent() {
    assert!(front(&Work::new(vec![5, 6], 6, 5, 0)).1.maybe_sent);
    assert!(!front(&Work::new(vec![6, 7], 7, 5, 0)).1.maybe_sent);
    let broken = |maybe_sent| Outcome::Broken {
        reason: "trap".to_owned(),
        maybe_sent,
        cause: Cause::Waiting,
        after: None,
    };
    assert!(
        front(&step(work(1), broken(true), &policy(), 0.0).0)
            .1
            .maybe_sent
    );
    assert!(
        !front(&step(work(1), broken(false), &policy(), 0.0).0)
            .1
            .maybe_sent
    );
    // The answer about an event that is named as not stored may be what was lost.
    assert!(
        front(
            &step(
                work(2),
                Outcome::Stored(vec![failure(0, true)]),
                &policy(),
                0.0
            )
            .0
        )
        .1
        .maybe_sent
    );
    assert!(
        front(
            &step(
                work(2),
                Outcome::Stored(vec![failure(0, true), failure(1, true)]),
                &policy(),
                0.0
            )
            .0
        )
        .1
        .maybe_sent
    );
}

fn trap() -> Outcome {
    Outcome::Broken {
        reason: "trap".to_owned(),
        maybe_sent: false,
        cause: Cause::Sink,
        after: None,
    }
}

/// Plays a sink that traps on these positions, until the batch is settled; gives what was stored
/// and how it ended.
fn play(mut current: Work, kills: impl Fn(i64) -> bool) -> (Vec<i64>, Work, Next) {
    let mut stored = Vec::new();
    for _ in 0..1_000 {
        let positions = front(&current).0;
        let outcome = if positions.iter().any(|position| kills(*position)) {
            trap()
        } else {
            stored.extend(positions);
            Outcome::Stored(vec![])
        };
        let (after, next) = step(current, outcome, &policy(), 0.0);
        current = after;
        if !matches!(next, Next::Send { .. }) {
            return (stored, current, next);
        }
    }
    panic!("no end");
}

fn positions(letters: &[kubedl_events::journal::DeadLetter]) -> Vec<i64> {
    letters.iter().map(|letter| letter.position).collect()
}

#[test]
fn an_event_that_breaks_fresh_instances_is_poison_once_a_later_one_is_stored() {
    let (stored, work, next) = play(work(8), |position| position == 3);
    assert_eq!(next, Next::Acknowledge);
    assert_eq!(stored, [1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(positions(&work.dead), [3]);
    assert!(
        work.dead[0].reason.contains("3 fresh instances"),
        "{}",
        work.dead[0].reason
    );
}

#[test]
fn without_a_later_one_that_passes_nothing_is_given_up_and_what_came_before_is_kept() {
    let (stored, work, next) = play(work(8), |position| position == 8);
    assert!(matches!(next, Next::Stall { .. }), "{next:?}");
    assert_eq!((stored, work.through), ((1..=7).collect(), 7));
    assert!(work.dead.is_empty());
    let (_, work, next) = play(self::work(1), |_| true);
    assert!(matches!(next, Next::Stall { .. }) && work.through == 0 && work.dead.is_empty());
}

#[test]
fn what_is_stored_behind_a_killer_is_known_to_be_when_the_sink_stalls() {
    let mut current = step(
        work(4),
        Outcome::Stored(vec![failure(1, true)]),
        &policy(),
        0.0,
    )
    .0;
    let next = loop {
        let outcome = Outcome::Broken {
            reason: "trap".to_owned(),
            maybe_sent: false,
            cause: Cause::Sink,
            after: None,
        };
        let (after, next) = step(current, outcome, &policy(), 0.0);
        current = after;
        if !matches!(next, Next::Send { .. }) {
            break next;
        }
    };
    assert!(matches!(next, Next::Stall { .. }), "{next:?}");
    assert_eq!((current.through, current.stored), (1, vec![1, 3, 4]));
}

#[test]
fn killer_after_killer_is_the_sinks_fault() {
    let (stored, work, next) = play(work(100), |position| position > 10);
    assert!(matches!(next, Next::Stall { .. }), "{next:?}");
    assert_eq!((stored, work.through), ((1..=10).collect(), 10));
    assert!(work.dead.is_empty() && work.suspects.is_empty() && work.parts.is_empty());
}

#[test]
fn whatever_kills_no_event_is_both_lost_and_no_event_blamed_without_a_pass_behind_it() {
    for n in 1..=9_i64 {
        for pattern in 0..(1_u32 << n) {
            let kills = |position: i64| pattern & (1 << (position - 1)) != 0;
            let (stored, work, next) = play(work(n), kills);
            let dead = positions(&work.dead);
            for position in 1..=work.through {
                assert_ne!(
                    stored.contains(&position),
                    dead.contains(&position),
                    "{position} of {pattern:b}"
                );
            }
            assert!(
                dead.iter()
                    .all(|d| kills(*d) && stored.iter().any(|s| s > d)),
                "{pattern:b}"
            );
            assert_eq!(next == Next::Acknowledge, work.through == n);
        }
    }
}

#[test]
fn refusals_in_a_row_are_the_sinks_fault_and_counted_across_batches() {
    let refuse = || Outcome::Refused {
        reason: "no".to_owned(),
    };
    let mut row = 0;
    for _ in 1..policy().refusals {
        let (after, next) = step(Work::new(vec![1], 1, 0, row), refuse(), &policy(), 0.0);
        assert_eq!((next, after.dead.len()), (Next::Acknowledge, 1));
        row = after.refusals;
    }
    let (after, next) = step(Work::new(vec![1], 1, 0, row), refuse(), &policy(), 0.0);
    assert!(
        matches!(&next, Next::Stall { reason, .. } if reason.contains("in a row")),
        "{next:?}"
    );
    assert_eq!((after.dead.len(), after.through), (0, 0));
    let (after, _) = step(
        Work::new(vec![1], 1, 0, row),
        Outcome::Stored(vec![]),
        &policy(),
        0.0,
    );
    assert_eq!(after.refusals, 0);
}

#[test]
fn a_sink_that_is_to_rest_is_not_tried_earlier() {
    for cause in [Cause::Sink, Cause::Waiting] {
        let rest = Some(Duration::from_secs(120));
        let outcome = Outcome::Broken {
            reason: "took longer than 60000 ms".to_owned(),
            maybe_sent: false,
            cause,
            after: rest,
        };
        let (_, next) = step(work(4), outcome, &policy(), 0.0);
        assert!(
            matches!(next, Next::Send { after } if after >= Duration::from_secs(120)),
            "{next:?}"
        );
    }
}
