//! Does a replica lead, renew, stand by and give up when it should?

use std::time::Duration;

use jiff::Timestamp;
use kubedl_events::cluster::Resume;
use kubedl_events::cluster::lease::{
    DEADLINE, DURATION, Delivered, Identity, Observed, RETRY, Record, Step, merge, step,
};
use tokio::time::Instant;

/// As it stands in the Lease.
const ME: &str = "me-0000000000000001";

fn me() -> Identity {
    Identity::new("me", "0000000000000001", true)
}

fn record(holder: &str, renewed: i64) -> Record {
    Record {
        holder: holder.to_owned(),
        duration: DURATION,
        renewed: Some(Timestamp::from_second(renewed).unwrap()),
    }
}

fn observed(holder: &str, since: Instant) -> Observed {
    Observed {
        record: record(holder, 1),
        since,
        renewals: 0,
    }
}

#[test]
fn each_case_has_one_step() {
    // Long: one story, told in its order.
    let now = Instant::now() + Duration::from_secs(3600);
    let ago = |seconds: f64| now - Duration::from_secs_f64(seconds);
    let released = Observed {
        record: Record {
            holder: String::new(),
            duration: Duration::from_secs(1),
            renewed: None,
        },
        since: now,
        renewals: 0,
    };
    let brief = Observed {
        record: Record {
            duration: Duration::from_secs(3),
            ..record("other", 1)
        },
        since: ago(3.0),
        renewals: 0,
    };
    let table = [
        ("there is no Lease", None, None, Step::Acquire),
        ("it was released", Some(released), None, Step::Acquire),
        (
            "another has just renewed",
            Some(observed("other", ago(0.0))),
            None,
            Step::StandBy,
        ),
        (
            "another renewed a moment less than the duration ago",
            Some(observed("other", ago(14.999))),
            None,
            Step::StandBy,
        ),
        (
            "another was not seen to renew for the duration",
            Some(observed("other", ago(15.0))),
            None,
            Step::Acquire,
        ),
        (
            "the holder's own duration counts",
            Some(brief),
            None,
            Step::Acquire,
        ),
        (
            "it has our name, though we don't know that we lead",
            Some(observed(ME, ago(0.0))),
            None,
            Step::Acquire,
        ),
        (
            "we lead",
            Some(observed(ME, ago(2.0))),
            Some(ago(2.0)),
            Step::Renew,
        ),
        (
            "we lead, and could not look",
            None,
            Some(ago(9.999)),
            Step::Renew,
        ),
        (
            "we lead, and our last renewal is at the deadline",
            Some(observed(ME, ago(10.0))),
            Some(ago(10.0)),
            Step::GiveUp,
        ),
        (
            "we lead, could not look, and the deadline is there",
            None,
            Some(ago(10.0)),
            Step::GiveUp,
        ),
        (
            "another has it before our time is over",
            Some(observed("other", ago(0.0))),
            Some(ago(1.0)),
            Step::GiveUp,
        ),
    ];
    for (case, seen, renewed, wanted) in table {
        assert_eq!(step(seen.as_ref(), &me(), renewed, now), wanted, "{case}");
    }
}

#[test]
fn who_is_not_elected_waits_for_seconds_only_until_it_follows_a_process_of_its_host() {
    let now = Instant::now() + Duration::from_secs(3600);
    let waits = |elected: bool, holder: &str, silent: f64| {
        let me = Identity::new("pod-0", "0000000000000001", elected);
        step(
            Some(&observed(holder, now - Duration::from_secs_f64(silent))),
            &me,
            None,
            now,
        ) == Step::StandBy
    };
    let before = "pod-0-ffffffffffffffff";
    assert!(waits(false, before, 4.999), "it may live, and renew");
    assert!(!waits(false, before, 5.0));
    assert!(
        waits(true, before, 14.999),
        "what was killed may still send something"
    );
    for other in [
        "pod-1-0000000000000002",
        "pod-0",
        "pod-0-0000000000000002-",
        "pod-0-x-0000000000000002",
        "pod-00000000000000002",
        "pod-0-another-one-of-16",
    ] {
        assert!(waits(false, other, 14.999), "{other}");
        assert!(!waits(false, other, 15.0), "{other}");
    }
}

#[test]
fn who_could_not_renew_for_a_while_is_no_other_process() {
    let now = Instant::now();
    let renewed = |holder: &str| Observed {
        renewals: 3,
        ..observed(holder, now)
    };
    assert_eq!(renewed(ME).other_than(&me()), None);
    assert_eq!(renewed("").other_than(&me()), None, "it was given back");
    assert_eq!(renewed("other").other_than(&me()), Some(("other", true)));
    assert_eq!(
        observed("other", now).other_than(&me()),
        Some(("other", false))
    );
}

#[test]
fn a_change_is_what_counts_and_not_what_clocks_say() {
    let first = Instant::now();
    let later = |seconds| first + Duration::from_secs(seconds);
    // A holder whose wall clock is a day behind, or goes backwards, lives as long as it changes.
    let seen = Observed::after(None, record("other", 1_000), first);
    assert_eq!(
        (seen.since, seen.renewals),
        (first, 0),
        "one look proves nothing"
    );
    let seen = Observed::after(Some(seen), record("other", 1_000), later(14));
    assert_eq!((seen.since, seen.renewals), (first, 0));
    assert_eq!(step(Some(&seen), &me(), None, later(15)), Step::Acquire);
    let seen = Observed::after(Some(seen), record("other", 10), later(14));
    assert_eq!((seen.since, seen.renewals), (later(14), 1));
    assert_eq!(step(Some(&seen), &me(), None, later(28)), Step::StandBy);
    let seen = Observed::after(Some(seen), record("third", 10), later(20));
    assert_eq!(
        (seen.since, seen.renewals),
        (later(20), 0),
        "the new holder has not renewed yet"
    );
}

/// The leader counts from before its write, the others from after they saw it: whatever each write
/// and each look takes, and if one clock runs at four fifths of the other's speed.
#[test]
fn the_deposed_is_silent_before_the_next_may_speak() {
    assert!(DEADLINE.as_secs_f64() < DURATION.as_secs_f64() * 0.8);
    assert!(RETRY * 2 < DEADLINE, "one failure does not depose");
    let began = Instant::now();
    for took in [0, 1, 50, 4_000] {
        for looked in [0, 1, 2_000, 60_000] {
            let seen = began + Duration::from_millis(took + looked);
            let other = observed("leader", seen);
            let mut acquired = seen;
            while step(Some(&other), &me(), None, acquired) == Step::StandBy {
                acquired += Duration::from_millis(10);
            }
            let mut deposed = began;
            while step(None, &me(), Some(began), deposed) == Step::Renew {
                deposed += Duration::from_millis(10);
            }
            assert!(
                deposed + Duration::from_secs(4) < acquired,
                "{took} {looked}"
            );
        }
    }
}

#[test]
fn deliveries_of_other_scopes_stay_and_of_other_sinks_as_long_as_they_are_configured() {
    let resume = |version: &str| Resume {
        resource_version: version.to_owned(),
        at: std::time::SystemTime::UNIX_EPOCH,
    };
    let entry = |sink: &str, scope: &str, version: &str| {
        (
            sink.to_owned(),
            [(scope.to_owned(), resume(version))].into(),
        )
    };
    let there = Delivered::from([
        entry("a", "*", "5"),
        entry("b", "x", "7"),
        entry("no longer configured", "*", "3"),
    ]);
    let configured = ["a", "b", "c"].map(str::to_owned);
    let merged = merge(
        there,
        &Delivered::from([
            entry("a", "*", "9"),
            entry("b", "y", "8"),
            entry("c", "*", "1"),
        ]),
        &configured,
    );
    let b = [("x".to_owned(), resume("7")), ("y".to_owned(), resume("8"))].into();
    assert_eq!(
        merged,
        Delivered::from([
            entry("a", "*", "9"),
            ("b".to_owned(), b),
            entry("c", "*", "1")
        ])
    );
}
