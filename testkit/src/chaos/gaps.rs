//! Which gaps excuse what is missing, and whether each has a cause. Pure.

use std::collections::HashMap;

use super::class::Class;
use super::record::{Arrival, Gap, Journal, Put, Window};

/// How the reason of a gap begins that a journal notes since it has taken the place of one that is
/// lost (`runtime/src/service/lead.rs`).
const NEW_JOURNAL: &str = "the journal is new";
/// What was put so long before the youngest event that a sink had, in nanoseconds, it had as well.
const SETTLED: u64 = 2_000_000_000;

/// The gaps that concern one sink.
pub(super) struct Gaps<'a> {
    gaps: Vec<(&'a Gap, Option<i64>)>,
}

impl<'a> Gaps<'a> {
    pub fn new(
        journal: &'a Journal,
        puts: &[Put],
        arrivals: &[Arrival],
        windows: &[Window],
        sink: &str,
    ) -> Self {
        let concerns = |gap: &&Gap| gap.sink.as_deref().is_none_or(|name| name == sink);
        let begin = |gap: &'a Gap| {
            (
                gap,
                gap.since
                    .or_else(|| last_known_good(gap, puts, arrivals, windows)),
            )
        };
        Self {
            gaps: journal.gaps.iter().filter(concerns).map(begin).collect(),
        }
    }

    /// Whether one of them excuses that a version did not arrive. What the journal `is_there` has,
    /// only a gap of the sink does: it was seen. What it never had (`was_seen` is false), only a
    /// gap of all sinks does.
    pub fn excuse(&self, put: &Put, is_there: bool, was_seen: bool) -> bool {
        let concerns = |gap: &Gap| {
            if gap.sink.is_none() {
                !is_there
            } else {
                was_seen
            }
        };
        self.gaps
            .iter()
            .any(|(gap, since)| concerns(gap) && covers(gap, *since, put))
    }
}

/// The gaps that no fault explains: none was at work, or had been last, in any second of theirs
/// that can leave one. `windows` are in the order of time.
#[must_use]
pub fn uncaused(gaps: &[Gap], windows: &[Window]) -> Vec<Gap> {
    let is_caused = |gap: &&Gap| {
        let ends = windows
            .iter()
            .skip(1)
            .map(|next| second(next.began_ns))
            .chain([i64::MAX]);
        windows.iter().zip(ends).any(|(window, end)| {
            // The end of a gap is rounded up.
            let (began, end) = (second(window.began_ns), end.saturating_add(1));
            window.class.may_leave_gaps()
                && gap.since.unwrap_or(i64::MIN) <= end
                && gap.until.unwrap_or(i64::MAX) >= began
        })
    };
    gaps.iter().filter(|gap| !is_caused(gap)).cloned().collect()
}

/// The fault during which, or after which, something happened.
pub(super) fn class_at(windows: &[Window], at_ns: u64) -> Option<Class> {
    let after = windows.partition_point(|window| window.began_ns <= at_ns);
    windows
        .get(after.checked_sub(1)?)
        .map(|window| window.class)
}

/// Where a gap whose beginning is unknown begins at the earliest, when it is one that a new journal
/// notes: with the youngest event that the sink had when the disk was taken away, since it gets
/// them in order.
fn last_known_good(
    gap: &Gap,
    puts: &[Put],
    arrivals: &[Arrival],
    windows: &[Window],
) -> Option<i64> {
    if !gap.reason.starts_with(NEW_JOURNAL) {
        return None;
    }
    let disks = windows.iter().filter_map(|window| window.disk_lost_ns);
    let lost_ns = disks
        .filter(|lost| gap.until.is_none_or(|until| second(*lost) <= until))
        .max()?;
    let sent: HashMap<u64, u64> = puts
        .iter()
        .filter(|put| gap.concerns_scope(&put.scope))
        .map(|put| (put.number, put.sent_ns))
        .collect();
    let had = arrivals.iter().filter(|arrival| arrival.at_ns <= lost_ns);
    let youngest = had
        .filter_map(|arrival| sent.get(&arrival.number?))
        .max()
        .copied()
        .unwrap_or(0);
    Some(second(youngest.saturating_sub(SETTLED)))
}

/// Whether a version was put inside of a gap, whose ends are whole seconds.
fn covers(gap: &Gap, since: Option<i64>, put: &Put) -> bool {
    let Some(since) = since else { return false };
    gap.concerns_scope(&put.scope)
        && since <= second(put.settled_ns)
        && gap.until.is_none_or(|until| second(put.sent_ns) <= until)
}

fn second(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX)
}
