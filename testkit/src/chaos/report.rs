//! The account for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Gap, Tally};
use super::class::Class;

/// Missing versions that are shown, at most.
const SHOWN: usize = 20;

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was put against what arrived.
    pub account: Account,
    /// The gaps that the program reported.
    pub gaps: Vec<Gap>,
    /// Classes that could not be caused, and why.
    pub skipped: Vec<(Class, String)>,
    /// Faults that did not do what they should, or from which the program did not recover in time.
    pub remarks: Vec<(Class, String)>,
    /// How often the program ended by itself; a running service never should.
    pub own_ends: u32,
    /// Whether it ended with success after SIGTERM.
    pub in_order: bool,
    /// What repeats this run.
    pub seed: u64,
    /// From the start to the report.
    pub took: Duration,
}

impl Report {
    /// Nothing is lost silently, and nothing else is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.account.is_good() && self.own_ends == 0 && self.in_order
    }

    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in self.account.classes.values() {
            total.caused += tally.caused;
            total.put += tally.put;
            total.unsure += tally.unsure;
            total.missing += tally.missing;
            total.excused += tally.excused;
            total.doubled += tally.doubled;
            total.bound += tally.bound;
            total.recoveries.extend(&tally.recoveries);
        }
        total
    }

    /// One line that says how it ended.
    #[must_use]
    pub fn verdict(&self) -> String {
        let Tally { put, missing, excused, doubled, bound, caused, .. } = self.total();
        let word = if self.is_good() { "PASSED" } else { "FAILED" };
        format!(
            "{word}: {put} versions put, {caused} faults, {missing} missing, {excused} excused by {} gaps, {doubled} doubled (at most {bound}); seed {}, {:.0} s",
            self.gaps.len(),
            self.seed,
            self.took.as_secs_f64()
        )
    }

    /// A table, what is wrong, and the verdict.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "{:<14} {:>6} {:>8} {:>19} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "fault", "caused", "put", "recovered (longest)", "missing", "excused", "unsure", "doubled", "bound"
        );
        for (class, tally) in &self.account.classes {
            let _ = writeln!(text, "{}", line(&class.map_or_else(|| "(before)".to_owned(), Class::name), tally));
        }
        let _ = writeln!(text, "{}", line("all", &self.total()));
        for gap in &self.gaps {
            let _ = writeln!(text, "gap {} to {}, {}: {}", second(gap.since), second(gap.until), certainty(gap), gap.reason);
        }
        for missing in self.account.missing.iter().take(SHOWN) {
            let class = missing.class.map(Class::name).unwrap_or_default();
            let (uid, version) = missing.identity.clone().unwrap_or_default();
            let at = missing.sent_ns / 1_000_000_000;
            let _ = writeln!(text, "MISSING put {} of {at} ({uid} at {version}), {class}: {:?}", missing.number, missing.lost);
        }
        for foreign in self.account.foreign.iter().take(SHOWN) {
            let _ = writeln!(text, "FOREIGN {foreign}");
        }
        for complaint in self.complaints() {
            let _ = writeln!(text, "{complaint}");
        }
        text + &self.verdict()
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<String> = self.skipped.iter().map(|(class, why)| format!("SKIPPED {}: {why}", class.name())).collect();
        complaints.extend(self.remarks.iter().map(|(class, remark)| format!("{}: {remark}", class.name())));
        if self.account.missing.len() > SHOWN {
            complaints.push(format!("and {} more are missing", self.account.missing.len() - SHOWN));
        }
        if self.account.foreign.len() > SHOWN {
            complaints.push(format!("and {} more are foreign", self.account.foreign.len() - SHOWN));
        }
        for (class, tally) in self.account.classes.iter().filter(|(_, tally)| tally.doubled > tally.bound) {
            let name = class.map_or_else(|| "before the first fault".to_owned(), Class::name);
            complaints.push(format!("TOO MANY DOUBLES ({name}): {}, at most {} may be", tally.doubled, tally.bound));
        }
        if self.account.unjournaled > 0 {
            complaints.push(format!("{} were delivered, but the journal does not know them", self.account.unjournaled));
        }
        if self.own_ends > 0 {
            complaints.push(format!("the program ended by itself {} times", self.own_ends));
        }
        if !self.in_order {
            complaints.push("the program did not end with success after SIGTERM".to_owned());
        }
        complaints
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let classes: serde_json::Map<String, Value> =
            self.account.classes.iter().map(|(class, tally)| (class.map_or_else(|| "before".to_owned(), Class::name), of_tally(tally))).collect();
        let named = |pairs: &[(Class, String)]| -> Vec<Value> { pairs.iter().map(|(class, why)| json!({"class": class, "why": why})).collect() };
        json!({
            "good": self.is_good(), "seed": self.seed, "seconds": self.took.as_secs_f64(), "classes": classes, "total": of_tally(&self.total()),
            "gaps": self.gaps, "missing": self.account.missing, "foreign": self.account.foreign, "unjournaled": self.account.unjournaled,
            "skipped": named(&self.skipped), "remarks": named(&self.remarks), "own_ends": self.own_ends, "ended_in_order": self.in_order,
        })
    }
}

fn of_tally(tally: &Tally) -> Value {
    let recoveries: Vec<f64> = tally.recoveries.iter().map(Duration::as_secs_f64).collect();
    json!({
        "caused": tally.caused, "put": tally.put, "unsure": tally.unsure, "missing": tally.missing, "excused": tally.excused,
        "doubled": tally.doubled, "bound": tally.bound, "recovery_seconds": recoveries,
    })
}

fn line(name: &str, tally: &Tally) -> String {
    let mut times = tally.recoveries.clone();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64();
    let longest = times.last().copied().unwrap_or_default().as_secs_f64();
    let recovered = if times.is_empty() { "-".to_owned() } else { format!("{median:.1} s ({longest:.1} s)") };
    let Tally { caused, put, missing, excused, unsure, doubled, bound, .. } = tally;
    format!("{name:<14} {caused:>6} {put:>8} {recovered:>19} {missing:>8} {excused:>8} {unsure:>8} {doubled:>8} {bound:>8}")
}

fn second(time: Option<i64>) -> String {
    time.map_or_else(|| "?".to_owned(), |second| jiff::Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string()))
}

fn certainty(gap: &Gap) -> &'static str {
    if gap.certain { "certain" } else { "possible" }
}
