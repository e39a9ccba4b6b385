//! Reads the board and the journal's file into a status, when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Instant, SystemTime};

use crate::cluster::{Ending, Sight};
use crate::journal::{self, Journal, Reader, Survey};
use crate::relay::State;

use super::forecast::{Forecast, Look};
use super::status::{LEFT_OUT, STANDBY};
use super::{
    Board, FailingStatus, FileStatus, JournalStatus, Ready, Role, ScopeStatus, SinkStatus, Status,
    Watched, probe,
};

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
        let stands_by = matches!(role, Role::Standby { .. });
        let holder = if let Role::Standby { holder } = &role {
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
    if let Some(ready) = watched.ready {
        note_delivery(&mut status, &ready, now, stands_by);
        note_instances(&mut status, &ready);
    }
    status
}

/// What was delivered, and what is in its way.
fn note_delivery(status: &mut SinkStatus, ready: &Ready, now: SystemTime, stands_by: bool) {
    let progress = &ready.progress;
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
}

/// Which version serves, and what its instances did.
fn note_instances(status: &mut SinkStatus, ready: &Ready) {
    let (stats, serving) = (ready.slot.stats(), ready.slot.serving());
    status
        .version
        .clone_from(&serving.blueprint().description().version);
    status.digest = serving.digest().to_string();
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
