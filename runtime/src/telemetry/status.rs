//! The whole service at one time, as numbers and words: what metrics, `kubedl-events status` and
//! the terminal show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::relay::{Counted, State};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Seconds since its start.
    pub uptime_seconds: f64,
    /// `starting`, `alone`, `leading`, `standby` or `unknown`.
    pub role: String,
    /// Whether this process delivers.
    pub delivers: bool,
    /// Who delivers, if it is another.
    pub holder: Option<String>,
    /// Checks of `/readyz` that fail, with why.
    pub not_ready: BTreeMap<String, String>,
    /// What is watched.
    pub scopes: Vec<ScopeStatus>,
    /// How much each redaction rule has hidden, since the start.
    #[serde(default)]
    pub hidden: BTreeMap<String, u64>,
    /// None until it is open.
    pub journal: Option<JournalStatus>,
    /// In the order in which they were given.
    pub sinks: Vec<SinkStatus>,
}

/// Of one watched scope. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScopeStatus {
    /// `*` or a namespace.
    pub scope: String,
    /// Events handed over.
    pub events: u64,
    /// Lists read again after sight was lost.
    pub losses: u64,
    /// Watches that ended, by cause.
    pub endings: BTreeMap<String, u64>,
    /// Why nothing is seen now.
    pub trouble: Option<String>,
    /// Seconds since it was last known that all was seen.
    pub checkpoint_age_seconds: Option<f64>,
}

/// Of the journal. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// Events stored.
    pub stored: u64,
    /// Events seen again.
    pub known: u64,
    /// Objects that could not be read as events.
    pub unreadable: u64,
    /// Events dropped by the filter, by rule.
    pub dropped: BTreeMap<String, u64>,
    /// Transactions.
    pub commits: u64,
    /// Rows that sinks lost to the size limit.
    pub shed: u64,
    /// Damaged files replaced.
    pub salvaged: u64,
    /// Why events can't be stored now.
    pub trouble: Option<String>,
    /// The most bytes that there may be.
    pub limit_bytes: Option<u64>,
    /// None while the file can't be read.
    pub file: Option<FileStatus>,
}

/// What the journal's file says, whichever process wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileStatus {
    /// Bytes in use.
    pub size_bytes: u64,
    /// Seconds until what is not delivered fills it.
    pub full_in_seconds: Option<f64>,
    /// Intervals in which events may be missing.
    pub gaps_possible: u64,
    /// And in which they are.
    pub gaps_certain: u64,
    /// Dead letters of no sink.
    pub unreadable_objects: u64,
}

/// Of one sink. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Name of the instance.
    pub sink: String,
    /// Of the component, by its own words.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// `compiling`, `left-out`, `standby`, `opening`, `idle`, `sending`, `retrying`,
    /// `misconfigured`, `blocked` or `closed`.
    pub state: String,
    /// What is in its way while it is `blocked`.
    #[serde(default)]
    pub blocked: Option<String>,
    /// Events stored.
    pub delivered: u64,
    /// Events that became dead letters.
    pub dead: u64,
    /// Events that the selection kept from it.
    pub unselected: u64,
    /// Events that it got since the selection failed on them.
    pub undecided: u64,
    /// Tries that were not the first.
    pub retried: u64,
    /// Batches acknowledged.
    pub batches: u64,
    /// Events still to deliver.
    pub backlog: Option<u64>,
    /// Seconds since the oldest of these was seen; 0: there is none.
    pub lag_seconds: Option<f64>,
    /// Dead letters that lie in the journal.
    pub dead_letters: Option<u64>,
    /// Events that did not pass alone while others did, and that are tried again beside what
    /// follows.
    #[serde(default)]
    pub held_back: Option<u64>,
    /// What goes wrong, or went wrong last.
    pub failing: Option<FailingStatus>,
    /// Events of each call.
    pub sizes: Counted,
    /// Seconds of each call.
    pub times: Counted,
    /// HTTP requests by how they ended.
    pub requests: BTreeMap<String, u64>,
    /// Requests that were not sent, since the sink had sent what it may in a minute.
    #[serde(default)]
    pub over_budget: u64,
    /// Instances opened.
    pub instances: u64,
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that ran out of time.
    pub timeouts: u64,
    /// Instances replaced since they had served for long.
    pub recycles: u64,
    /// Bytes of the instance that serves.
    pub memory_bytes: u64,
    /// The most that it may have.
    pub memory_limit_bytes: u64,
    /// Versions that took over.
    pub reloads: u64,
    /// Versions that were refused.
    pub reloads_refused: u64,
}

/// The state of a sink while another replica delivers.
pub(super) const STANDBY: &str = "standby";
/// And of one whose loading killed the process before.
pub(super) const LEFT_OUT: &str = "left-out";

/// A failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FailingStatus {
    /// The destination's words.
    pub reason: String,
    /// Failures in a row.
    pub times: u64,
    /// Seconds since the first of them.
    pub since_seconds: f64,
    /// Seconds since the last.
    pub last_seconds: f64,
    /// Whether something was stored since.
    pub over: bool,
}

/// The states that a sink can be in.
pub(super) fn states() -> [&'static str; 10] {
    let empty = String::new;
    let troubled = [
        State::Retrying { reason: empty() },
        State::Misconfigured { reason: empty() },
        State::Blocked { reason: empty() },
    ];
    let ([opening, idle, sending, closed], [retrying, misconfigured, blocked]) = (
        [State::Opening, State::Idle, State::Sending, State::Closed].map(|state| state.name()),
        troubled.map(|state| state.name()),
    );
    [
        "compiling",
        LEFT_OUT,
        STANDBY,
        opening,
        idle,
        sending,
        retrying,
        misconfigured,
        blocked,
        closed,
    ]
}
