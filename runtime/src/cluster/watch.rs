//! List, then watch, then reconnect: one loop for each scope.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{info, warn};

use super::client::{Client, connect};
use super::list::page;
use super::{
    Begin, Ending, Error, Lost, Observation, Options, Resume, Scope, Seldom, Sight, Witnesses,
};

/// The longest wait between two tries to reach the API server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How far a watch may lag behind the storage, and what is read of it behind what has come.
pub(super) const LAG: Duration = Duration::from_secs(10);
/// How long the next stage may take nothing before the watch is closed.
pub(super) const UNREAD: Duration = Duration::from_secs(5);
/// A watch that has been open for so long works, even if it has shown nothing yet.
pub(super) const LIVED: Duration = Duration::from_secs(5);

/// Whether to go on after the first list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// List once and end.
    Once,
    /// Go on watching, for ever.
    Follow,
}

/// What the loop does next.
#[derive(Debug)]
enum State {
    /// Reads the list; sight was lost before, which is said first. With `keep` the watch goes on
    /// from where it stands nevertheless.
    List { lost: Option<Lost>, keep: bool },
    /// Asks which resource version the storage has reached: a watch from a later one would hang in
    /// silence.
    Probe,
    /// Watches from where it stands.
    Watch,
}

/// Sees every event of a scope, starting where `begin` says; with a list where that is too old.
///
/// Ends with Ok when `out` is closed or, in [`Mode::Once`], after the list; with an error only when
/// the very first answer of the API server is one that waiting can't heal, for every scope of the
/// options. Everything else is retried, and said in the log.
pub async fn watch(
    client: Client,
    scope: Scope,
    begin: Begin,
    mode: Mode,
    options: &Options,
    out: Sender<Observation>,
) -> Result<(), Error> {
    let (mut eye, mut state) = Eye::new(client, scope, begin, options, out);
    if mode == Mode::Follow {
        eye.sight.has_no_watch();
    }
    let mut answered = false;
    loop {
        let result = eye.act(&mut state).await;
        if eye.out.is_closed() {
            return Ok(());
        }
        if !answered && result.as_ref().is_err_and(Error::is_fatal) {
            eye.sight.refuse();
        }
        match result {
            Ok(next) => {
                answered = true;
                if mode == Mode::Once {
                    eye.is_well();
                    return Ok(());
                }
                state = next;
            }
            Err(error)
                if error.is_fatal()
                    && (mode == Mode::Once
                        || (!answered && options.stats.are_refused(&options.scopes))) =>
            {
                return Err(error);
            }
            Err(error) => {
                answered |= matches!(error, Error::Expired);
                let pause = eye.fails(&error);
                if matches!(error, Error::Expired) && !matches!(state, State::List { .. }) {
                    state = eye.list_again();
                }
                sleep(pause).await;
                // The storage may have been set back while it could not be reached.
                if matches!(state, State::Watch) {
                    state = State::Probe;
                }
            }
        }
    }
}

/// [`watch`] on a thread and with a connection of its own, since it sleeps while events gather.
pub async fn watch_on_thread(
    scope: Scope,
    begin: Begin,
    mode: Mode,
    options: Options,
    out: Sender<Observation>,
) -> Result<(), Error> {
    let (ended_tx, ended) = oneshot::channel();
    let refuse =
        |why: std::io::Error| Error::Unreachable(format!("no thread for the watch: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(refuse)?;
    let sight = options.stats.scope(scope.key());
    let work = move || {
        sight.begun(true);
        let result = runtime.block_on(async {
            let client = connect(&options).await?;
            let closed = out.clone();
            tokio::select! {
                result = watch(client, scope, begin, mode, &options, out) => result,
                () = closed.closed() => Ok(()),
                never = sight.pulse.keep() => match never {},
            }
        });
        sight.begun(false);
        let _ = ended_tx.send(result);
    };
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(work)
        .map_err(refuse)?;
    ended.await.unwrap_or_else(|_| {
        Err(Error::Unreachable(
            "the thread of the watch broke".to_owned(),
        ))
    })
}

/// 0.1 s, doubled at each failure, up to 30 s, with a spread of a quarter; what the server asks for
/// where that is longer.
fn wait(failures: u32, after: Duration, options: &Options) -> Duration {
    let base = Duration::from_millis(100)
        .saturating_mul(1 << failures.saturating_sub(1).min(9))
        .min(LONGEST_WAIT);
    base.mul_f64(1.0 + (options.spread)().clamp(0.0, 1.0) / 4.0)
        .max(after)
}

/// A watch lags behind the storage, so what is unseen may be older than the last that was seen.
pub(super) fn lost(stand: &Resume, reason: String, set_back: bool) -> Lost {
    let at = stand.at.checked_sub(LAG).unwrap_or(stand.at);
    Lost {
        last: Resume {
            resource_version: stand.resource_version.clone(),
            at,
        },
        reason,
        set_back,
    }
}

/// One scope as it is seen.
pub(super) struct Eye<'a> {
    pub(super) client: Client,
    pub(super) scope: Scope,
    pub(super) options: &'a Options,
    pub(super) out: Sender<Observation>,
    /// Everything up to here was handed over; none before the first list.
    pub(super) stand: Option<Resume>,
    /// Events that the storage must still have.
    pub(super) witnesses: Witnesses,
    /// What the storage had reached before the watch began: before the watch has, what it shows may
    /// be old. A storage that is behind it was set back.
    pub(super) target: String,
    pub(super) sight: Arc<Sight>,
    /// Since a watch was last well: a list that is read in between is no proof that the next watch
    /// will be.
    failures: u32,
    seldom: Seldom,
}

impl<'a> Eye<'a> {
    /// A scope that nobody has looked at yet, and what comes first.
    fn new(
        client: Client,
        scope: Scope,
        begin: Begin,
        options: &'a Options,
        out: Sender<Observation>,
    ) -> (Self, State) {
        let Begin {
            from,
            reached,
            witnesses,
            list_first,
            lost,
        } = begin;
        let state = if from.is_none() || list_first {
            State::List {
                lost,
                keep: list_first,
            }
        } else {
            State::Probe
        };
        let sight = options.stats.scope(scope.key());
        let eye = Self {
            client,
            scope,
            options,
            out,
            stand: from,
            witnesses,
            target: reached,
            sight,
            failures: 0,
            seldom: Seldom::default(),
        };
        (eye, state)
    }

    /// What comes after the API server has forgotten where the watch stood.
    fn list_again(&self) -> State {
        let reason =
            "the API server no longer had the versions since the watch was last open (410 Gone)";
        let lost = self
            .stand
            .as_ref()
            .map(|stand| lost(stand, reason.to_owned(), false));
        State::List { lost, keep: false }
    }

    async fn act(&mut self, state: &mut State) -> Result<State, Error> {
        match state {
            State::List { lost, keep } => {
                if let Some(lost) = lost.take() {
                    self.say_lost(lost).await;
                }
                // Each time, as it may happen between two tries.
                if let Some(lost) = self.overtaken().await? {
                    self.stand = None;
                    self.say_lost(lost).await;
                }
                self.list(*keep).await.map(|()| State::Probe)
            }
            State::Probe => self.probe().await,
            State::Watch => {
                self.follow().await?;
                self.sight.closed(Ending::Ended);
                Ok(State::Probe)
            }
        }
    }

    /// The watch shows events, or has been open for a while.
    pub(super) fn is_well(&mut self) {
        self.failures = 0;
        self.sight.has_watch();
        if let Some((time, times)) = self.seldom.over() {
            info!(scope = %self.scope, times, seconds = time.as_secs(), "The API server answers again.");
        }
    }

    /// Notes a failure, says it where that is due, and gives the wait before the next try.
    fn fails(&mut self, error: &Error) -> Duration {
        self.sight.closed(Ending::by(error));
        self.sight.troubled(error);
        self.failures += 1;
        let pause = wait(self.failures, error.after(), self.options);
        let scope = &self.scope;
        if matches!(error, Error::Expired) {
            if let Some(times) = self.seldom.fails("expired") {
                warn!(%scope, times, "The API server no longer knows the resource version where the watch stood: reading the list again.");
            }
        } else if let Some(times) = self.seldom.fails("unseen") {
            warn!(%scope, times, retry_in_ms = pause.as_millis() as u64, "Cannot see events: {error}.");
        }
        pause
    }

    /// Hands over; not when nobody listens any more, which the loop sees by itself.
    pub(super) async fn hand_over(&self, observation: Observation) {
        let events = observation.events.len() + observation.unreadable.len();
        if self.out.send(observation).await.is_ok() {
            self.sight.saw(events);
        }
    }

    pub(super) async fn say_lost(&self, lost: Lost) {
        self.sight.lost();
        self.hand_over(Observation {
            lost: Some(lost),
            ..Observation::of(self.scope.clone())
        })
        .await;
    }

    /// The smallest list tells the newest resource version.
    async fn probe(&mut self) -> Result<State, Error> {
        let version = page(&self.client, &self.scope, "limit=1")
            .await?
            .version()
            .to_owned();
        let lost = match self.set_back(&version) {
            Some(lost) => Some(lost),
            None => self.overtaken().await?,
        };
        Ok(match lost {
            Some(lost) => State::List {
                lost: Some(lost),
                keep: false,
            },
            None => {
                self.target = version;
                State::Watch
            }
        })
    }
}
