//! One thread a sink, from its file to its cursor.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use tracing::{info, warn};

use crate::journal::{Journal, Start};
use crate::relay::{self, Destination, Progress};
use crate::sink::grant::{Document, Environment, Grant};
use crate::sink::{Blueprint, Directories, Engine, Error, Sink, find};

/// A relay that runs.
pub(super) struct Running {
    pub sink: String,
    pub progress: Arc<Progress>,
    ended: oneshot::Receiver<()>,
}

impl Running {
    /// Waits for its end.
    pub(super) async fn join(self) {
        let _ = self.ended.await;
    }
}

/// Finds, compiles and checks every sink that is asked for.
pub(super) async fn load(names: &[String], directories: &Directories, cache: &Path, environment: Environment<'_>) -> Result<Vec<Sink>, Error> {
    let mut sinks: Vec<Sink> = Vec::new();
    // The cheap mistakes are told before anything is compiled.
    let found = names.iter().map(|name| find(name, directories)).collect::<Result<Vec<_>, _>>()?;
    let engine = Engine::new(Some(cache))?;
    for found in found {
        if sinks.iter().any(|sink| sink.name() == found.name) {
            let files = vec![found.component.clone(), PathBuf::from(format!("{} (given before)", found.name))];
            return Err(Error::Ambiguous { name: found.name, files });
        }
        let began = Instant::now();
        let blueprint = Blueprint::load(&engine, &found.component).await?;
        let grant = match &found.grant {
            Some(path) => Document::read(path)?.resolve(&found.name, Some(path), environment)?,
            None => Grant::default(),
        };
        announce(&found.name, &blueprint, &grant, began);
        sinks.push(Sink::new(&found.name, blueprint, grant)?);
    }
    Ok(sinks)
}

fn announce(name: &str, blueprint: &Blueprint, grant: &Grant, began: Instant) {
    let version = &blueprint.description().version;
    let source = grant.source.as_ref().map_or_else(|| "none: it reaches nothing".to_owned(), |path| path.display().to_string());
    let hosts: Vec<String> = grant.http.iter().map(ToString::to_string).collect();
    let ready_ms = began.elapsed().as_millis() as u64;
    info!(sink = name, version, grant = source, env = ?grant.env, http = hosts.join(" "), ready_ms, "Sink is ready to open.");
    if grant.source.is_none() {
        warn!(sink = name, "The sink has no grant: put {name}.yaml into a --grant-dir to give it env and hosts.");
    }
}

/// Opens a sink on a thread of its own and starts its relay there; answers when it is open.
pub(super) async fn start(
    mut sink: Sink,
    journal: &Journal,
    start: Start,
    options: relay::Options,
    stop: &watch::Receiver<bool>,
) -> Result<Running, relay::Error> {
    let cursor = journal.register(&options.sink, start).await.map_err(relay::Error::Journal)?;
    let progress = Arc::new(Progress::default());
    let (opened_tx, opened) = oneshot::channel();
    let (ended_tx, ended) = oneshot::channel();
    let (name, journal, mut stop, shared) = (options.sink.clone(), journal.clone(), stop.clone(), progress.clone());
    let work = move || {
        // Guests' requests block threads of this runtime's pool.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(64).build() {
            Ok(runtime) => runtime,
            Err(why) => {
                let _ = opened_tx.send(Err(relay::Error::NotOpened { sink: options.sink, reason: why.to_string() }));
                return;
            }
        };
        runtime.block_on(async {
            let result = relay::open(&mut sink, &options, &mut stop).await;
            let open = result.is_ok();
            let _ = opened_tx.send(result);
            if !open {
                sink.close().await;
                return;
            }
            info!(sink = options.sink, position = cursor.position, "Sink is open.");
            if let Err(why) = relay::run(sink, journal, cursor, &options, &shared, stop).await {
                tracing::error!(sink = options.sink, "The sink's relay ended: {why}.");
            }
        });
        let _ = ended_tx.send(());
    };
    let spawned = std::thread::Builder::new().name(format!("sink {name}")).spawn(work);
    if let Err(why) = spawned {
        return Err(relay::Error::NotOpened { sink: name, reason: why.to_string() });
    }
    let closed = |_| relay::Error::NotOpened { sink: name.clone(), reason: "its thread ended".to_owned() };
    opened.await.map_err(closed)??;
    Ok(Running { sink: name, progress, ended })
}
