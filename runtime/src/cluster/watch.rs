//! List, then watch, then reconnect: one loop for each scope.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::client::{Client, connect};
use super::line::Assembler;
use super::list::{Pages, about, escaped, named, page, path};
use super::stream::{Gathered, changed, frame, gather};
use super::{Begin, Ending, Error, Lost, Observation, Options, Raw, Resume, Scope, Seldom, Sight, Witness, Witnesses, is_before};

/// The longest wait between two tries to reach the API server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How far a watch may lag behind the storage, and what is read of it behind what has come.
const LAG: Duration = Duration::from_secs(10);
/// How long the next stage may take nothing before the watch is closed.
const UNREAD: Duration = Duration::from_secs(5);

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
    /// Reads the list; sight was lost before, which is said first.
    List { lost: Option<Lost> },
    /// Asks which resource version the storage has reached: a watch from a later one would hang in silence.
    Probe,
    /// Watches from where it stands.
    Watch,
}

/// Sees every event of a scope, starting where `begin` says; with a list where that is too old.
///
/// Ends with Ok when `out` is closed or, in [`Mode::Once`], after the list; with an error only when the very first answer of the
/// API server is one that waiting can't heal. Everything else is retried, and said in the log.
pub async fn watch(client: Client, scope: Scope, begin: Begin, mode: Mode, options: &Options, out: Sender<Observation>) -> Result<(), Error> {
    let Begin { from, witnesses } = begin;
    let sight = options.stats.scope(scope.key());
    let mut eye = Eye { client, scope, options, out, stand: from, witnesses, target: String::new(), sight };
    let mut state = if eye.stand.is_some() { State::Probe } else { State::List { lost: None } };
    let mut answered = false;
    let (mut failures, mut seldom) = (0_u32, Seldom::default());
    loop {
        let result = eye.act(&mut state).await;
        if eye.out.is_closed() {
            return Ok(());
        }
        let scope = &eye.scope;
        if let Err(error) = &result {
            eye.sight.closed(Ending::by(error));
            eye.sight.troubled(error);
        }
        match result {
            Ok(next) => {
                if let Some((time, times)) = seldom.over() {
                    info!(%scope, times, seconds = time.as_secs(), "The API server answers again.");
                }
                eye.sight.mended();
                (answered, failures) = (true, 0);
                if mode == Mode::Once {
                    return Ok(());
                }
                state = next;
            }
            Err(Error::Expired) => {
                (answered, failures) = (true, failures + 1);
                if let Some(times) = seldom.fails("expired") {
                    warn!(%scope, times, "The API server no longer knows the resource version where the watch stood: reading the list again.");
                }
                if !matches!(state, State::List { .. }) {
                    let reason = "the API server no longer had the versions since the watch was last open (410 Gone)";
                    state = State::List { lost: eye.stand.as_ref().map(|stand| lost(stand, reason.to_owned(), false)) };
                }
                sleep(wait(failures, None, options)).await;
            }
            Err(error) if error.is_fatal() && !answered => return Err(error),
            Err(error) => {
                failures += 1;
                let after = if let Error::Busy { after, .. } = &error { *after } else { None };
                let pause = wait(failures, after, options);
                if let Some(times) = seldom.fails("unseen") {
                    warn!(%scope, times, retry_in_ms = pause.as_millis() as u64, "Cannot see events: {error}.");
                }
                sleep(pause).await;
                if matches!(error, Error::Unauthorized { .. } | Error::Unreachable(_)) {
                    eye.client.renew().await;
                }
                // The storage may have been set back while it could not be reached.
                if matches!(state, State::Watch) {
                    state = State::Probe;
                }
            }
        }
    }
}

/// [`watch`] on a thread and with a connection of its own, since it sleeps while events gather.
pub async fn watch_on_thread(scope: Scope, begin: Begin, mode: Mode, options: Options, out: Sender<Observation>) -> Result<(), Error> {
    let (ended_tx, ended) = oneshot::channel();
    let refuse = |why: std::io::Error| Error::Unreachable(format!("no thread for the watch: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refuse)?;
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
    std::thread::Builder::new().name("watch".to_owned()).spawn(work).map_err(refuse)?;
    ended.await.unwrap_or_else(|_| Err(Error::Unreachable("the thread of the watch broke".to_owned())))
}

/// 0.1 s, doubled at each failure, up to 30 s, with a spread of a quarter; what the server asks for where that is longer.
fn wait(failures: u32, after: Option<Duration>, options: &Options) -> Duration {
    let base = Duration::from_millis(100).saturating_mul(1 << failures.saturating_sub(1).min(9)).min(LONGEST_WAIT);
    base.mul_f64(1.0 + (options.spread)().clamp(0.0, 1.0) / 4.0).max(after.unwrap_or_default())
}

/// A watch lags behind the storage, so what is unseen may be older than the last that was seen.
fn lost(stand: &Resume, reason: String, set_back: bool) -> Lost {
    let at = stand.at.checked_sub(LAG).unwrap_or(stand.at);
    Lost { last: Resume { resource_version: stand.resource_version.clone(), at }, reason, set_back }
}

/// One scope as it is seen.
struct Eye<'a> {
    client: Client,
    scope: Scope,
    options: &'a Options,
    out: Sender<Observation>,
    /// Everything up to here was handed over; none before the first list.
    stand: Option<Resume>,
    /// Events that the storage must still have.
    witnesses: Witnesses,
    /// What the storage had reached before the watch began: before the watch has, what it shows may be old.
    target: String,
    sight: Arc<Sight>,
}

impl Eye<'_> {
    async fn act(&mut self, state: &mut State) -> Result<State, Error> {
        match state {
            State::List { lost } => {
                if let Some(lost) = lost.take() {
                    self.say_lost(lost).await;
                }
                // Each time, as it may happen between two tries.
                if let Some(lost) = self.overtaken().await? {
                    self.stand = None;
                    self.say_lost(lost).await;
                }
                self.list().await.map(|()| State::Probe)
            }
            State::Probe => self.probe().await,
            State::Watch => {
                self.follow().await?;
                self.sight.closed(Ending::Ended);
                Ok(State::Probe)
            }
        }
    }

    /// Hands over; not when nobody listens any more, which the loop sees by itself.
    async fn hand_over(&self, observation: Observation) {
        let events = observation.events.len();
        if self.out.send(observation).await.is_ok() {
            self.sight.saw(events);
        }
    }

    async fn say_lost(&self, lost: Lost) {
        self.sight.lost();
        self.hand_over(Observation { lost: Some(lost), ..Observation::of(self.scope.clone()) }).await;
    }

    /// What is lost when the storage has reached only `version`, which is before the place where the watch stands.
    fn set_back(&self, version: &str) -> Option<Lost> {
        let last = self.stand.clone().filter(|stand| is_before(version, &stand.resource_version) == Some(true))?;
        let reason =
            format!("the API server's storage was set back from resource version {} to {version}, as by a restored backup", last.resource_version);
        warn!(scope = %self.scope, "{reason}: reading the list again.");
        Some(Lost { last, reason, set_back: true })
    }

    /// The smallest list tells the newest resource version.
    async fn probe(&mut self) -> Result<State, Error> {
        let version = page(&self.client, &self.scope, "limit=1").await?.version().to_owned();
        let lost = match self.set_back(&version) {
            Some(lost) => Some(lost),
            None => self.overtaken().await?,
        };
        Ok(match lost {
            Some(lost) => State::List { lost: Some(lost) },
            None => {
                self.target = version;
                State::Watch
            }
        })
    }

    /// A storage that was set back, and has grown beyond where the watch stands since, is known by events that it does not have.
    async fn overtaken(&mut self) -> Result<Option<Lost>, Error> {
        let Some(stand) = self.stand.clone() else { return Ok(None) };
        let recent = (self.options.now)().checked_sub(self.options.event_ttl / 2).unwrap_or(std::time::UNIX_EPOCH);
        let mut gone = Vec::new();
        for witness in self.witnesses.iter() {
            let Witness { namespace, name, resource_version, seen_at } = witness;
            // In the very version in which it was seen: a history that knows it is the same.
            match self.version_of(witness, &format!("&resourceVersion={}&resourceVersionMatch=Exact", escaped(resource_version))).await {
                Ok(found) if found.as_deref() == Some(resource_version) => return Ok(None),
                Ok(_) => gone.push(format!("{namespace}/{name} was never written in version {resource_version}")),
                // The storage has not come so far yet. (kube-apiserver's words for etcd's "required revision is a future revision".)
                Err(Error::Busy { status: 504, message, .. }) if message.contains("Too large resource version") => {
                    gone.push(format!("{namespace}/{name} is of version {resource_version}, which is still to come"));
                }
                // Compacted since: it must still be there, in that version or a newer one.
                Err(Error::Expired) if *seen_at >= recent => {
                    match self.version_of(witness, "").await?.map(|found| is_before(&found, resource_version)) {
                        Some(Some(true)) => gone.push(format!("{namespace}/{name} is older than it was")),
                        Some(_) => return Ok(None),
                        None => gone.push(format!("{namespace}/{name} is gone before its time")),
                    }
                }
                Err(Error::Expired) => {}
                Err(error) => return Err(error),
            }
        }
        if gone.is_empty() {
            return Ok(None);
        }
        self.witnesses = Witnesses::default();
        let reason = format!("the API server's storage was set back, as by a restored backup: the event {}", gone.join(", "));
        warn!(scope = %self.scope, "{reason}. Reading the list again.");
        Ok(Some(lost(&stand, reason, true)))
    }

    /// The resource version that the API server gives for a witness; none where it has no such event.
    async fn version_of(&self, witness: &Witness, at: &str) -> Result<Option<String>, Error> {
        let scope = Scope::Namespace(witness.namespace.clone());
        let query = format!("limit=1&fieldSelector={}{at}", named(&witness.name));
        let page = page(&self.client, &scope, &query).await?;
        Ok(page.items().first().and_then(|item| Some(Raw::from_object(item.get()).ok()?.1)))
    }

    /// Reads the whole list in pages, and stands at the first page's resource version: all that came later, a watch from there shows.
    async fn list(&mut self) -> Result<(), Error> {
        let began = (self.options.now)();
        let mut first: Option<String> = None;
        let mut pages = Pages::new(&self.client, &self.scope, self.options.page);
        while let Some(page) = pages.next().await? {
            if first.is_none()
                && let Some(lost) = self.set_back(page.version())
            {
                self.stand = None;
                self.say_lost(lost).await;
            }
            let read = |item: &RawValue| Ok(Raw::from_object(item.get()).map_err(|why| Error::Protocol(format!("an event of a list: {why}")))?.0);
            let events = page.items().iter().map(|item| read(item)).collect::<Result<_, Error>>()?;
            let resource_version = first.get_or_insert_with(|| page.version().to_owned()).clone();
            let reached = page.is_last().then_some(Resume { resource_version, at: began });
            self.hand_over(Observation { events, reached: reached.clone(), ..Observation::of(self.scope.clone()) }).await;
            if let Some(reached) = reached {
                info!(scope = %self.scope, resource_version = reached.resource_version, "The list is read.");
                self.sight.listed();
                self.stand = Some(reached);
            }
            if self.out.is_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Watches from where it stands, and moves that with everything handed over. Ok when the server ended the watch.
    async fn follow(&mut self) -> Result<(), Error> {
        let Some(from) = self.stand.as_ref().map(|stand| stand.resource_version.clone()) else { return Err(Error::Expired) };
        let seconds = self.options.watch_timeout.as_secs().max(1);
        let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}", escaped(&from));
        let mut reopen = self.options.reopen.clone();
        reopen.mark_unchanged();
        let mut body = self.client.get(&path(&self.scope, &query), about(&self.scope, "watch")).await?;
        self.sight.opened();
        let began = Instant::now();
        let silence = self.options.watch_timeout + Duration::from_secs(20);
        let mut lines = Assembler::default();
        loop {
            let open = tokio::select! {
                biased;
                open = timeout_at(Instant::now() + silence, frame(&mut body, &mut lines)) => match open {
                    Ok(open) => open?,
                    Err(_) => return Err(Error::Unreachable("the watch went silent beyond its time".to_owned())),
                },
                () = changed(&mut reopen) => {
                    self.sight.closed(Ending::Blind);
                    return Err(Error::Unreachable("the watch does not show what was written".to_owned()));
                }
            };
            // What follows closely is handed over with it: the kernel collects while the thread sleeps, so that one wake-up and one
            // commit serve many events. A task that slept would be woken for every packet all the same.
            if !self.options.collect.is_zero() {
                std::thread::sleep(self.options.collect);
            }
            let Gathered { events, reached, open, failed } = gather(&mut body, &mut lines, open).await?;
            let ended = !open && failed.is_none();
            // At the end of its time, a silent watch proves that there was nothing more. One that ends earlier proves nothing.
            let whole = ended && began.elapsed() + LAG >= self.options.watch_timeout;
            let stood = || self.stand.as_ref().map(|stand| stand.resource_version.clone()).filter(|_| whole);
            let proven = reached.or_else(stood);
            if let Some(reached) = proven {
                let behind = !whole && is_before(&reached, &self.target) == Some(true);
                let at = self.stand.as_ref().map(|stand| stand.at).filter(|_| behind);
                let stand = Resume { resource_version: reached, at: at.unwrap_or_else(self.options.now) };
                self.stand = Some(stand.clone());
                let newest = events.last().and_then(|raw| Witness::of(raw, (self.options.now)()));
                newest.into_iter().for_each(|witness| self.witnesses.add(witness));
                let seen = Observation { events, reached: Some(stand), ..Observation::of(self.scope.clone()) };
                if self.out.try_reserve().is_err() && timeout_at(Instant::now() + UNREAD, self.out.reserve()).await.is_err() {
                    // Nobody takes events at the moment, and an open watch that nobody reads burdens the API server.
                    drop(body);
                    self.sight.closed(Ending::Unread);
                    warn!(scope = %self.scope, "The watch is closed until the journal takes events again.");
                    self.hand_over(seen).await;
                    return Ok(());
                }
                self.hand_over(seen).await;
            }
            match failed {
                Some(error) => return Err(error),
                None if ended || self.out.is_closed() => return Ok(()),
                None => {}
            }
        }
    }
}
