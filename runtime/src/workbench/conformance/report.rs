//! What the suite found, for people and for machines.

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::{Value, json};

use crate::shown::visible;
use crate::sink::Description;

use super::finding::{Finding, Verdict};

/// Counts of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub passed: usize,
    pub failed: usize,
    pub not_checkable: usize,
}

impl Count {
    pub fn of(found: &[Finding]) -> Self {
        let count = |verdict| {
            found
                .iter()
                .filter(|finding| finding.verdict == verdict)
                .count()
        };
        Self {
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            not_checkable: count(Verdict::NotCheckable),
        }
    }
}

/// One line a check, and what to do for those that failed.
pub(super) fn line(finding: &Finding, colours: bool) -> String {
    let Finding {
        check,
        verdict,
        expected,
        seen,
        mend,
    } = finding;
    let [expected, seen, mend] = [expected, seen, mend].map(|text| visible(text));
    let (word, colour) = match verdict {
        Verdict::Passed => ("ok", "32"),
        Verdict::Failed => ("FAILED", "31;1"),
        Verdict::NotCheckable => ("?", "33"),
    };
    let padded = format!("{word:<7}");
    let word = if colours {
        format!("\x1b[{colour}m{padded}\x1b[0m")
    } else {
        padded
    };
    if *verdict != Verdict::Failed {
        return format!("{word} {check:<17} {seen}").trim_end().to_owned();
    }
    let mend = if mend.is_empty() {
        String::new()
    } else {
        format!("\n        to mend   {mend}")
    };
    format!("{word} {check}\n        expected  {expected}\n        seen      {seen}{mend}")
}

/// Whether stdout takes colours.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The last line.
pub(super) fn summary(count: Count, took: Duration) -> String {
    let Count {
        passed,
        failed,
        not_checkable,
    } = count;
    format!(
        "{} checks: {passed} passed, {failed} failed, {not_checkable} not checkable, in {:.1} s",
        passed + failed + not_checkable,
        took.as_secs_f64()
    )
}

/// Everything, for a machine.
pub(super) fn as_json(description: &Description, digest: &str, found: &[Finding]) -> Value {
    let Count {
        passed,
        failed,
        not_checkable,
    } = Count::of(found);
    json!({
        "sink": {"name": description.name, "version": description.version, "sha256": digest},
        "passed": passed, "failed": failed, "notCheckable": not_checkable,
        "findings": found,
    })
}
