//! Does the account of a run with faults tell what is lost, excused, doubled and foreign?

// Long: one question, with all of its cases.

use std::time::Duration;

use testkit::chaos::Class;
use testkit::chaos::account::{Account, Lost, Tally};
use testkit::chaos::gaps::uncaused;
use testkit::chaos::record::{Arrival, BATCH, Gap, Journal, Letter, Put, Row, Window};

const SECOND: u64 = 1_000_000_000;

fn identity(number: u64) -> (String, String) {
    (format!("uid-{number}"), number.to_string())
}

/// Sent at that second and settled half a second later.
fn put(number: u64, second: u64) -> Put {
    Put {
        number,
        identity: Some(identity(number)),
        scope: "a".to_owned(),
        sent_ns: second * SECOND,
        settled_ns: second * SECOND + SECOND / 2,
    }
}

fn unsure(number: u64, second: u64) -> Put {
    Put {
        identity: None,
        ..put(number, second)
    }
}

fn arrival(number: u64, second: u64) -> Arrival {
    Arrival {
        number: Some(number),
        identity: identity(number),
        at_ns: second * SECOND,
    }
}

/// With rows and identities of these numbers, at positions of the same number.
fn journal(numbers: &[u64]) -> Journal {
    let row = |number: &u64| Row {
        position: i64::try_from(*number).unwrap(),
        number: Some(*number),
        identity: identity(*number),
    };
    let rows: Vec<Row> = numbers.iter().map(row).collect();
    let identities = rows
        .iter()
        .map(|row| (row.identity.clone(), Some(row.position)))
        .collect();
    Journal {
        rows,
        identities,
        ..Journal::default()
    }
}

fn gap(sink: Option<&str>, since: Option<i64>, until: Option<i64>) -> Gap {
    Gap {
        scope: None,
        sink: sink.map(str::to_owned),
        since,
        until,
        certain: false,
        reason: String::new(),
    }
}

fn window(class: Class, began: u64, healed: u64, doubts: u64) -> Window {
    Window {
        class,
        began_ns: began * SECOND,
        healed_ns: healed * SECOND,
        doubts,
        disk_lost_ns: None,
        unrenewed: 0,
        forgotten: 0,
    }
}

fn lost(account: &Account) -> Vec<(u64, Lost)> {
    account
        .missing
        .iter()
        .map(|missing| (missing.number, missing.lost.clone()))
        .collect()
}

#[test]
fn all_that_arrived_once_is_good() {
    let account = Account::of(
        &[put(1, 10), put(2, 11)],
        &journal(&[1, 2]),
        &[arrival(2, 12), arrival(1, 12)],
        &[],
        "s",
    );
    assert!(account.is_good());
    assert_eq!(
        account.classes[&None],
        Tally {
            put: 2,
            ..Tally::default()
        }
    );
}

#[test]
fn what_is_missing_is_missing_where_it_was_lost() {
    let mut journal = journal(&[2, 4]);
    journal.identities.insert(identity(3), None);
    journal.letters.push(Letter {
        sink: "s".to_owned(),
        position: Some(4),
        reason: "retries exhausted".to_owned(),
    });
    let account = Account::of(
        &[put(1, 10), put(2, 10), put(3, 10), put(4, 10)],
        &journal,
        &[],
        &[],
        "s",
    );
    let wanted = vec![
        (1, Lost::NotJournaled),
        (2, Lost::NotDelivered),
        (3, Lost::Dropped),
        (4, Lost::DeadLetter("retries exhausted".to_owned())),
    ];
    assert_eq!(lost(&account), wanted);
    assert!(!account.is_good());
}

#[test]
fn a_gap_excuses_what_was_put_inside_of_it_and_nothing_else() {
    // (the gap, the second of the put, excused)
    let table = [
        (gap(None, Some(10), Some(20)), 9, false),
        (gap(None, Some(10), Some(20)), 10, true),
        (gap(None, Some(10), Some(20)), 20, true),
        (gap(None, Some(10), Some(20)), 21, false),
        (gap(None, Some(10), None), 1_000, true),
        (gap(None, None, Some(20)), 15, false),
        (gap(Some("s"), Some(10), Some(20)), 15, false),
        (gap(Some("other"), Some(10), Some(20)), 15, false),
    ];
    for (gap, second, excused) in table {
        let journal = Journal {
            gaps: vec![gap.clone()],
            ..Journal::default()
        };
        let account = Account::of(&[put(1, second)], &journal, &[], &[], "s");
        assert_eq!(
            (account.is_good(), account.classes[&None].excused),
            (excused, u64::from(excused)),
            "{gap:?}, put at {second}"
        );
    }
}

#[test]
fn a_gap_of_a_sink_excuses_only_what_that_sink_did_not_get_from_the_journal() {
    for (sink, excused) in [("s", true), ("other", false)] {
        let journal = Journal {
            gaps: vec![gap(Some(sink), Some(10), Some(20))],
            ..journal(&[1])
        };
        assert_eq!(
            Account::of(&[put(1, 15)], &journal, &[], &[], "s").is_good(),
            excused,
            "{sink}"
        );
    }
}

#[test]
fn a_put_without_an_answer_is_missing_only_when_the_journal_knows_it() {
    let account = Account::of(&[unsure(1, 10)], &journal(&[]), &[], &[], "s");
    assert!(account.is_good());
    assert_eq!(account.classes[&None].unsure, 1);
    assert_eq!(
        lost(&Account::of(
            &[unsure(1, 10)],
            &journal(&[1]),
            &[],
            &[],
            "s"
        )),
        vec![(1, Lost::NotDelivered)]
    );
    let account = Account::of(
        &[unsure(1, 10)],
        &journal(&[1]),
        &[arrival(1, 11)],
        &[],
        "s",
    );
    assert!(account.is_good());
    assert_eq!(account.classes[&None].unsure, 0);
}

#[test]
fn doubles_belong_to_the_fault_in_which_they_arrive_and_have_its_bound() {
    let windows = [
        window(Class::Kill, 10, 11, 1),
        window(Class::Cut, 20, 21, 0),
    ];
    let puts = [put(1, 5)];
    for (seconds, good) in [
        (&[6, 15][..], true),
        (&[6, 15, 16], true),
        (&[6, 25], false),
        (&[6, 7], false),
    ] {
        let arrivals: Vec<Arrival> = seconds.iter().map(|second| arrival(1, *second)).collect();
        assert_eq!(
            Account::of(&puts, &journal(&[1]), &arrivals, &windows, "s").is_good(),
            good,
            "{seconds:?}"
        );
    }
    let arrivals: Vec<Arrival> = (0..BATCH + 2).map(|_| arrival(1, 15)).collect();
    let account = Account::of(&puts, &journal(&[1]), &arrivals, &windows, "s");
    let tally = &account.classes[&Some(Class::Kill)];
    assert_eq!(
        (tally.doubled, tally.bound, account.is_good()),
        (BATCH + 1, BATCH, false)
    );
}

#[test]
fn what_was_never_put_or_is_another_than_was_put_is_foreign() {
    let other = Arrival {
        identity: identity(2),
        ..arrival(1, 11)
    };
    let nameless = Arrival {
        number: None,
        ..arrival(1, 11)
    };
    for stranger in [arrival(7, 11), other, nameless] {
        let account = Account::of(
            &[put(1, 10)],
            &journal(&[1]),
            &[arrival(1, 11), stranger.clone()],
            &[window(Class::Kill, 1, 2, 9)],
            "s",
        );
        assert_eq!(
            (account.foreign.len(), account.is_good()),
            (1, false),
            "{stranger:?}"
        );
    }
    assert!(
        !Account::of(&[], &journal(&[1]), &[], &[], "s").is_good(),
        "a foreign row of the journal"
    );
}

#[test]
fn what_the_destination_has_must_be_known_to_the_journal_but_need_not_lie_there_any_more() {
    let account = Account::of(&[put(1, 10)], &journal(&[]), &[arrival(1, 11)], &[], "s");
    assert_eq!((account.unjournaled, account.is_good()), (1, false));
    let mut cleaned = journal(&[1]);
    cleaned.rows.clear();
    assert!(Account::of(&[put(1, 10)], &cleaned, &[arrival(1, 11)], &[], "s").is_good());
}

#[test]
fn a_version_given_twice_by_a_storage_that_was_set_back_is_two() {
    let again = Put {
        number: 2,
        ..put(1, 20)
    };
    let second = Arrival {
        number: Some(2),
        ..arrival(1, 21)
    };
    let mut journal = journal(&[1]);
    let puts = [put(1, 10), again];
    journal.rows.push(Row {
        position: 2,
        number: Some(2),
        identity: identity(1),
    });
    assert!(Account::of(&puts, &journal, &[arrival(1, 11), second], &[], "s").is_good());
    journal.rows.pop();
    assert_eq!(
        lost(&Account::of(&puts, &journal, &[arrival(1, 11)], &[], "s")),
        vec![(2, Lost::NotDelivered)]
    );
}

#[test]
fn recovery_ends_with_the_last_arrival_of_what_was_put_before_the_cause_was_gone() {
    let windows = [
        window(Class::Refuse, 10, 20, 0),
        window(Class::Cut, 40, 41, 0),
    ];
    let puts = [put(1, 5), put(2, 12), put(3, 15), put(4, 25), put(5, 40)];
    let arrivals = [
        arrival(1, 6),
        arrival(2, 21),
        arrival(3, 23),
        arrival(4, 39),
        arrival(5, 41),
        arrival(3, 60),
    ];
    let account = Account::of(&puts, &journal(&[1, 2, 3, 4, 5]), &arrivals, &windows, "s");
    assert_eq!(
        account.classes[&Some(Class::Refuse)].recoveries,
        vec![Duration::from_secs(3)]
    );
    assert_eq!(
        account.classes[&Some(Class::Cut)].recoveries,
        vec![Duration::ZERO]
    );
    let counts: Vec<(Option<Class>, u64, u64)> = account
        .classes
        .iter()
        .map(|(class, tally)| (*class, tally.caused, tally.put))
        .collect();
    assert_eq!(
        counts,
        vec![
            (None, 0, 1),
            (Some(Class::Cut), 1, 1),
            (Some(Class::Refuse), 1, 3)
        ]
    );
}

#[test]
fn a_gap_of_all_sinks_does_not_excuse_what_lies_in_the_journal() {
    let journal = Journal {
        gaps: vec![gap(None, Some(10), Some(20))],
        ..journal(&[1])
    };
    assert_eq!(
        lost(&Account::of(&[put(1, 15)], &journal, &[], &[], "s")),
        vec![(1, Lost::NotDelivered)]
    );
}

#[test]
fn a_gap_of_a_scope_excuses_what_was_put_there_and_in_no_other() {
    for (scope, good) in [("a", true), ("*", true), ("b", false)] {
        let gap = Gap {
            scope: Some(scope.to_owned()),
            ..gap(None, Some(10), Some(20))
        };
        let journal = Journal {
            gaps: vec![gap],
            ..Journal::default()
        };
        assert_eq!(
            Account::of(&[put(1, 15)], &journal, &[], &[], "s").is_good(),
            good,
            "{scope}"
        );
    }
}

#[test]
fn a_letter_of_another_sink_is_not_this_ones() {
    let letter = Letter {
        sink: "other".to_owned(),
        position: Some(1),
        reason: String::new(),
    };
    let journal = Journal {
        letters: vec![letter],
        ..journal(&[1])
    };
    assert_eq!(
        lost(&Account::of(&[put(1, 10)], &journal, &[], &[], "s")),
        vec![(1, Lost::NotDelivered)]
    );
}

/// A journal with these numbers whose disk was lost at a second, and the one after it.
fn after_a_loss(before: &[u64], second: i64, next: Journal) -> Journal {
    let mut all = journal(before);
    all.gaps.push(gap(None, Some(second - 1), None));
    all.go_on_with(next, second);
    all
}

#[test]
fn a_lost_journal_knows_what_was_delivered_but_what_it_still_had_is_missing_unless_the_next_one_has_a_gap()
 {
    let puts = [put(1, 10), put(2, 11), put(3, 30)];
    let arrivals = [arrival(1, 12), arrival(3, 31)];
    let without = after_a_loss(&[1, 2], 20, journal(&[3]));
    assert_eq!(
        lost(&Account::of(&puts, &without, &arrivals, &[], "s")),
        vec![(2, Lost::NotDelivered)]
    );
    let with = after_a_loss(
        &[1, 2],
        20,
        Journal {
            gaps: vec![gap(None, Some(11), Some(25))],
            ..journal(&[3])
        },
    );
    let account = Account::of(&puts, &with, &arrivals, &[], "s");
    assert!(account.is_good() && account.unjournaled == 0, "{account:?}");
    assert_eq!(account.classes[&None].excused, 1);
}

#[test]
fn what_the_next_journal_has_again_it_has_to_deliver() {
    let with = after_a_loss(
        &[1, 2],
        20,
        Journal {
            gaps: vec![gap(None, Some(11), Some(25))],
            ..journal(&[2])
        },
    );
    let account = Account::of(
        &[put(1, 10), put(2, 11)],
        &with,
        &[arrival(1, 12)],
        &[],
        "s",
    );
    assert_eq!(lost(&account), vec![(2, Lost::NotDelivered)]);
}

#[test]
fn a_gap_that_a_lost_journal_had_not_ended_excuses_nothing_later() {
    let with = after_a_loss(&[], 20, Journal::default());
    assert!(Account::of(&[put(1, 20)], &with, &[], &[], "s").is_good());
    assert!(!Account::of(&[put(1, 21)], &with, &[], &[], "s").is_good());
}

#[test]
fn a_gap_of_unknown_beginning_excuses_from_the_last_known_good_time_on_and_only_when_the_journal_is_new()
 {
    let lost = |second: u64| Window {
        disk_lost_ns: Some(second * SECOND),
        ..window(Class::LoseDisk, 15, 21, 1)
    };
    let reason =
        "the journal is new, and the sink s had stored nothing yet of what the one before it held";
    // (the reason, the second of the missing put, excused): the youngest arrival before the loss
    // was put at 12
    for (reason, second, excused) in [
        (reason, 11, true),
        (reason, 20, true),
        (reason, 26, false),
        (reason, 9, false),
        ("another", 13, false),
    ] {
        let gap = Gap {
            reason: reason.to_owned(),
            ..gap(None, None, Some(25))
        };
        let journal = after_a_loss(
            &[1],
            20,
            Journal {
                gaps: vec![gap],
                ..journal(&[3])
            },
        );
        let puts = [put(1, 12), put(2, second), put(3, 22)];
        let account = Account::of(
            &puts,
            &journal,
            &[arrival(1, 13), arrival(3, 23)],
            &[lost(18)],
            "s",
        );
        assert_eq!(account.is_good(), excused, "{reason}, put at {second}");
    }
}

#[test]
fn what_was_delivered_since_the_last_renewal_may_come_again() {
    let window = Window {
        unrenewed: 2,
        ..window(Class::LoseDisk, 10, 11, 0)
    };
    for (copies, good) in [(3, true), (4, false)] {
        let arrivals: Vec<Arrival> = (0..copies).map(|_| arrival(1, 12)).collect();
        assert_eq!(
            Account::of(
                &[put(1, 9)],
                &journal(&[1]),
                &arrivals,
                std::slice::from_ref(&window),
                "s"
            )
            .is_good(),
            good,
            "{copies}"
        );
    }
}

#[test]
fn what_a_journal_deleted_is_known_from_an_earlier_reading() {
    let mut later = journal(&[2]);
    later.remember(journal(&[1]));
    assert!(
        Account::of(
            &[put(1, 10), put(2, 11)],
            &later,
            &[arrival(1, 11), arrival(2, 12)],
            &[],
            "s"
        )
        .is_good()
    );
}

#[test]
fn a_later_version_of_an_event_must_not_arrive_first() {
    let version = |number: u64| ("uid".to_owned(), number.to_string());
    let puts = [1, 2].map(|number| Put {
        identity: Some(version(number)),
        ..put(number, 10)
    });
    let arrivals = |numbers: &[u64]| {
        numbers
            .iter()
            .map(|number| Arrival {
                identity: version(*number),
                ..arrival(*number, 11)
            })
            .collect::<Vec<_>>()
    };
    let rows = [1, 2].map(|number| Row {
        position: number,
        number: Some(number.unsigned_abs()),
        identity: version(number.unsigned_abs()),
    });
    let journal = Journal {
        rows: rows.to_vec(),
        ..Journal::default()
    };
    let doubles = [window(Class::Kill, 1, 2, 1)];
    for (numbers, disordered) in [
        (&[1, 2][..], &[][..]),
        (&[2, 1], &[1]),
        (&[1, 2, 1], &[]),
        (&[2, 1, 2], &[1]),
    ] {
        let account = Account::of(&puts, &journal, &arrivals(numbers), &doubles, "s");
        assert_eq!(
            (&account.disordered[..], account.is_good()),
            (disordered, disordered.is_empty()),
            "{numbers:?}"
        );
    }
}

#[test]
fn a_gap_needs_a_fault_that_can_leave_one() {
    // (class, since, until, explained): the fault is from 10 to 30, where the next one begins
    let table = [
        (Class::Compact, Some(12), Some(15), true),
        (Class::LoseDisk, Some(1), Some(10), true),
        (Class::DiskFull, Some(30), Some(40), true),
        (Class::Restore, None, Some(20), true),
        (Class::Restore, Some(29), None, true),
        (Class::Compact, Some(1), Some(9), false),
        (Class::Compact, Some(33), Some(40), false),
        (Class::Outlast, Some(12), Some(15), false),
        (Class::Kill, Some(12), Some(15), false),
    ];
    for (class, since, until, explained) in table {
        let windows = [window(class, 10, 11, 0), window(Class::Cut, 30, 31, 0)];
        assert_eq!(
            uncaused(&[gap(None, since, until)], &windows).is_empty(),
            explained,
            "{class:?}, {since:?} to {until:?}"
        );
    }
}
