//! The main job: wires the stages together, and ends in order.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::cluster::lease::{Elector, Place, Told};
use crate::cluster::{self, Mode, Observation, Owners, Recording, Resume, Scope, name};
use crate::event;
use crate::event::redact::Redaction;
use crate::journal::{self, Journal, Origin};
use crate::relay::Progress;
use crate::telemetry::{self, Board, Observer};

use super::args::{self, Service as Settings};
use super::bind;
use super::config;
use super::control;
use super::delivery::{Delivery, identity};
use super::exit::Exit;
use super::heartbeat::Heartbeat;
use super::lead;
use super::network;
use super::pipeline::{Pipeline, Seen};
use super::relays::{self, Setting};

/// How long the first list of Pods is waited for.
const PODS_PATIENCE: Duration = Duration::from_secs(30);

type Ended = Result<Exit, (anyhow::Error, Exit)>;

/// Becomes true at SIGTERM or SIGINT; a second one ends the process at once.
pub(super) fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if stop.send_replace(true) {
                // Nothing is lost: what is not acknowledged is sent again.
                std::process::exit(130);
            }
            info!("Stopping. A second signal ends at once.");
        }
    });
    Ok(stopped)
}

/// Runs until `stop` becomes true, or with `--once` until everything is stored. `environment` looks variables up.
pub async fn run(args: &Settings, environment: fn(&str) -> Option<String>, mut stop: watch::Receiver<bool>) -> Ended {
    let usage = |why: anyhow::Error| (why, Exit::Usage);
    let failed = |why: anyhow::Error| (why, Exit::Failed);
    let observer = look_on(args).map_err(|why| failed(why.into()))?;
    let board = observer.board().clone();
    let event = event::Options { region: region(args, environment), cluster: args.cluster.clone() };
    let directories = args.folders.directories();
    // The cheap mistakes are told before anything is compiled.
    let names = relays::names(&args.event_storage, &directories).map_err(|why| usage(why.into()))?;
    let selections = Arc::new(config::selections(args, &names).map_err(usage)?);
    let redaction = config::redaction(args).map_err(usage)?;
    let unusable = || format!("cannot use the data folder {}: name another one with --data-dir", args.data_dir.display());
    // Its own alone: events and compiled code lie there.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&args.data_dir);
    made.with_context(unusable).map_err(failed)?;
    let home = Home::make(args).map_err(failed)?;
    board.expects(names.iter().cloned());
    let loading = relays::load(args.event_storage.clone(), directories, args.data_dir.clone(), environment, board.clone());
    let sinks = tokio::select! {
        sinks = loading => sinks.map_err(|why| usage(why.into()))?,
        // Nothing has begun.
        _ = stop.wait_for(|stop| *stop) => return Ok(Exit::Stopped),
    };
    let mut network = network::from_flags(&args.network).map_err(|why| usage(why.into()))?;
    let source = Source::open(args, &board).await.map_err(|why| failed(why.into()))?;
    network::refuse_api_server(&mut network, source.client(), &environment).await;
    let options = args.journal(&home.directory, sinks.len());
    let journal = Journal::open(&options).map_err(|why| failed(why.into()))?;
    board.has_journal(&journal);
    board.has_redaction(&redaction);
    if args.from.is_none() {
        tokio::spawn(control::serve(home.directory.clone(), journal.clone(), observer.clone(), args.shown.clone()));
    }
    let (closing, closed) = close_with(stop.clone());
    let start = match args.start {
        args::Start::Oldest => journal::Start::Oldest,
        args::Start::Now => journal::Start::Now,
    };
    let setting = Setting { journal: journal.clone(), start, grace: args.grace, event: event.clone(), network, selections, board: board.clone() };
    let scopes = source.scopes();
    let elector = source.elector(args.lease.leader_elect);
    let delivery = Delivery::start(sinks, scopes, setting, elector, &closed).await.map_err(usage)?;
    say(&redaction);
    let service = Service { args, journal, source, sinks: names, redaction, event, delivery, closing, board };
    let ended = service.run(stop).await;
    drop(home);
    telemetry::STDERR.release();
    ended
}

/// Says what is hidden, where something is.
fn say(redaction: &Redaction) {
    if !redaction.is_empty() {
        let rules: Vec<&str> = redaction.hidden().map(|(name, _)| name).collect();
        info!(?rules, "What these rules match is hidden in every event before it is stored, and is then nowhere.");
    }
}

/// Begins what shows the operator how things are: metrics and probes, and the status on a terminal.
fn look_on(args: &Settings) -> Result<Arc<Observer>, telemetry::ServerError> {
    let board = Arc::new(Board::default());
    let observer = Arc::new(Observer::new(board.clone()));
    if let Some(address) = &args.listen_address {
        telemetry::serve(address, observer.clone())?;
    }
    tokio::spawn(async move { board.pipeline.keep().await });
    if args.log_format != Some(args::LogFormat::Json) {
        tokio::spawn(telemetry::show(observer.clone()));
    }
    Ok(observer)
}

/// What ends the relays: the stop, or the end of the work.
fn close_with(mut stop: watch::Receiver<bool>) -> (Arc<watch::Sender<bool>>, watch::Receiver<bool>) {
    let (closing, closed) = watch::channel(false);
    let closing = Arc::new(closing);
    let forward = closing.clone();
    tokio::spawn(async move {
        if stop.wait_for(|stop| *stop).await.is_ok() {
            forward.send_replace(true);
        }
    });
    (closing, closed)
}

pub(super) fn region(args: &Settings, environment: fn(&str) -> Option<String>) -> Option<String> {
    environment("REGION").or_else(|| args.region.clone()).filter(|region| !region.is_empty())
}

/// Where the journal lies: in the data folder, or for a recording in a folder that ends with it.
struct Home {
    directory: PathBuf,
    temporary: bool,
}

impl Home {
    fn make(args: &Settings) -> anyhow::Result<Self> {
        if args.from.is_none() {
            return Ok(Self { directory: args.data_dir.clone(), temporary: false });
        }
        let directory = std::env::temp_dir().join(format!("kubedl-events-{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond()));
        std::fs::create_dir(&directory).with_context(|| format!("cannot make {} for the journal of the recording", directory.display()))?;
        Ok(Self { directory, temporary: true })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Where events come from.
enum Source {
    Cluster { client: Box<cluster::Client>, options: Box<cluster::Options>, owners: Owners, lease: Option<Place> },
    Recording { recording: Recording, owners: Owners, stats: Arc<cluster::Stats> },
}

impl Source {
    async fn open(args: &Settings, board: &Board) -> Result<Self, cluster::Error> {
        let stats = board.cluster.clone();
        if let Some(path) = &args.from {
            let (recording, owners) = Recording::open(path)?;
            return Ok(Self::Recording { recording, owners, stats });
        }
        let options = cluster::Options { event_ttl: args.event_ttl, stats, ..args.cluster_flags.options() };
        let client = cluster::connect(&options).await?;
        let owners = Owners::new(client.clone());
        let namespace = || match &args.lease.lease_namespace {
            Some(namespace) => Ok(namespace.clone()),
            None => name::label(client.namespace())
                .map_err(|why| cluster::Error::Kubeconfig(format!("the namespace of the kubeconfig's context, for the Lease: {why}"))),
        };
        let place = |namespace| Place { namespace, name: args.lease.lease_name.clone() };
        let lease = if args.once { None } else { Some(place(namespace()?)) };
        Ok(Self::Cluster { client: Box::new(client), options: Box::new(options), owners, lease })
    }

    /// For the Lease, where there is to be one, and whether it says who delivers.
    fn elector(&self, elect: bool) -> Option<(Elector, bool)> {
        match self {
            Self::Cluster { client, lease: Some(place), .. } => Some((Elector::new(client, place.clone(), identity()), elect)),
            _ => None,
        }
    }

    /// The way to the cluster.
    fn access(&self) -> Option<Arc<cluster::Access>> {
        if let Self::Cluster { options, .. } = self { Some(options.access.clone()) } else { None }
    }

    fn client(&self) -> Option<&cluster::Client> {
        if let Self::Cluster { client, .. } = self { Some(client) } else { None }
    }

    /// Keys of what is watched.
    fn scopes(&self) -> Vec<String> {
        match self {
            Self::Cluster { options, .. } => options.scopes.iter().map(|scope| scope.key().to_owned()).collect(),
            Self::Recording { .. } => Vec::new(),
        }
    }

    fn owners(&self) -> Owners {
        match self {
            Self::Cluster { owners, .. } | Self::Recording { owners, .. } => owners.clone(),
        }
    }

    /// Ends when there is nothing more to see, or with an error that waiting can't heal.
    async fn run(self, journal: &Journal, sinks: &[String], args: &Settings, out: mpsc::Sender<Observation>) -> anyhow::Result<()> {
        let once = args.once;
        let (client, mut options, owners, lease) = match self {
            Self::Recording { recording, stats, .. } => return Ok(recording.play(&out, &stats).await?),
            Self::Cluster { client, options, owners, lease } => (client, options, owners, lease),
        };
        bind::bind(&client, journal).await?;
        warn_of_missing(&client, &options.scopes).await;
        // Before any list: a journal that is new goes on where others have delivered, so that nothing between is missed.
        let there = match &lease {
            Some(place) => lead::read(&client, place).await,
            None => None,
        };
        let mut pods = tokio::task::JoinSet::new();
        for scope in options.scopes.clone() {
            let owners = owners.clone();
            pods.spawn(async move { owners.follow_pods(&scope).await });
        }
        tokio::select! {
            () = owners.listed(PODS_PATIENCE) => {}
            Some(Ok(Err(why))) = pods.join_next() => return Err(why.into()),
        }
        let (reopen, reopened) = watch::channel(0);
        options.reopen = reopened;
        if let (Some(interval), Some(place)) = (args.heartbeat, &lease) {
            let covers = |scope: &&Scope| matches!(scope, Scope::All) || scope.key() == place.namespace;
            let scope = options.scopes.iter().find(covers).with_context(|| {
                format!(
                    "--heartbeat writes into the namespace {}, which is not watched: watch it too, or name another with --lease-namespace",
                    place.namespace
                )
            })?;
            let (namespace, name, scope) = (place.namespace.clone(), place.name.clone(), scope.key().to_owned());
            let (client, journal) = (cluster::Client::clone(&client), journal.clone());
            tokio::spawn(Heartbeat { client, namespace, name, scope, interval, journal, reopen }.run());
        }
        let mode = if once { Mode::Once } else { Mode::Follow };
        let mut watches = tokio::task::JoinSet::new();
        for scope in options.scopes.clone() {
            // A list is what --once asks for: where a watch stood doesn't matter to it.
            let mut from = if once { None } else { journal.checkpoint(scope.key()).await? };
            if let (false, None, Some(place), Some(there)) = (once, &from, &lease, &there) {
                from = told(journal, &scope, place, there, sinks).await?;
            }
            info!(%scope, from = from.as_ref().map_or("the list", |resume| &resume.resource_version), "Watching events.");
            let (options, out) = (cluster::Options::clone(&options), out.clone());
            let begin = cluster::Begin { from, witnesses: journal.reader()?.witnesses(scope.key())? };
            watches.spawn(cluster::watch_on_thread(scope, begin, mode, options, out));
        }
        drop(out);
        while let Some(ended) = watches.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Where the Lease says that others have delivered a scope, of which the journal knows nothing; the journal notes that it begins there.
async fn told(journal: &Journal, scope: &Scope, place: &Place, there: &Told, sinks: &[String]) -> Result<Option<Resume>, journal::Error> {
    let Some(resume) = lead::resume(there, sinks, scope.key()) else { return Ok(None) };
    info!(%scope, "Going on where the Lease {}/{} says.", place.namespace, place.name);
    for sink in sinks.iter().filter(|sink| there.delivered.get(*sink).is_some_and(|scopes| scopes.contains_key(scope.key()))) {
        let (scope, resource_version) = (scope.key().to_owned(), resume.resource_version.clone());
        journal.begins(Origin { scope, sink: sink.clone(), resource_version }).await?;
    }
    Ok(Some(resume))
}

/// An API server lists what is in a namespace that isn't there without a word: there is nothing.
async fn warn_of_missing(client: &cluster::Client, scopes: &[Scope]) {
    for scope in scopes {
        if let Scope::Namespace(name) = scope
            && client.has_namespace(name).await == Some(false)
        {
            warn!(
                "There is no namespace {name:?}: nothing is seen of it until there is. --namespace names what is watched; without it all namespaces are."
            );
        }
    }
}

struct Service<'a> {
    args: &'a Settings,
    journal: Journal,
    source: Source,
    redaction: Arc<Redaction>,
    sinks: Vec<String>,
    event: event::Options,
    delivery: Delivery,
    closing: Arc<watch::Sender<bool>>,
    board: Arc<Board>,
}

impl Service<'_> {
    async fn run(self, mut stop: watch::Receiver<bool>) -> Ended {
        let Self { args, journal, source, sinks, redaction, event, mut delivery, closing, board } = self;
        let pipeline = Pipeline {
            owners: source.owners(),
            objects: args.objects.into(),
            redaction,
            journal: journal.clone(),
            options: event,
            now: SystemTime::now,
        };
        let access = source.access();
        let (out, observations) = mpsc::channel(4);
        // Ends by itself for a recording, and with --once.
        let positions = delivery.progress();
        let work = async {
            let (source, seen) = tokio::join!(source.run(&journal, &sinks, args, out), pipeline.run(observations));
            source?;
            let seen = seen?;
            delivered(&positions, &journal).await;
            anyhow::Ok(verdict(seen, &positions))
        };
        let limit = args.timeout.unwrap_or(Duration::MAX);
        let ended = tokio::select! {
            ended = timeout(limit, work) => ended.unwrap_or(Ok(Exit::TimedOut)),
            why = delivery.failed() => Err(why),
            _ = stop.wait_for(|stop| *stop) => Ok(Exit::Stopped),
        };
        board.stops();
        // A credential plugin that hangs holds nothing up.
        if let Some(access) = access {
            access.close();
        }
        closing.send_replace(true);
        let closed = delivery.close().await;
        finish(&journal, ended.and_then(|exit| closed.map(|()| exit))).await
    }
}

/// Waits until every sink is done with everything in the journal.
async fn delivered(relays: &[Arc<Progress>], journal: &Journal) {
    let head = *journal.head().borrow();
    for progress in relays {
        let _ = progress.position().wait_for(|position| *position >= head).await;
    }
}

fn verdict(seen: Seen, relays: &[Arc<Progress>]) -> Exit {
    let dead: u64 = relays.iter().map(|progress| progress.dead()).sum();
    if seen.unreadable + dead > 0 { Exit::NotAllStored } else { Exit::Stopped }
}

/// Gives an account of what was done, and closes the journal.
async fn finish(journal: &Journal, ended: anyhow::Result<Exit>) -> Ended {
    let stats = journal.stats();
    info!(stored = stats.stored(), known = stats.known(), dropped = stats.dropped(), commits = stats.commits(), "Journal is closed.");
    let closed = journal.close().await;
    let exit = ended.map_err(|why| (why, Exit::Failed))?;
    closed.map_err(|why| (why.into(), Exit::Failed))?;
    Ok(exit)
}
