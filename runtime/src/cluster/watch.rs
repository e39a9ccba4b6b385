//! List, then watch, then reconnect: one loop for each scope.

use std::time::Duration;

use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::client::{About, Client, connect};
use super::line::{Assembler, Line, parse_line};
use super::{Error, Observation, Options, Raw, Scope};

/// The longest wait between two tries to reach the API server.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Handed over at the latest when so many events are waiting.
const MOST_COLLECTED: usize = 2_000;

/// When nothing more comes for so long, what has gathered is read.
const DRAINED: Duration = Duration::from_millis(1);

/// Whether to go on after the first list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// List once and end.
    Once,
    /// Go on watching, for ever.
    Follow,
}

/// Where the loop stands.
#[derive(Debug)]
enum State {
    List,
    Watch { from: String },
}

/// Sees every event of a scope, starting after `from`, or with a list where there is none (and where `from` is too old).
///
/// Ends with Ok when `out` is closed or, in [`Mode::Once`], after the list; with an error only when the very first answer of the
/// API server is one that waiting can't heal. Everything else is retried, and said in the log.
pub async fn watch(client: Client, scope: Scope, from: Option<String>, mode: Mode, options: &Options, out: Sender<Observation>) -> Result<(), Error> {
    let mut state = from.map_or(State::List, |from| State::Watch { from });
    let mut answered = false;
    let mut failures = 0_u32;
    loop {
        let result = match &mut state {
            State::List => list(&client, &scope, options.page, &out).await.map(|from| State::Watch { from }),
            State::Watch { from } => follow(&client, &scope, from, options, &out).await.map(|()| State::Watch { from: from.clone() }),
        };
        if out.is_closed() {
            return Ok(());
        }
        match result {
            Ok(next) => {
                if failures > 0 {
                    info!(%scope, "The API server answers again.");
                }
                (answered, failures) = (true, 0);
                if mode == Mode::Once {
                    return Ok(());
                }
                state = next;
            }
            Err(Error::Expired) => {
                (answered, failures) = (true, failures + 1);
                warn!(%scope, "The API server no longer knows the resource version where the watch stood: reading the list again.");
                state = State::List;
                sleep(wait(failures, None)).await;
            }
            Err(error) if error.is_fatal() && !answered => return Err(error),
            Err(error) => {
                failures += 1;
                let after = if let Error::Busy { after, .. } = &error { *after } else { None };
                let pause = wait(failures, after);
                warn!(%scope, retry_in_ms = pause.as_millis() as u64, "Cannot see events: {error}.");
                sleep(pause).await;
            }
        }
    }
}

/// [`watch`] on a thread and with a connection of its own, since it sleeps while events gather.
pub async fn watch_on_thread(scope: Scope, from: Option<String>, mode: Mode, options: Options, out: Sender<Observation>) -> Result<(), Error> {
    let (ended_tx, ended) = oneshot::channel();
    let refuse = |why: std::io::Error| Error::Unreachable(format!("no thread for the watch: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(refuse)?;
    let work = move || {
        let result = runtime.block_on(async {
            let client = connect(&options).await?;
            let closed = out.clone();
            tokio::select! {
                result = watch(client, scope, from, mode, &options, out) => result,
                () = closed.closed() => Ok(()),
            }
        });
        let _ = ended_tx.send(result);
    };
    std::thread::Builder::new().name("watch".to_owned()).spawn(work).map_err(refuse)?;
    ended.await.unwrap_or_else(|_| Err(Error::Unreachable("the thread of the watch broke".to_owned())))
}

/// 0.1 s, doubled at each failure, up to 30 s, with a spread of a quarter; what the server asks for where that is longer.
fn wait(failures: u32, after: Option<Duration>) -> Duration {
    let base = Duration::from_millis(100).saturating_mul(1 << failures.saturating_sub(1).min(9)).min(LONGEST_WAIT);
    let spread = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), failures) % 256;
    let spread = u32::try_from(spread).unwrap_or(0);
    (base + base * spread / 1024).max(after.unwrap_or_default())
}

fn path(scope: &Scope, query: &str) -> String {
    match scope {
        Scope::All => format!("/api/v1/events?{query}"),
        Scope::Namespace(name) => format!("/api/v1/namespaces/{name}/events?{query}"),
    }
}

fn about(scope: &Scope, verb: &'static str) -> About {
    About { verb, resource: "events", group: "", scope: scope.clone() }
}

#[derive(Deserialize)]
struct Page<'a> {
    metadata: PageMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// Reads the whole list in pages and gives the first page's resource version: all that came later, a watch from there shows.
/// A page that expired starts the paging anew; its inconsistent `continue` is never used.
async fn list(client: &Client, scope: &Scope, limit: u32, out: &Sender<Observation>) -> Result<String, Error> {
    let mut first: Option<String> = None;
    let mut next = String::new();
    loop {
        let query = if next.is_empty() { format!("limit={limit}") } else { format!("limit={limit}&continue={next}") };
        let text = client.get_text(&path(scope, &query), about(scope, "list")).await?;
        let page: Page<'_> = serde_json::from_str(&text).map_err(|why| Error::Protocol(format!("a list of events: {why}")))?;
        let mut events = Vec::new();
        for item in page.items.unwrap_or_default() {
            events.push(Raw::from_object(item.get()).map_err(|why| Error::Protocol(format!("an event of a list: {why}")))?.0);
        }
        let first = first.get_or_insert(page.metadata.resource_version).clone();
        let last = page.metadata.next.is_empty();
        next = page.metadata.next;
        let resource_version = last.then(|| first.clone());
        if out.send(Observation { scope: scope.clone(), events, resource_version }).await.is_err() || last {
            info!(%scope, resource_version = first, "The list is read.");
            return Ok(first);
        }
    }
}

/// Watches from `from` and moves it with everything handed over. Ok when the server ended the watch.
async fn follow(client: &Client, scope: &Scope, from: &mut String, options: &Options, out: &Sender<Observation>) -> Result<(), Error> {
    let seconds = options.watch_timeout.as_secs().max(1);
    let query = format!("watch=1&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={seconds}");
    let mut body = client.get(&path(scope, &query), about(scope, "watch")).await?;
    let silence = options.watch_timeout + Duration::from_secs(20);
    let mut lines = Assembler::default();
    loop {
        let deadline = Instant::now() + silence;
        let mut open = match timeout_at(deadline, frame(&mut body, &mut lines)).await {
            Ok(open) => open?,
            Err(_) => return Err(Error::Unreachable("the watch went silent beyond its time".to_owned())),
        };
        // What follows closely is handed over with it: the kernel collects while the thread sleeps, so that one wake-up and one
        // commit serve many events. A task that slept would be woken for every packet all the same.
        std::thread::sleep(options.collect);
        let (mut events, mut reached, mut ended) = (Vec::new(), None, None);
        loop {
            for line in lines.lines()? {
                match parse_line(&line) {
                    Ok(Line::Event { raw, resource_version }) => {
                        events.push(raw);
                        reached = Some(resource_version);
                    }
                    Ok(Line::Progress { resource_version }) => reached = Some(resource_version),
                    Err(error) => {
                        // Nothing after it may count as seen.
                        ended = Some(error);
                        break;
                    }
                }
            }
            if ended.is_some() || !open || events.len() >= MOST_COLLECTED {
                break;
            }
            match timeout_at(Instant::now() + DRAINED, frame(&mut body, &mut lines)).await {
                Ok(Ok(more)) => open = more,
                Ok(Err(error)) => ended = Some(error),
                Err(_) => break,
            }
        }
        if let Some(reached) = reached {
            from.clone_from(&reached);
            let seen = Observation { scope: scope.clone(), events, resource_version: Some(reached) };
            if out.send(seen).await.is_err() {
                return Ok(());
            }
        }
        match ended {
            Some(error) => return Err(error),
            None if !open => return Ok(()),
            None => {}
        }
    }
}

/// Reads one piece of the body; false at its end.
async fn frame(body: &mut kube::client::Body, lines: &mut Assembler) -> Result<bool, Error> {
    match body.frame().await {
        None => Ok(false),
        Some(Ok(frame)) => {
            if let Some(data) = frame.data_ref() {
                lines.push(data);
            }
            Ok(true)
        }
        Some(Err(why)) => Err(Error::Unreachable(format!("the watch broke: {why}"))),
    }
}
