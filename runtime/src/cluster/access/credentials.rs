//! What is shown to the API server: a token, a password, or what a plugin gives. Shared by all
//! connections, so that a plugin runs once for all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use super::issued::{Issued, bearer};
use super::plugin::{Plugin, Running};

/// A file is read again after this time: the kubelet renews tokens (client-go's time).
const FILE: Duration = Duration::from_secs(60);
/// A plugin is asked for new credentials so long before the old ones end.
const BEFORE: Duration = Duration::from_secs(60);
/// A plugin is not run again sooner, whatever it said.
const RESTS: Duration = Duration::from_secs(5);
/// A plugin that takes longer is said.
const SLOW: Duration = Duration::from_secs(3);

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// None are needed, or they are a certificate of the kubeconfig.
    Nothing,
    /// The value of the header.
    Fixed(HeaderValue),
    /// A file with a token.
    File(PathBuf),
    /// A program.
    Plugin(Box<Plugin>),
}

/// What the plugin's last run gave.
type Outcome = Result<Arc<Issued>, String>;

/// Credentials of one source.
pub(super) struct Credentials {
    source: Source,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: Option<Arc<Issued>>,
    failed: Option<(Instant, String)>,
    running: Option<(watch::Receiver<Option<Outcome>>, Running)>,
    closed: bool,
}

impl Credentials {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            state: Mutex::default(),
        }
    }

    pub(super) fn are_of(&self, source: &Source) -> bool {
        self.source == *source
    }

    /// Those that hold. The error is a sentence about where they should come from.
    pub(super) async fn issue(self: &Arc<Self>) -> Outcome {
        match &self.source {
            Source::Nothing => Ok(Arc::new(Issued::new(None, None, None))),
            Source::Fixed(header) => Ok(Arc::new(Issued::new(Some(header.clone()), None, None))),
            Source::File(path) => self.of_file(path),
            Source::Plugin(plugin) => self.of_plugin(plugin).await,
        }
    }

    /// A file that is gone leaves the token that was in it, as for client-go.
    fn of_file(&self, path: &PathBuf) -> Outcome {
        let mut state = self.lock();
        let before = state.issued.clone();
        if let Some(issued) = before
            .as_ref()
            .filter(|issued| issued.at.elapsed() < FILE && issued.hold(Duration::ZERO))
        {
            return Ok(issued.clone());
        }
        let read = std::fs::read_to_string(path)
            .map_err(|why| format!("cannot read the token file {}: {why}", path.display()));
        match read
            .and_then(|token| bearer(&token, &format!("the token in the file {}", path.display())))
        {
            Ok(header) => Ok(state
                .issued
                .insert(Arc::new(Issued::new(Some(header), None, None)))
                .clone()),
            Err(why) => before.ok_or(why),
        }
    }

    async fn of_plugin(self: &Arc<Self>, plugin: &Plugin) -> Outcome {
        let mut run = match self.begin(plugin)? {
            Begun::There(issued) => return Ok(issued),
            Begun::Running(run) => run,
        };
        let waited = timeout(SLOW, run.wait_for(Option::is_some))
            .await
            .map(|outcome| outcome.ok().and_then(|outcome| outcome.clone()));
        let outcome = match waited {
            Ok(outcome) => outcome,
            Err(_) => {
                if self
                    .lock()
                    .running
                    .as_ref()
                    .is_some_and(|(_, running)| running.is_said_first())
                {
                    warn!(
                        "Waiting for {plugin}, which gives the credentials and has not ended for {} s. Does it ask somebody to log in?",
                        SLOW.as_secs()
                    );
                }
                run.wait_for(Option::is_some)
                    .await
                    .ok()
                    .and_then(|outcome| outcome.clone())
            }
        };
        outcome.unwrap_or_else(|| Err(format!("{plugin} broke")))
    }

    /// Credentials that hold, or the run that will give them, begun where there is none.
    fn begin(self: &Arc<Self>, plugin: &Plugin) -> Result<Begun, String> {
        let mut state = self.lock();
        if let Some((run, _)) = state
            .running
            .as_ref()
            .filter(|(run, _)| run.has_changed().is_ok())
        {
            return Ok(Begun::Running(run.clone()));
        }
        if let Some(issued) = &state.issued {
            // One that gives credentials that are over already is not run for each request.
            let fresh = issued.hold(BEFORE) || issued.at.elapsed() < RESTS || state.closed;
            // While it fails, those that still hold serve.
            let rests = state
                .failed
                .as_ref()
                .is_some_and(|(at, _)| at.elapsed() < RESTS)
                && issued.hold(Duration::ZERO);
            if fresh || rests {
                return Ok(Begun::There(issued.clone()));
            }
        }
        if state.closed {
            return Err(format!("{plugin} was ended, as the program ends"));
        }
        if let Some((_, why)) = state.failed.as_ref().filter(|(at, _)| at.elapsed() < RESTS) {
            return Err(why.clone());
        }
        let (told, run) = watch::channel(None);
        let (this, work) = (self.clone(), plugin.clone());
        let running = Running::default();
        let process = running.clone();
        let began = std::thread::Builder::new()
            .name("plugin".to_owned())
            .spawn(move || this.keep(work.run(&process), &told));
        began.map_err(|why| format!("no thread for {plugin}: {why}"))?;
        state.running = Some((run.clone(), running));
        Ok(Begun::Running(run))
    }

    fn keep(&self, outcome: Result<Issued, String>, told: &watch::Sender<Option<Outcome>>) {
        let mut state = self.lock();
        state.running = None;
        let outcome = match outcome {
            Ok(issued) => {
                state.failed = None;
                Ok(state.issued.insert(Arc::new(issued)).clone())
            }
            Err(why) => {
                state.failed = Some((Instant::now(), why.clone()));
                state
                    .issued
                    .clone()
                    .filter(|issued| issued.hold(Duration::ZERO))
                    .ok_or(why)
            }
        };
        drop(state);
        told.send_replace(Some(outcome));
    }

    /// Ends a plugin that runs, and begins no other.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some((_, running)) = &state.running {
            running.kill();
        }
    }

    pub(super) fn are_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Begun {
    There(Arc<Issued>),
    Running(watch::Receiver<Option<Outcome>>),
}
