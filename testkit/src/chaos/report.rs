//! The account for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::account::{Account, Tally};
use super::class::Class;
use super::record::Gap;

/// Missing versions that are shown, at most.
const SHOWN: usize = 20;

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// For each sink, by its name: what was put against what arrived.
    pub accounts: Vec<(String, Account)>,
    /// The gaps that the program reported.
    pub gaps: Vec<Gap>,
    /// Of these, the ones that no fault explains.
    pub uncaused: Vec<Gap>,
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
        let complete = self.accounts.iter().all(|(_, account)| account.is_good());
        complete && self.uncaused.is_empty() && self.own_ends == 0 && self.in_order
    }

    /// One line that says how it ended.
    #[must_use]
    pub fn verdict(&self) -> String {
        let word = if self.is_good() { "PASSED" } else { "FAILED" };
        let totals: Vec<(&String, Tally)> = self
            .accounts
            .iter()
            .map(|(sink, account)| (sink, total(account)))
            .collect();
        let (put, caused) = totals
            .first()
            .map_or((0, 0), |(_, total)| (total.put, total.caused));
        let sinks: Vec<String> = totals
            .into_iter()
            .map(|(sink, total)| {
                let Tally { missing, excused, doubled, bound, .. } = total;
                format!("{sink}: {missing} missing, {excused} excused, {doubled} doubled (at most {bound})")
            })
            .collect();
        format!(
            "{word}: {put} versions put, {caused} faults, {} gaps; {}; seed {}, {:.0} s",
            self.gaps.len(),
            sinks.join("; "),
            self.seed,
            self.took.as_secs_f64()
        )
    }

    /// A table for each sink, what is wrong, and the verdict.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (sink, account) in &self.accounts {
            show_table(&mut text, sink, account);
        }
        // Writing to a String can't fail.
        for gap in &self.gaps {
            let _ = writeln!(text, "{}", of_gap(gap));
        }
        for (sink, account) in &self.accounts {
            show_faults(&mut text, sink, account);
        }
        for complaint in self.complaints() {
            let _ = writeln!(text, "{complaint}");
        }
        text + &self.verdict()
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<String> = self
            .skipped
            .iter()
            .map(|(class, why)| format!("SKIPPED {}: {why}", class.name()))
            .collect();
        complaints.extend(
            self.remarks
                .iter()
                .map(|(class, remark)| format!("{}: {remark}", class.name())),
        );
        complaints.extend(
            self.uncaused
                .iter()
                .map(|gap| format!("NO FAULT EXPLAINS the {}", of_gap(gap))),
        );
        if self.own_ends > 0 {
            complaints.push(format!(
                "the program ended by itself {} times",
                self.own_ends
            ));
        }
        if !self.in_order {
            complaints.push("the program did not end with success after SIGTERM".to_owned());
        }
        complaints
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let sinks: serde_json::Map<String, Value> = self
            .accounts
            .iter()
            .map(|(sink, account)| (sink.clone(), of_account(account)))
            .collect();
        let named = |pairs: &[(Class, String)]| -> Vec<Value> {
            pairs
                .iter()
                .map(|(class, why)| json!({"class": class, "why": why}))
                .collect()
        };
        json!({
            "good": self.is_good(), "seed": self.seed, "seconds": self.took.as_secs_f64(), "sinks": sinks, "gaps": self.gaps,
            "gaps_without_cause": self.uncaused,
            "skipped": named(&self.skipped), "remarks": named(&self.remarks), "own_ends": self.own_ends, "ended_in_order": self.in_order,
        })
    }
}

fn total(account: &Account) -> Tally {
    let mut total = Tally::default();
    for tally in account.classes.values() {
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

fn show_table(text: &mut String, sink: &str, account: &Account) {
    let _ = writeln!(
        text,
        "{sink:<14} {:>6} {:>8} {:>19} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "caused", "put", "recovered (longest)", "missing", "excused", "unsure", "doubled", "bound"
    );
    for (class, tally) in &account.classes {
        let _ = writeln!(
            text,
            "{}",
            line(
                &class.map_or_else(|| "(before)".to_owned(), Class::name),
                tally
            )
        );
    }
    let _ = writeln!(text, "{}\n", line("all", &total(account)));
}

fn show_faults(text: &mut String, sink: &str, account: &Account) {
    for missing in account.missing.iter().take(SHOWN) {
        let class = missing.class.map(Class::name).unwrap_or_default();
        let (uid, version) = missing.identity.clone().unwrap_or_default();
        let at = missing.sent_ns / 1_000_000_000;
        let _ = writeln!(
            text,
            "{sink}: MISSING put {} of {at} ({uid} at {version}), {class}: {:?}",
            missing.number, missing.lost
        );
    }
    for foreign in account.foreign.iter().take(SHOWN) {
        let _ = writeln!(text, "{sink}: FOREIGN {foreign}");
    }
    for number in account.disordered.iter().take(SHOWN) {
        let _ = writeln!(
            text,
            "{sink}: OUT OF ORDER put {number} arrived after a later version of its event"
        );
    }
    for (what, count) in [
        ("missing", account.missing.len()),
        ("foreign", account.foreign.len()),
        ("out of order", account.disordered.len()),
    ] {
        if count > SHOWN {
            let _ = writeln!(text, "{sink}: and {} more are {what}", count - SHOWN);
        }
    }
    for (class, tally) in account
        .classes
        .iter()
        .filter(|(_, tally)| tally.doubled > tally.bound)
    {
        let name = class.map_or_else(|| "before the first fault".to_owned(), Class::name);
        let _ = writeln!(
            text,
            "{sink}: TOO MANY DOUBLES ({name}): {}, at most {} may be",
            tally.doubled, tally.bound
        );
    }
    if account.unjournaled > 0 {
        let _ = writeln!(
            text,
            "{sink}: {} were delivered, but the journal does not know them",
            account.unjournaled
        );
    }
}

fn of_gap(gap: &Gap) -> String {
    let (scope, sink) = (
        gap.scope.as_deref().unwrap_or("all scopes"),
        gap.sink.as_deref().unwrap_or("all sinks"),
    );
    format!(
        "gap of {scope} and {sink}, {} to {}, {}: {}",
        second(gap.since),
        second(gap.until),
        certainty(gap),
        gap.reason
    )
}

fn of_account(account: &Account) -> Value {
    let name = |class: &Option<Class>| class.map_or_else(|| "before".to_owned(), Class::name);
    let classes: serde_json::Map<String, Value> = account
        .classes
        .iter()
        .map(|(class, tally)| (name(class), of_tally(tally)))
        .collect();
    json!({
        "classes": classes, "total": of_tally(&total(account)), "missing": account.missing, "foreign": account.foreign,
        "out_of_order": account.disordered, "unjournaled": account.unjournaled,
    })
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
    let median = times
        .get(times.len() / 2)
        .copied()
        .unwrap_or_default()
        .as_secs_f64();
    let longest = times.last().copied().unwrap_or_default().as_secs_f64();
    let recovered = if times.is_empty() {
        "-".to_owned()
    } else {
        format!("{median:.1} s ({longest:.1} s)")
    };
    let Tally {
        caused,
        put,
        missing,
        excused,
        unsure,
        doubled,
        bound,
        ..
    } = tally;
    format!(
        "{name:<14} {caused:>6} {put:>8} {recovered:>19} {missing:>8} {excused:>8} {unsure:>8} {doubled:>8} {bound:>8}"
    )
}

fn second(time: Option<i64>) -> String {
    time.map_or_else(
        || "?".to_owned(),
        |second| {
            jiff::Timestamp::from_second(second)
                .map_or_else(|_| second.to_string(), |time| time.to_string())
        },
    )
}

fn certainty(gap: &Gap) -> &'static str {
    if gap.certain { "certain" } else { "possible" }
}
