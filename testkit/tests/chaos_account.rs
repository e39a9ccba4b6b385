//! Does the account of a run with faults tell what is lost, excused, doubled and foreign?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::time::Duration;

use testkit::chaos::Class;
use testkit::chaos::account::{Account, Arrival, BATCH, Gap, Journal, Letter, Lost, Put, Row, Tally, Window};

const SECOND: u64 = 1_000_000_000;

fn identity(number: u64) -> (String, String) {
    (format!("uid-{number}"), number.to_string())
}

/// Sent at that second and settled half a second later.
fn put(number: u64, second: u64) -> Put {
    Put { number, identity: Some(identity(number)), sent_ns: second * SECOND, settled_ns: second * SECOND + SECOND / 2 }
}

fn unsure(number: u64, second: u64) -> Put {
    Put { identity: None, ..put(number, second) }
}

fn arrival(number: u64, second: u64) -> Arrival {
    Arrival { number: Some(number), identity: identity(number), at_ns: second * SECOND }
}

/// With rows and identities of these numbers, at positions of the same number.
fn journal(numbers: &[u64]) -> Journal {
    let row = |number: &u64| Row { position: i64::try_from(*number).unwrap(), number: Some(*number), identity: identity(*number) };
    let rows: Vec<Row> = numbers.iter().map(row).collect();
    let identities = rows.iter().map(|row| (row.identity.clone(), Some(row.position))).collect();
    Journal { rows, identities, ..Journal::default() }
}

fn gap(sink: Option<&str>, since: Option<i64>, until: Option<i64>) -> Gap {
    Gap { sink: sink.map(str::to_owned), since, until, certain: false, reason: String::new() }
}

fn window(class: Class, began: u64, healed: u64, doubts: u64) -> Window {
    Window { class, began_ns: began * SECOND, healed_ns: healed * SECOND, doubts }
}

fn lost(account: &Account) -> Vec<(u64, Lost)> {
    account.missing.iter().map(|missing| (missing.number, missing.lost.clone())).collect()
}

#[test]
fn all_that_arrived_once_is_good() {
    let account = Account::of(&[put(1, 10), put(2, 11)], &journal(&[1, 2]), &[arrival(2, 12), arrival(1, 12)], &[], "s");
    assert!(account.is_good());
    assert_eq!(account.classes[&None], Tally { put: 2, ..Tally::default() });
}

#[test]
fn what_is_missing_is_missing_where_it_was_lost() {
    let mut journal = journal(&[2, 4]);
    journal.identities.insert(identity(3), None);
    journal.letters.push(Letter { position: Some(4), reason: "retries exhausted".to_owned() });
    let account = Account::of(&[put(1, 10), put(2, 10), put(3, 10), put(4, 10)], &journal, &[], &[], "s");
    let wanted = vec![(1, Lost::NotJournaled), (2, Lost::NotDelivered), (3, Lost::Dropped), (4, Lost::DeadLetter("retries exhausted".to_owned()))];
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
        let journal = Journal { gaps: vec![gap.clone()], ..Journal::default() };
        let account = Account::of(&[put(1, second)], &journal, &[], &[], "s");
        assert_eq!((account.is_good(), account.classes[&None].excused), (excused, u64::from(excused)), "{gap:?}, put at {second}");
    }
}

#[test]
fn a_gap_of_a_sink_excuses_only_what_that_sink_did_not_get_from_the_journal() {
    for (sink, excused) in [("s", true), ("other", false)] {
        let journal = Journal { gaps: vec![gap(Some(sink), Some(10), Some(20))], ..journal(&[1]) };
        assert_eq!(Account::of(&[put(1, 15)], &journal, &[], &[], "s").is_good(), excused, "{sink}");
    }
}

#[test]
fn a_put_without_an_answer_is_missing_only_when_the_journal_knows_it() {
    let account = Account::of(&[unsure(1, 10)], &journal(&[]), &[], &[], "s");
    assert!(account.is_good());
    assert_eq!(account.classes[&None].unsure, 1);
    assert_eq!(lost(&Account::of(&[unsure(1, 10)], &journal(&[1]), &[], &[], "s")), vec![(1, Lost::NotDelivered)]);
    let account = Account::of(&[unsure(1, 10)], &journal(&[1]), &[arrival(1, 11)], &[], "s");
    assert!(account.is_good());
    assert_eq!(account.classes[&None].unsure, 0);
}

#[test]
fn doubles_belong_to_the_fault_in_which_they_arrive_and_have_its_bound() {
    let windows = [window(Class::Kill, 10, 11, 1), window(Class::Cut, 20, 21, 0)];
    let puts = [put(1, 5)];
    for (seconds, good) in [(&[6, 15][..], true), (&[6, 15, 16], true), (&[6, 25], false), (&[6, 7], false)] {
        let arrivals: Vec<Arrival> = seconds.iter().map(|second| arrival(1, *second)).collect();
        assert_eq!(Account::of(&puts, &journal(&[1]), &arrivals, &windows, "s").is_good(), good, "{seconds:?}");
    }
    let arrivals: Vec<Arrival> = (0..BATCH + 2).map(|_| arrival(1, 15)).collect();
    let account = Account::of(&puts, &journal(&[1]), &arrivals, &windows, "s");
    let tally = &account.classes[&Some(Class::Kill)];
    assert_eq!((tally.doubled, tally.bound, account.is_good()), (BATCH + 1, BATCH, false));
}

#[test]
fn what_was_never_put_or_is_another_than_was_put_is_foreign() {
    let other = Arrival { identity: identity(2), ..arrival(1, 11) };
    let nameless = Arrival { number: None, ..arrival(1, 11) };
    for stranger in [arrival(7, 11), other, nameless] {
        let account = Account::of(&[put(1, 10)], &journal(&[1]), &[arrival(1, 11), stranger.clone()], &[window(Class::Kill, 1, 2, 9)], "s");
        assert_eq!((account.foreign.len(), account.is_good()), (1, false), "{stranger:?}");
    }
    assert!(!Account::of(&[], &journal(&[1]), &[], &[], "s").is_good(), "a foreign row of the journal");
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
    let again = Put { number: 2, ..put(1, 20) };
    let second = Arrival { number: Some(2), ..arrival(1, 21) };
    let mut journal = journal(&[1]);
    let puts = [put(1, 10), again];
    journal.rows.push(Row { position: 2, number: Some(2), identity: identity(1) });
    assert!(Account::of(&puts, &journal, &[arrival(1, 11), second], &[], "s").is_good());
    journal.rows.pop();
    assert_eq!(lost(&Account::of(&puts, &journal, &[arrival(1, 11)], &[], "s")), vec![(2, Lost::NotDelivered)]);
}

#[test]
fn recovery_ends_with_the_last_arrival_of_what_was_put_before_the_cause_was_gone() {
    let windows = [window(Class::Refuse, 10, 20, 0), window(Class::Cut, 40, 41, 0)];
    let puts = [put(1, 5), put(2, 12), put(3, 15), put(4, 25), put(5, 40)];
    let arrivals = [arrival(1, 6), arrival(2, 21), arrival(3, 23), arrival(4, 39), arrival(5, 41), arrival(3, 60)];
    let account = Account::of(&puts, &journal(&[1, 2, 3, 4, 5]), &arrivals, &windows, "s");
    assert_eq!(account.classes[&Some(Class::Refuse)].recoveries, vec![Duration::from_secs(3)]);
    assert_eq!(account.classes[&Some(Class::Cut)].recoveries, vec![Duration::ZERO]);
    let counts: Vec<(Option<Class>, u64, u64)> = account.classes.iter().map(|(class, tally)| (*class, tally.caused, tally.put)).collect();
    assert_eq!(counts, vec![(None, 0, 1), (Some(Class::Cut), 1, 1), (Some(Class::Refuse), 1, 3)]);
}
