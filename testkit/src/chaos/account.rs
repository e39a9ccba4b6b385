//! What was put, against what the journal and the destination of one sink have. Pure.
//!
//! Each version of an event has a number of its own in its message, so that it is told from every
//! other, also where a storage that was set back gives a resource version a second time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::class::Class;
use super::gaps::{Gaps, class_at};
use super::record::{Arrival, Journal, Letter, Put, Window};

/// Where a version was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// The journal does not know it.
    NotJournaled,
    /// The filter dropped it, though it is about a job.
    Dropped,
    /// The journal has it, the destination has not.
    NotDelivered,
    /// It lies among the dead letters, though nothing makes it impossible to store.
    DeadLetter(String),
}

/// A version that the destination does not have, outside of every gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its number.
    pub number: u64,
    /// Uid and resource version, where known.
    pub identity: Option<(String, String)>,
    /// When it was sent, in nanoseconds since 1970.
    pub sent_ns: u64,
    /// The fault meanwhile or before.
    pub class: Option<Class>,
    /// Where.
    pub lost: Lost,
}

/// The account of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Times caused.
    pub caused: u64,
    /// Versions that were put from the beginnings of its faults to those of the next ones.
    pub put: u64,
    /// Of those, versions that nobody knows to exist: their answers were lost.
    pub unsure: u64,
    /// Of those, versions that are nowhere and in no gap.
    pub missing: u64,
    /// Of those, versions that are missing inside of a gap.
    pub excused: u64,
    /// Copies beyond the first that arrived meanwhile.
    pub doubled: u64,
    /// How many copies may be.
    pub bound: u64,
    /// For each fault, from the end of its cause until what was put before had arrived (without
    /// what never did).
    pub recoveries: Vec<Duration>,
}

/// The whole account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By class; none for the time before the first fault.
    pub classes: BTreeMap<Option<Class>, Tally>,
    /// Every missing version.
    pub missing: Vec<Missing>,
    /// At the destination or in the journal, but never put, or with another identity than the API
    /// server gave.
    pub foreign: Vec<String>,
    /// Delivered, but unknown to the journal.
    pub unjournaled: u64,
    /// Versions that arrived for the first time after a later version of the same event.
    pub disordered: Vec<u64>,
}

impl Account {
    /// Compares. `windows` are in the order of time, and `sink` is the name of the program's sink.
    #[must_use]
    pub fn of(
        puts: &[Put],
        journal: &Journal,
        arrivals: &[Arrival],
        windows: &[Window],
        sink: &str,
    ) -> Self {
        let mut account = Self::default();
        for window in windows {
            let tally = account.tally(Some(window.class));
            tally.caused += 1;
            tally.bound += window.copies();
        }
        let evidence = Evidence::new(journal, arrivals, sink);
        let gaps = Gaps::new(journal, puts, arrivals, windows, sink);
        for put in puts {
            account.judge(put, &evidence, journal, &gaps, windows);
        }
        account.find_doubles(arrivals, windows);
        account.find_foreign(puts, journal, arrivals);
        account.find_disorder(puts, &evidence);
        account.measure_recoveries(puts, &evidence, windows);
        account
    }

    /// Nothing is missing outside of gaps, doubles are within bounds, the order is right, and
    /// nothing is there that should not be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bounded = self
            .classes
            .values()
            .all(|tally| tally.doubled <= tally.bound);
        self.missing.is_empty()
            && self.foreign.is_empty()
            && self.disordered.is_empty()
            && self.unjournaled == 0
            && bounded
    }

    fn tally(&mut self, class: Option<Class>) -> &mut Tally {
        self.classes.entry(class).or_default()
    }

    fn judge(
        &mut self,
        put: &Put,
        evidence: &Evidence<'_>,
        journal: &Journal,
        gaps: &Gaps<'_>,
        windows: &[Window],
    ) {
        let class = class_at(windows, put.sent_ns);
        self.tally(class).put += 1;
        let delivered = evidence.first_arrival.contains_key(&put.number);
        let position = evidence.positions.get(&put.number).copied();
        let claimed = put
            .identity
            .as_ref()
            .and_then(|identity| journal.identities.get(identity).copied());
        if delivered {
            if position.is_none() && claimed.is_none() {
                self.unjournaled += 1;
            }
            return;
        }
        let place = position.or(claimed.flatten());
        let lost = match (place, claimed) {
            (Some(position), _) => match evidence.letters.get(&position) {
                Some(reason) => Lost::DeadLetter((*reason).to_owned()),
                None => Lost::NotDelivered,
            },
            (None, Some(_)) => Lost::Dropped,
            (None, None) if put.identity.is_none() => {
                self.tally(class).unsure += 1;
                return;
            }
            (None, None) => Lost::NotJournaled,
        };
        let is_there =
            lost == Lost::NotDelivered && place.is_some_and(|place| place > journal.lost_through);
        if gaps.excuse(put, is_there, lost == Lost::NotDelivered) {
            self.tally(class).excused += 1;
            return;
        }
        self.tally(class).missing += 1;
        self.missing.push(Missing {
            number: put.number,
            identity: put.identity.clone(),
            sent_ns: put.sent_ns,
            class,
            lost,
        });
    }

    fn find_doubles(&mut self, arrivals: &[Arrival], windows: &[Window]) {
        let mut seen = HashSet::new();
        for arrival in arrivals {
            if arrival.number.is_some_and(|number| !seen.insert(number)) {
                self.tally(class_at(windows, arrival.at_ns)).doubled += 1;
            }
        }
    }

    fn find_foreign(&mut self, puts: &[Put], journal: &Journal, arrivals: &[Arrival]) {
        let known: HashMap<u64, Option<&(String, String)>> = puts
            .iter()
            .map(|put| (put.number, put.identity.as_ref()))
            .collect();
        let rows = journal
            .rows
            .iter()
            .map(|row| ("the journal", row.number, &row.identity));
        let stored = arrivals
            .iter()
            .map(|arrival| ("the destination", arrival.number, &arrival.identity));
        for (place, number, identity) in rows.chain(stored) {
            let is_put = match number.and_then(|number| known.get(&number)) {
                Some(Some(put)) => *put == identity,
                Some(None) => true,
                None => false,
            };
            if !is_put {
                self.foreign.push(format!(
                    "{place} has {} at {}, number {number:?}",
                    identity.0, identity.1
                ));
            }
        }
    }

    /// One worker puts all versions of an event, one after the other, so its numbers grow.
    fn find_disorder(&mut self, puts: &[Put], evidence: &Evidence<'_>) {
        let mut events: HashMap<&str, Vec<(u64, usize)>> = HashMap::new();
        for put in puts {
            if let (Some((uid, _)), Some(place)) =
                (&put.identity, evidence.first_place.get(&put.number))
            {
                events.entry(uid).or_default().push((put.number, *place));
            }
        }
        for versions in events.values_mut() {
            versions.sort_unstable();
            let mut first_of_later = usize::MAX;
            for (number, place) in versions.iter().rev() {
                if *place > first_of_later {
                    self.disordered.push(*number);
                }
                first_of_later = first_of_later.min(*place);
            }
        }
        self.disordered.sort_unstable();
    }

    fn measure_recoveries(&mut self, puts: &[Put], evidence: &Evidence<'_>, windows: &[Window]) {
        for window in windows {
            let before = |put: &&Put| {
                window.began_ns <= put.settled_ns && put.settled_ns <= window.healed_ns
            };
            let last = puts
                .iter()
                .filter(before)
                .filter_map(|put| evidence.first_arrival.get(&put.number))
                .max();
            let took = last.map_or(0, |last| last.saturating_sub(window.healed_ns));
            self.tally(Some(window.class))
                .recoveries
                .push(Duration::from_nanos(took));
        }
    }
}

/// Look-ups.
struct Evidence<'a> {
    /// When each number arrived first, and as which of all arrivals.
    first_arrival: HashMap<u64, u64>,
    first_place: HashMap<u64, usize>,
    positions: HashMap<u64, i64>,
    letters: HashMap<i64, &'a str>,
}

impl<'a> Evidence<'a> {
    fn new(journal: &'a Journal, arrivals: &[Arrival], sink: &str) -> Self {
        let (mut first_arrival, mut first_place) = (HashMap::new(), HashMap::new());
        for (place, (number, at)) in arrivals
            .iter()
            .filter_map(|arrival| Some((arrival.number?, arrival.at_ns)))
            .enumerate()
        {
            first_arrival.entry(number).or_insert(at);
            first_place.entry(number).or_insert(place);
        }
        let positions = journal
            .rows
            .iter()
            .filter_map(|row| Some((row.number?, row.position)))
            .collect();
        let concerns = |letter: &&Letter| letter.sink.is_empty() || letter.sink == sink;
        let letters = journal
            .letters
            .iter()
            .filter(concerns)
            .filter_map(|letter| Some((letter.position?, letter.reason.as_str())))
            .collect();
        Self {
            first_arrival,
            first_place,
            positions,
            letters,
        }
    }
}
