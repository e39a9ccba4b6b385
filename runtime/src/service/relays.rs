//! One thread a sink, from its file to its cursor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::cluster::spread;
use crate::event;
use crate::filter::Select;
use crate::journal::{Cursor, Journal, Start};
use crate::relay::{self, Destination, Policy, Progress, State};
use crate::sink::http::Network;
use crate::sink::loading::{Kept, Loader};
use crate::sink::{
    Compiler, Directories, Engine, Error, Found, Sink, Term, Version, child, container_memory,
    find, words,
};
use crate::telemetry::Board;

use super::settings;
use super::supply::Supplied;

/// What the relays of this process share.
#[derive(Clone)]
pub(crate) struct Setting {
    pub journal: Journal,
    pub start: Start,
    pub grace: Duration,
    pub give_up_after: Duration,
    pub event: event::Options,
    pub network: Network,
    /// By sink; those without one get every event.
    pub selections: Arc<HashMap<String, Select>>,
    pub board: Arc<Board>,
}

/// A relay that runs.
pub(crate) struct Running {
    pub progress: Arc<Progress>,
    sink: String,
    ended: oneshot::Receiver<Supplied>,
}

impl Running {
    /// Waits for its end, gives an account of it, and gives the sink back: no request of it is open
    /// then.
    pub(crate) async fn join(self) -> Option<Supplied> {
        let sink = self.ended.await.ok();
        let Self {
            sink: name,
            progress,
            ..
        } = self;
        let (delivered, dead, retried, batches) = (
            progress.delivered(),
            progress.dead(),
            progress.retried(),
            progress.batches(),
        );
        info!(
            sink = name,
            delivered, dead, retried, batches, "Sink is closed."
        );
        sink
    }
}

/// The names of the sinks that are asked for, each once.
pub(crate) fn names(values: &[String], directories: &Directories) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for value in values {
        let Found {
            name, component, ..
        } = find(value, directories)?;
        if names.contains(&name) {
            let files = vec![component, PathBuf::from(format!("{name} (given before)"))];
            return Err(Error::Ambiguous { name, files });
        }
        names.push(name);
    }
    Ok(names)
}

/// Finds, compiles and checks every sink that is asked for. `data` is the data folder. On a thread
/// of its own: compiling blocks for seconds, in which a stop is to be heeded.
pub(crate) async fn load(
    values: Vec<String>,
    directories: Directories,
    data: PathBuf,
    environment: fn(&str) -> Option<String>,
    board: Arc<Board>,
) -> Result<Vec<Supplied>, Error> {
    let broke = |why: String| Error::Engine(format!("loading broke off: {why}"));
    let (tell, told) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| broke(why.to_string()))?;
    let work = move || {
        drop(tell.send(runtime.block_on(load_all(
            &values,
            directories,
            &data,
            environment,
            &board,
        ))))
    };
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(work)
        .map_err(|why| broke(why.to_string()))?;
    told.await.map_err(|why| broke(why.to_string()))?
}

async fn load_all(
    values: &[String],
    directories: Directories,
    data: &Path,
    environment: fn(&str) -> Option<String>,
    board: &Board,
) -> Result<Vec<Supplied>, Error> {
    let mut sinks: Vec<Supplied> = Vec::new();
    let engine = Engine::new(
        Compiler::Child(child::Limits::default()),
        Some(&data.join(settings::COMPILED)),
    )?;
    let loader = Loader {
        engine,
        directories,
        environment,
    };
    let mut killed = None;
    for value in values {
        let began = Instant::now();
        let supplied = match Supplied::begin(
            value,
            loader.clone(),
            Kept::new(&data.join(settings::KEPT)),
            values.len() == 1,
        )
        .await
        {
            Err(why @ Error::Killed { .. }) => {
                let name = find(value, &loader.directories)?.name;
                error!(
                    sink = name,
                    "The sink is left out, so that the others can run; its events wait in the journal. {why}."
                );
                board.leaves_out(&name, why.to_string());
                killed = Some(why);
                continue;
            }
            supplied => supplied?,
        };
        announce(&supplied.sink.slot().serving(), began);
        board.has_sink(
            supplied.name(),
            supplied.sink.slot(),
            &supplied.progress,
            &supplied.pulse,
        );
        sinks.push(supplied);
    }
    if let Some(why) = killed.filter(|_| sinks.is_empty()) {
        return Err(why);
    }
    let memories: Vec<(String, u64)> = sinks
        .iter()
        .map(|sink| {
            (
                sink.name().to_owned(),
                sink.sink.slot().serving().grant().limits.memory as u64,
            )
        })
        .collect();
    fits(&memories, container_memory().map(|(most, _)| most))?;
    Ok(sinks)
}

/// What the service takes without its sinks: some 20 MiB while it is busy, and as much for what it
/// reads at once.
const OWN_MEMORY: u64 = 48 << 20;

/// Whether a container has the memory that all sinks may take at once: their own, and a quarter of
/// it for what they hand over to the host. Pure.
fn fits(memories: &[(String, u64)], most: Option<u64>) -> Result<(), Error> {
    let of = |memory: u64| memory / 4 * 5;
    let wanted = OWN_MEMORY + memories.iter().map(|(_, memory)| of(*memory)).sum::<u64>();
    match most {
        Some(most) if wanted > most => {
            let sinks = memories
                .iter()
                .map(|(name, memory)| format!("{name}: {} MiB", of(*memory) >> 20))
                .collect();
            Err(Error::TooLittleMemory {
                wanted,
                most,
                sinks,
            })
        }
        _ => Ok(()),
    }
}

fn announce(serving: &Version, began: Instant) {
    let (name, grant, digest) = (serving.name(), serving.grant(), serving.digest());
    let version = &serving.blueprint().description().version;
    let source = grant.source.as_ref().map_or_else(
        || "none: it reaches nothing".to_owned(),
        |path| path.display().to_string(),
    );
    let hosts: Vec<String> = grant.http.iter().map(ToString::to_string).collect();
    // A variable that is secret may be a part of a host's name.
    let http = words(grant, &hosts.join(" "));
    let ready_ms = began.elapsed().as_millis() as u64;
    let (memory_mib, call_ms, http_width) = (
        grant.limits.memory >> 20,
        grant.limits.call.as_millis() as u64,
        grant.limits.http_width,
    );
    info!(sink = name, version, %digest, grant = source, env = ?grant.env, http, memory_mib, call_ms, http_width, ready_ms, "Sink is ready to open.");
    if grant.source.is_none() {
        warn!(
            sink = name,
            "The sink has no grant: put {name}.yaml into a --grant-dir to give it env and hosts."
        );
    }
}

/// For how long, and how, a relay is to run.
pub(crate) struct Run {
    /// Until when the sink may send.
    pub term: Term,
    /// The stop, which leaves the batch in flight its time.
    pub stop: watch::Receiver<bool>,
    /// Whether another may have sent what the journal has now.
    pub unsure: bool,
    /// Told when the sink is open, or only its destination is waited for, or why it can't be; with
    /// nobody to tell, it is tried again for ever.
    pub opened: Option<Told>,
}

/// Starts a sink's relay on a thread of its own.
pub(crate) async fn start(
    supplied: Supplied,
    setting: &Setting,
    run: Run,
) -> Result<Running, relay::Error> {
    let Setting {
        journal,
        start,
        grace,
        give_up_after,
        event,
        network,
        selections,
        board,
    } = setting.clone();
    let Supplied {
        mut sink,
        mut supply,
        progress,
        pulse,
    } = supplied;
    let options = relay::Options {
        sink: sink.name().to_owned(),
        policy: Policy {
            give_up_after,
            ..Policy::default()
        },
        grace,
        event,
        select: selections.get(sink.name()).cloned(),
        spread,
        now: std::time::SystemTime::now,
    };
    let mut cursor = journal
        .register(&options.sink, start)
        .await
        .map_err(relay::Error::Journal)?;
    journal
        .select(
            &options.sink,
            options.select.as_ref().map_or("", Select::text),
        )
        .await
        .map_err(relay::Error::Journal)?;
    if run.unsure {
        cursor.unsure_through = *journal.head().borrow();
    }
    let refuse = |why: std::io::Error| relay::Error::NotOpened {
        sink: options.sink.clone(),
        reason: why.to_string(),
    };
    // Guests' requests block threads of this runtime's pool.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(64)
        .build()
        .map_err(refuse)?;
    let (ended_tx, ended) = oneshot::channel();
    let (name, shared) = (options.sink.clone(), progress.clone());
    let spawned = std::thread::Builder::new()
        .name(format!("sink {name}"))
        .spawn({
            let options = options.clone();
            move || {
                board.runs(&options.sink, true);
                shared.set(State::Opening);
                sink.begin(run.term.clone(), &network);
                let (term, slot) = (run.term.clone(), sink.slot().clone());
                let serve = async {
                    supply.first(&mut sink).await;
                    tokio::select! {
                        biased;
                        () = work(&mut sink, journal, cursor, &options, &shared, run) => {}
                        never = supply.follow(&slot) => match never {},
                    }
                };
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        // What is in flight is dropped where it stands.
                        () = term.over() => {}
                        () = serve => {}
                        never = pulse.keep() => match never {},
                    }
                });
                sink.cut();
                supply.end(&slot);
                // What is left there waits for a name or a connection that it can't use any more.
                runtime.shutdown_background();
                shared.set(State::Closed);
                board.runs(&options.sink, false);
                let _ = ended_tx.send(Supplied {
                    sink,
                    supply,
                    progress: shared,
                    pulse,
                });
            }
        });
    spawned.map_err(refuse)?;
    Ok(Running {
        sink: name,
        progress,
        ended,
    })
}

type Told = oneshot::Sender<Result<(), relay::Error>>;

/// Tells it once.
fn tell(opened: &mut Option<Told>, what: Result<(), relay::Error>) {
    if let Some(opened) = opened.take() {
        let _ = opened.send(what);
    }
}

async fn open(
    sink: &mut Sink,
    options: &relay::Options,
    progress: &Progress,
    stop: &mut watch::Receiver<bool>,
    opened: &mut Option<Told>,
) -> Result<(), relay::Error> {
    let waits = |reason: &str| {
        progress.failed("closed", reason);
        tell(opened, Ok(()));
    };
    relay::open(sink, options, stop, waits).await
}

/// Opens the sink, and delivers until the stop.
async fn work(
    sink: &mut Sink,
    journal: Journal,
    cursor: Cursor,
    options: &relay::Options,
    progress: &Progress,
    mut run: Run,
) {
    let mut opened = run.opened.take();
    // A destination that is down at the start holds up nothing but its own sink.
    while let Err(why) = open(sink, options, progress, &mut run.stop, &mut opened).await {
        let said = progress.failed("not opened", &why.to_string());
        // Nobody waits for it, or no longer.
        if opened.as_ref().is_none_or(oneshot::Sender::is_closed) {
            let wait = options.policy.misconfigured_wait;
            if let Some(times) = said {
                error!(
                    sink = options.sink,
                    times,
                    retry_in_ms = wait.as_millis() as u64,
                    "Nothing is delivered: {why}."
                );
            }
            tokio::select! {
                () = sleep(wait) => continue,
                _ = run.stop.wait_for(|stop| *stop) => return,
            }
        }
        tell(&mut opened, Err(why));
        return sink.close().await;
    }
    tell(&mut opened, Ok(()));
    // A stop ends the opening, too.
    if !*run.stop.borrow() {
        info!(
            sink = options.sink,
            position = cursor.position,
            "Sink is open."
        );
    }
    if let Err(why) = relay::run(sink, journal, cursor, options, progress, run.stop).await {
        error!(sink = options.sink, "The sink's relay ended: {why}.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sinks_may_take_at_once_has_to_fit_into_the_container() {
        let sinks = |count: u64| {
            (0..count)
                .map(|n| (format!("s{n}"), 64 << 20))
                .collect::<Vec<_>>()
        };
        let mib = |number: u64| Some(number << 20);
        assert!(
            fits(&sinks(2), mib(256)).is_ok(),
            "the manifests' limit has room for two"
        );
        assert!(
            fits(&sinks(100), None).is_ok(),
            "without a limit there is none"
        );
        assert!(fits(&sinks(0), mib(48)).is_ok());
        let why = fits(&sinks(3), mib(256))
            .err()
            .map(|why| why.to_string())
            .unwrap_or_default();
        assert!(
            why.contains("288 MiB")
                && why.contains("256 MiB")
                && why.contains("resources.limits.memory")
                && why.contains("s2: 80 MiB"),
            "{why}"
        );
    }
}
