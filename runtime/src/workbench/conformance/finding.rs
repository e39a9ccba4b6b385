//! What a check found.

use serde::Serialize;

use super::situation::Situation;
use super::subject::CRASH;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// What would show it can't be seen from outside.
    NotCheckable,
}

/// A check's result, for people and for machines.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// Which check.
    pub check: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What should be.
    pub expected: String,
    /// What was seen instead, or why nothing can be; or a figure of interest.
    pub seen: String,
    /// What to do about it; empty where there is nothing to do.
    pub mend: String,
}

/// A check: its name, what it expects, and how to mend a sink that fails it.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// As in the report, and after `--only`.
    pub name: &'static str,
    /// What should be.
    pub expected: &'static str,
    /// What to do where it isn't so.
    pub mend: &'static str,
    /// How it is made.
    pub(super) kind: Kind,
}

/// How a check is made.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// The sink describes itself.
    Describe,
    /// It is opened without its variables.
    OpenWithoutEnv,
    /// It is opened.
    Open,
    /// Batches of usual events.
    NoLoss,
    /// Batches as large as there are.
    LargeBatch,
    /// Events at the edges of what Kubernetes allows.
    OddEvents,
    /// Some requests of a batch fail.
    Partial,
    /// A batch comes a second time.
    Again,
    /// It is closed.
    Close,
    /// Thousands of batches.
    Memory,
    /// What it said so far has no secret.
    Secrets,
    /// What it asked for so far was granted.
    Hosts,
    /// Its destination answers in these ways.
    Answers(fn() -> Vec<Situation>),
}

/// What a check says besides its verdict: what was seen.
pub(super) type Outcome = Result<String, Trouble>;

/// Why a check didn't pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The sink did something else.
    Failed(String),
    /// It can't be seen.
    NotCheckable(String),
}

impl Trouble {
    /// The sink did something else.
    pub fn failed(seen: impl Into<String>) -> Self {
        Self::Failed(seen.into())
    }
}

impl Check {
    /// With how it ended.
    pub(super) fn found(&self, outcome: Outcome) -> Finding {
        let (verdict, seen) = match outcome {
            Ok(seen) => (Verdict::Passed, seen),
            Err(Trouble::Failed(seen)) => (Verdict::Failed, seen),
            Err(Trouble::NotCheckable(seen)) => (Verdict::NotCheckable, seen),
        };
        let mend = match verdict {
            Verdict::Failed if seen.contains(CRASH) => {
                "a crash is a bug in the sink itself: its own last words stand above; answer what went wrong as an error instead"
            }
            Verdict::Failed => self.mend,
            _ => "",
        };
        Finding {
            check: self.name.to_owned(),
            verdict,
            expected: self.expected.to_owned(),
            seen,
            mend: mend.to_owned(),
        }
    }
}
