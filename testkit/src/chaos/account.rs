//! What was put, against what the journal and the destination have. Pure.
//!
//! Each version of an event has a number of its own in its message, so that it is told from every other, also where a storage that was
//! set back gives a resource version a second time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::class::Class;

/// Events that the program may have sent without knowing whether they are stored, for each kill, lost answer or time-out: what
/// aliyun-sls takes at once (`batch-events` of its grant).
pub const BATCH: u64 = 4_096;

/// One version of an event that was put into the API server, or may have been.
#[derive(Clone, Debug)]
pub struct Put {
    /// Its number: unique.
    pub number: u64,
    /// `metadata.uid` and `metadata.resourceVersion`; none when the answer was lost and nothing could be found out later.
    pub identity: Option<(String, String)>,
    /// When it was sent, in nanoseconds since 1970.
    pub sent_ns: u64,
    /// When the answer was there, or its state was found out or given up.
    pub settled_ns: u64,
}

/// An event in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub position: i64,
    /// The number in its message.
    pub number: Option<u64>,
    /// Uid and resource version.
    pub identity: (String, String),
}

/// An event given up, for a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its place; none for what could not be read as an event.
    pub position: Option<i64>,
    /// Why.
    pub reason: String,
}

/// An interval in which the program says that events may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// For which sink; none: for all.
    pub sink: Option<String>,
    /// In seconds since 1970; none: unknown, which excuses nothing.
    pub since: Option<i64>,
    /// In seconds since 1970; none: still open.
    pub until: Option<i64>,
    /// Whether events are known to be missing.
    pub certain: bool,
    /// The program's words.
    pub reason: String,
}

/// What the journal has.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Rows in their order; delivered ones may have been deleted for room.
    pub rows: Vec<Row>,
    /// Every identity seen, with its place; none where the filter dropped it.
    pub identities: HashMap<(String, String), Option<i64>>,
    /// Dead letters.
    pub letters: Vec<Letter>,
    /// Gaps.
    pub gaps: Vec<Gap>,
}

/// An event as the destination stored it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The number in its message.
    pub number: Option<u64>,
    /// Uid and resource version.
    pub identity: (String, String),
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
}

/// A fault, from its beginning to the beginning of the next.
#[derive(Clone, Debug)]
pub struct Window {
    /// Which.
    pub class: Class,
    /// In nanoseconds since 1970.
    pub began_ns: u64,
    /// When its cause was gone.
    pub healed_ns: u64,
    /// Processes killed and writes left without an answer: each may double a batch.
    pub doubts: u64,
}

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
    /// For each fault, from the end of its cause until what was put before had arrived (without what never did).
    pub recoveries: Vec<Duration>,
}

/// The whole account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By class; none for the time before the first fault.
    pub classes: BTreeMap<Option<Class>, Tally>,
    /// Every missing version.
    pub missing: Vec<Missing>,
    /// At the destination or in the journal, but never put, or with another identity than the API server gave.
    pub foreign: Vec<String>,
    /// Delivered, but unknown to the journal.
    pub unjournaled: u64,
}

impl Account {
    /// Compares. `windows` are in the order of time, and `sink` is the name of the program's sink.
    #[must_use]
    pub fn of(puts: &[Put], journal: &Journal, arrivals: &[Arrival], windows: &[Window], sink: &str) -> Self {
        let mut account = Self::default();
        for window in windows {
            let tally = account.tally(Some(window.class));
            tally.caused += 1;
            tally.bound += window.doubts * BATCH;
        }
        let evidence = Evidence::new(journal, arrivals);
        for put in puts {
            account.judge(put, &evidence, journal, windows, sink);
        }
        account.find_doubles(arrivals, windows);
        account.find_foreign(puts, journal, arrivals);
        account.measure_recoveries(puts, &evidence, windows);
        account
    }

    /// Nothing is missing outside of gaps, doubles are within bounds, and nothing is there that should not be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bounded = self.classes.values().all(|tally| tally.doubled <= tally.bound);
        self.missing.is_empty() && self.foreign.is_empty() && self.unjournaled == 0 && bounded
    }

    fn tally(&mut self, class: Option<Class>) -> &mut Tally {
        self.classes.entry(class).or_default()
    }

    fn judge(&mut self, put: &Put, evidence: &Evidence<'_>, journal: &Journal, windows: &[Window], sink: &str) {
        let class = class_at(windows, put.sent_ns);
        self.tally(class).put += 1;
        let delivered = evidence.first_arrival.contains_key(&put.number);
        let position = evidence.positions.get(&put.number).copied();
        let claimed = put.identity.as_ref().and_then(|identity| journal.identities.get(identity).copied());
        if delivered {
            if position.is_none() && claimed.is_none() {
                self.unjournaled += 1;
            }
            return;
        }
        let lost = match (position.or(claimed.flatten()), claimed) {
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
        // What one sink gave up was in the journal; what was never seen is missing for every sink.
        let concerns = |gap: &Gap| match &gap.sink {
            None => true,
            Some(name) => name == sink && lost == Lost::NotDelivered,
        };
        if journal.gaps.iter().any(|gap| concerns(gap) && covers(gap, put)) {
            self.tally(class).excused += 1;
            return;
        }
        self.tally(class).missing += 1;
        self.missing.push(Missing { number: put.number, identity: put.identity.clone(), sent_ns: put.sent_ns, class, lost });
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
        let known: HashMap<u64, Option<&(String, String)>> = puts.iter().map(|put| (put.number, put.identity.as_ref())).collect();
        let rows = journal.rows.iter().map(|row| ("the journal", row.number, &row.identity));
        let stored = arrivals.iter().map(|arrival| ("the destination", arrival.number, &arrival.identity));
        for (place, number, identity) in rows.chain(stored) {
            let is_put = match number.and_then(|number| known.get(&number)) {
                Some(Some(put)) => *put == identity,
                Some(None) => true,
                None => false,
            };
            if !is_put {
                self.foreign.push(format!("{place} has {} at {}, number {number:?}", identity.0, identity.1));
            }
        }
    }

    fn measure_recoveries(&mut self, puts: &[Put], evidence: &Evidence<'_>, windows: &[Window]) {
        for window in windows {
            let before = |put: &&Put| window.began_ns <= put.settled_ns && put.settled_ns <= window.healed_ns;
            let last = puts.iter().filter(before).filter_map(|put| evidence.first_arrival.get(&put.number)).max();
            let took = last.map_or(0, |last| last.saturating_sub(window.healed_ns));
            self.tally(Some(window.class)).recoveries.push(Duration::from_nanos(took));
        }
    }
}

/// Look-ups.
struct Evidence<'a> {
    first_arrival: HashMap<u64, u64>,
    positions: HashMap<u64, i64>,
    letters: HashMap<i64, &'a str>,
}

impl<'a> Evidence<'a> {
    fn new(journal: &'a Journal, arrivals: &[Arrival]) -> Self {
        let mut first_arrival = HashMap::new();
        for (number, at) in arrivals.iter().filter_map(|arrival| Some((arrival.number?, arrival.at_ns))) {
            first_arrival.entry(number).or_insert(at);
        }
        let positions = journal.rows.iter().filter_map(|row| Some((row.number?, row.position))).collect();
        let letters = journal.letters.iter().filter_map(|letter| Some((letter.position?, letter.reason.as_str()))).collect();
        Self { first_arrival, positions, letters }
    }
}

/// The fault during which, or after which, something happened.
fn class_at(windows: &[Window], at_ns: u64) -> Option<Class> {
    let after = windows.partition_point(|window| window.began_ns <= at_ns);
    windows.get(after.checked_sub(1)?).map(|window| window.class)
}

/// Whether a version was put inside of a gap, whose ends are whole seconds.
fn covers(gap: &Gap, put: &Put) -> bool {
    let Some(since) = gap.since else { return false };
    let second = |ns: u64| i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX);
    since <= second(put.settled_ns) && gap.until.is_none_or(|until| second(put.sent_ns) <= until)
}
