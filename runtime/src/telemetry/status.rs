//! The whole service at one time, as numbers and words: what metrics, `kubedl-events status` and
//! the terminal show.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cluster::{Ending, Sight};
use crate::journal::{self, Journal, Reader, Survey};
use crate::relay::{Counted, State};

use super::forecast::{Forecast, Look};
use super::{Board, Ready, Watched, probe};

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
const STANDBY: &str = "standby";
/// And of one whose loading killed the process before.
const LEFT_OUT: &str = "left-out";

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

/// Looks at everything when it is asked.
pub struct Observer {
    board: Arc<Board>,
    file: Mutex<File>,
}

/// A connection to the journal's file, and what was seen of its growth.
type File = (Option<Reader>, Forecast);

/// Another one is looking, for so long that something hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Observer {
    /// Of a process.
    pub fn new(board: Arc<Board>) -> Self {
        Self {
            board,
            file: Mutex::default(),
        }
    }

    /// What is looked at.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Reads the journal's file: blocks for milliseconds, or for as long as the disk hangs.
    ///
    /// # Errors
    /// While another one looks: the disk may hang.
    pub fn status(&self) -> Result<Status, Busy> {
        match self.file.try_lock() {
            Ok(mut file) => Ok(self.look(&mut file)),
            Err(TryLockError::Poisoned(poisoned)) => Ok(self.look(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => Err(Busy),
        }
    }

    /// The same, for one who can wait.
    pub fn wait(&self) -> Status {
        self.look(&mut self.file.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self, (reader, forecast): &mut File) -> Status {
        let (board, now) = (&*self.board, SystemTime::now());
        let survey = board.journal().and_then(|journal| survey(journal, reader));
        let survey = survey.as_ref();
        let role = board.role();
        let stands_by = matches!(role, super::Role::Standby { .. });
        let holder = if let super::Role::Standby { holder } = &role {
            Some(holder.clone())
        } else {
            None
        };
        let failed = probe::ready(board)
            .into_iter()
            .filter_map(|check| Some((check.name, check.result.err()?)));
        let age = |scope: &str| Some(seconds(now, *survey?.checkpoints.get(scope)?));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: board.began().elapsed().as_secs_f64(),
            role: role.name().to_owned(),
            delivers: role.delivers(),
            holder,
            not_ready: failed.collect(),
            scopes: board
                .cluster
                .scopes()
                .into_iter()
                .map(|(key, sight)| scope(&key, &sight, age(&key)))
                .collect(),
            hidden: board.hidden(),
            journal: board
                .journal()
                .map(|journal| journal_status(journal, survey, forecast)),
            sinks: board
                .sinks()
                .into_iter()
                .map(|watched| sink(watched, survey, now, stands_by))
                .collect(),
        }
    }
}

/// None where the file can't be read now; the next time it is opened anew.
fn survey(journal: &Journal, reader: &mut Option<Reader>) -> Option<Survey> {
    if reader.is_none() {
        *reader = journal.reader().ok();
    }
    let survey = reader.as_ref()?.survey();
    if let Err(why) = &survey {
        tracing::debug!("The journal can't be looked at: {why}.");
        *reader = None;
    }
    survey.ok()
}

fn seconds(now: SystemTime, then: SystemTime) -> f64 {
    now.duration_since(then).unwrap_or_default().as_secs_f64()
}

fn named(counts: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

fn scope(key: &str, sight: &Sight, checkpoint_age_seconds: Option<f64>) -> ScopeStatus {
    ScopeStatus {
        scope: key.to_owned(),
        events: sight.events(),
        losses: sight.losses(),
        endings: named(
            Ending::ALL
                .map(|ending| (ending.name(), sight.endings(ending)))
                .into(),
        ),
        trouble: sight.trouble().map(|(_, why)| why),
        checkpoint_age_seconds,
    }
}

fn journal_status(
    journal: &Journal,
    survey: Option<&Survey>,
    forecast: &mut Forecast,
) -> JournalStatus {
    let stats = journal.stats();
    JournalStatus {
        stored: stats.stored(),
        known: stats.known(),
        unreadable: stats.unreadable(),
        dropped: named(stats.dropped_by()),
        commits: stats.commits(),
        shed: stats.shed(),
        salvaged: stats.salvaged(),
        trouble: stats.trouble(),
        limit_bytes: stats.limit(),
        file: survey.map(|survey| file_status(survey, stats, forecast)),
    }
}

fn file_status(survey: &Survey, stats: &journal::Stats, forecast: &mut Forecast) -> FileStatus {
    let size = survey.size + stats.beside();
    let backlog = survey
        .sinks
        .iter()
        .map(|sink| sink.backlog)
        .max()
        .unwrap_or(0);
    let look = Look {
        at: Instant::now(),
        size,
        rows: survey.rows,
        backlog,
    };
    FileStatus {
        size_bytes: size,
        full_in_seconds: stats
            .limit()
            .and_then(|limit| forecast.add(look, limit))
            .map(|time| time.as_secs_f64()),
        gaps_possible: survey.gaps.0,
        gaps_certain: survey.gaps.1,
        unreadable_objects: survey.letters.get("").copied().unwrap_or(0),
    }
}

fn sink(watched: Watched, survey: Option<&Survey>, now: SystemTime, stands_by: bool) -> SinkStatus {
    let behind = survey.and_then(|survey| {
        survey
            .sinks
            .iter()
            .find(|behind| behind.sink == watched.name)
    });
    let mut status = SinkStatus {
        state: if watched.left_out.is_some() {
            LEFT_OUT
        } else {
            "compiling"
        }
        .to_owned(),
        backlog: behind.map(|behind| behind.backlog),
        lag_seconds: behind.map(|behind| behind.oldest.map_or(0.0, |oldest| seconds(now, oldest))),
        dead_letters: survey.map(|survey| survey.letters.get(&watched.name).copied().unwrap_or(0)),
        held_back: survey.map(|survey| survey.held_back.get(&watched.name).copied().unwrap_or(0)),
        failing: watched.left_out.map(|reason| FailingStatus {
            reason,
            times: 1,
            ..FailingStatus::default()
        }),
        sink: watched.name,
        ..SinkStatus::default()
    };
    if let Some(Ready { slot, progress, .. }) = watched.ready {
        let (stats, serving) = (slot.stats(), slot.serving());
        status
            .version
            .clone_from(&serving.blueprint().description().version);
        status.digest = serving.digest().to_string();
        let state = progress.state();
        status.state = if stands_by { STANDBY } else { state.name() }.to_owned();
        status.blocked = if let State::Blocked { reason } = state {
            Some(reason)
        } else {
            None
        };
        (
            status.delivered,
            status.dead,
            status.retried,
            status.batches,
        ) = (
            progress.delivered(),
            progress.dead(),
            progress.retried(),
            progress.batches(),
        );
        (status.unselected, status.undecided) = (progress.unselected(), progress.undecided());
        (status.sizes, status.times) = (progress.sizes().counted(), progress.times().counted());
        status.failing = progress.failing().map(|failing| FailingStatus {
            reason: failing.reason,
            times: failing.times,
            since_seconds: seconds(now, failing.since),
            last_seconds: seconds(now, failing.last),
            over: failing.over,
        });
        (
            status.instances,
            status.traps,
            status.timeouts,
            status.recycles,
        ) = (
            stats.instances(),
            stats.traps(),
            stats.timeouts(),
            stats.recycles(),
        );
        (status.reloads, status.reloads_refused, status.requests) =
            (stats.reloads(), stats.refused(), named(stats.requests()));
        status.over_budget = stats.over_budget();
        (status.memory_bytes, status.memory_limit_bytes) =
            (stats.memory() as u64, serving.grant().limits.memory as u64);
    }
    status
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
