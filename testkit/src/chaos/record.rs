//! What is compared: puts, journals, arrivals, and the windows of faults.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::class::Class;

/// Events that the program may have sent without knowing whether they are stored, for each kill,
/// lost answer or time-out: what aliyun-sls takes at once (`batch-events` of its grant).
pub const BATCH: u64 = 4_096;

/// One version of an event that was put into the API server, or may have been.
#[derive(Clone, Debug)]
pub struct Put {
    /// Its number: unique.
    pub number: u64,
    /// `metadata.uid` and `metadata.resourceVersion`; none when the answer was lost and nothing
    /// could be found out later.
    pub identity: Option<(String, String)>,
    /// Its namespace, which the program watches as a scope of its own.
    pub scope: String,
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
    /// Which sink; empty for what could not be read as an event.
    pub sink: String,
    /// Its place; none for what could not be read as an event.
    pub position: Option<i64>,
    /// Why.
    pub reason: String,
}

/// An interval in which the program says that events may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// For which scope; none: for all.
    pub scope: Option<String>,
    /// For which sink; none: for all.
    pub sink: Option<String>,
    /// In seconds since 1970; none: unknown, which excuses nothing but what the one before a new
    /// journal held.
    pub since: Option<i64>,
    /// In seconds since 1970; none: still open.
    pub until: Option<i64>,
    /// Whether events are known to be missing.
    pub certain: bool,
    /// The program's words.
    pub reason: String,
}

impl Gap {
    /// Whether it is about this scope.
    pub(super) fn concerns_scope(&self, scope: &str) -> bool {
        self.scope
            .as_deref()
            .is_none_or(|name| name == "*" || name == scope)
    }
}

/// What the journal has, together with those before it whose disk was taken away.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Rows in their order, those of earlier journals first; delivered ones may have been deleted
    /// for room.
    pub rows: Vec<Row>,
    /// Every identity seen, with its place; none where the filter dropped it.
    pub identities: HashMap<(String, String), Option<i64>>,
    /// Dead letters.
    pub letters: Vec<Letter>,
    /// Gaps.
    pub gaps: Vec<Gap>,
    /// Places up to here are of journals that are lost.
    pub lost_through: i64,
}

impl Journal {
    /// Adds what was read earlier of the same journal, which may have deleted it since.
    pub fn remember(&mut self, earlier: Self) {
        let known: HashSet<i64> = self.rows.iter().map(|row| row.position).collect();
        self.rows.extend(
            earlier
                .rows
                .into_iter()
                .filter(|row| !known.contains(&row.position)),
        );
        self.rows.sort_by_key(|row| row.position);
        for (identity, position) in earlier.identities {
            self.identities.entry(identity).or_insert(position);
        }
    }

    /// Goes on with the journal that took its place when its disk was taken away at a second since
    /// 1970. The places of the next one come after all of its own. A gap that it had not ended yet
    /// ends there: whatever is missing later is for the next one to say.
    pub fn go_on_with(&mut self, next: Self, second: i64) {
        let positions = self
            .rows
            .iter()
            .map(|row| row.position)
            .chain(self.identities.values().filter_map(|position| *position));
        let last = positions.max().unwrap_or(0).max(self.lost_through);
        self.rows.extend(next.rows.into_iter().map(|row| Row {
            position: row.position + last,
            ..row
        }));
        self.identities.extend(
            next.identities
                .into_iter()
                .map(|(identity, position)| (identity, position.map(|position| position + last))),
        );
        let moved = next.letters.into_iter().map(|letter| Letter {
            position: letter.position.map(|position| position + last),
            ..letter
        });
        self.letters.extend(moved);
        for gap in &mut self.gaps {
            gap.until.get_or_insert(second);
        }
        self.gaps.extend(next.gaps);
        self.lost_through = last;
    }
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
    /// Processes killed and writes of the sink left without an answer: each may double a batch.
    pub doubts: u64,
    /// When the disk was taken away.
    pub disk_lost_ns: Option<u64>,
    /// What the sink had delivered since the Lease may have been renewed last, when the disk was
    /// taken away: it may come again.
    pub unrenewed: u64,
    /// What the sink had got before the journal began, when the storage is set back after a lost
    /// disk: then nothing says any more that it had it.
    pub forgotten: u64,
}

impl Window {
    /// How many copies of what was stored before may come.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.doubts * BATCH + self.unrenewed + self.forgotten
    }
}
