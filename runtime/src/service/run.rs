//! The main job: reads the settings, and wires the stages together.

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info};

use crate::cluster::Seldom;
use crate::event;
use crate::event::redact::Redaction;
use crate::filter::Select;
use crate::journal::{self, Journal};
use crate::sink::loading::Kept;
use crate::telemetry::{self, Board, Observer};

use super::chosen;
use super::control;
use super::delivery::Delivery;
use super::exit::Exit;
use super::home::Home;
use super::loading;
use super::network;
use super::relays::RelayContext;
use super::settings::{self, Settings};
use super::source::Source;
use super::work::{Ended, Service};

/// Between two tries to open a journal that can't be saved for want of room.
const ROOM_WAIT: Duration = Duration::from_secs(10);

/// Becomes true at SIGTERM or SIGINT; a second one ends the process at once.
pub(crate) fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
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

/// Runs until `stop` becomes true, or with `--once` until everything is stored. `environment` looks
/// variables up.
pub async fn run(
    args: &Settings,
    environment: fn(&str) -> Option<String>,
    mut stop: watch::Receiver<bool>,
) -> Ended {
    let observer = start_observers(args).map_err(|why| failed(why.into()))?;
    let plan = Plan::read(args, environment, observer).map_err(usage)?;
    make_data_folder(&args.data_dir).map_err(failed)?;
    let (closing, closed) = close_with(stop.clone());
    let (home, journal, source, delivery) = tokio::select! {
        begun = plan.begin(&closed) => begun?,
        // Nothing was sent yet but what is sent again.
        _ = stop.wait_for(|stop| *stop) => {
            Kept::new(&args.data_dir.join(settings::KEPT)).forgive();
            return Ok(Exit::Stopped);
        }
    };
    log_redaction(&plan.redaction);
    let service = Service {
        args,
        journal,
        source,
        sinks: plan.names,
        redaction: plan.redaction,
        event: plan.event,
        delivery,
        closing,
        board: plan.observer.board().clone(),
    };
    let stopped = stop.clone();
    let ended = service.run(&home, stop).await;
    let stays = home.end();
    telemetry::STDERR.release();
    match ended {
        // What an earlier reading of the recording left is not stored either.
        Ok(Exit::Stopped) if stays && !*stopped.borrow() => Ok(Exit::NotAllStored),
        ended => ended,
    }
}

fn usage(why: anyhow::Error) -> (anyhow::Error, Exit) {
    (why, Exit::Usage)
}

fn failed(why: anyhow::Error) -> (anyhow::Error, Exit) {
    (why, Exit::Failed)
}

/// What the settings mean, read before anything is compiled or connected to: cheap mistakes end a
/// start at once.
struct Plan<'a> {
    args: &'a Settings,
    environment: fn(&str) -> Option<String>,
    observer: Arc<Observer>,
    names: Vec<String>,
    selections: Arc<HashMap<String, Select>>,
    redaction: Arc<Redaction>,
    event: event::Options,
}

impl<'a> Plan<'a> {
    fn read(
        args: &'a Settings,
        environment: fn(&str) -> Option<String>,
        observer: Arc<Observer>,
    ) -> anyhow::Result<Self> {
        let names = loading::names(&args.event_storage, &args.folders.directories())?;
        let event = event::Options {
            region: region(args, environment),
            cluster: args.cluster.clone(),
        };
        Ok(Self {
            args,
            environment,
            observer,
            selections: Arc::new(chosen::selections(args, &names)?),
            redaction: chosen::redaction(args)?,
            names,
            event,
        })
    }

    /// Loads the sinks, opens the source and the journal, and starts to deliver.
    async fn begin(
        &self,
        closed: &watch::Receiver<bool>,
    ) -> Result<(Home, Journal, Source, Delivery), (anyhow::Error, Exit)> {
        let (args, board) = (self.args, self.observer.board());
        board.expects(self.names.iter().cloned());
        let sinks = loading::load(
            args.event_storage.clone(),
            args.folders.directories(),
            args.data_dir.clone(),
            self.environment,
            board.clone(),
        );
        let sinks = sinks.await.map_err(|why| usage(why.into()))?;
        let mut network = network::from_flags(&args.network).map_err(|why| usage(why.into()))?;
        let source = Source::open(args, &self.redaction, board)
            .await
            .map_err(|why| failed(why.into()))?;
        network::refuse_api_server(&mut network, source.client(), &self.environment).await;
        let (home, journal) = open(args, sinks.len()).await.map_err(failed)?;
        board.has_journal(&journal);
        let start = match args.start {
            settings::Start::Oldest => journal::Start::Oldest,
            settings::Start::Now => journal::Start::Now,
        };
        // Before anything is delivered or cleaned up, and all at once: what one of them still needs
        // stays.
        journal
            .configure(&self.names, start)
            .await
            .map_err(|why| failed(why.into()))?;
        board.has_redaction(&self.redaction);
        self.serve_control(&home, &journal);
        let context = RelayContext {
            journal: journal.clone(),
            start,
            grace: args.grace,
            give_up_after: args.give_up_after,
            event: self.event.clone(),
            network,
            selections: self.selections.clone(),
            board: board.clone(),
        };
        let elector = source.elector(args.lease.leader_elect, &args.data_dir, &self.names);
        let delivery = Delivery::start(sinks, source.scopes(), context, elector, closed)
            .await
            .map_err(usage)?;
        Ok((home, journal, source, delivery))
    }

    /// Answers subcommands, for as long as the process lives; a recording has nothing to ask for.
    fn serve_control(&self, home: &Home, journal: &Journal) {
        if self.args.from.is_none() {
            tokio::spawn(control::serve(
                home.directory.clone(),
                journal.clone(),
                self.observer.clone(),
                self.args.shown.clone(),
            ));
        }
    }
}

/// Makes the data folder, for its owner alone: events and compiled code lie there, also where it is
/// one that others may look into.
fn make_data_folder(folder: &Path) -> anyhow::Result<()> {
    let unusable = || {
        format!(
            "cannot use the data folder {}: name another one with --data-dir",
            folder.display()
        )
    };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(unusable)?;
    let access =
        rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(folder, access).with_context(unusable)
}

/// Opens the journal, on a thread that may block for long: saving what can be read of a damaged one
/// takes its time. Where there is no room for that, it waits.
async fn open(args: &Settings, sinks: usize) -> anyhow::Result<(Home, Journal)> {
    let mut seldom = Seldom::default();
    loop {
        let settings = args.clone();
        match tokio::task::spawn_blocking(move || Home::open(&settings, sinks)).await? {
            Err(why) if matches!(why.downcast_ref(), Some(journal::Error::NoRoom { .. })) => {
                if let Some(times) = seldom.fails("no room") {
                    error!(times, "{why:#}.");
                }
                sleep(ROOM_WAIT).await;
            }
            opened => return opened,
        }
    }
}

/// Logs which rules hide something, where there are some.
fn log_redaction(redaction: &Redaction) {
    if !redaction.is_empty() {
        let rules: Vec<&str> = redaction.hidden().map(|(name, _)| name).collect();
        info!(
            ?rules,
            "What these rules match is hidden in every event before it is stored, and is then nowhere."
        );
    }
}

/// Begins what shows the operator how things are: metrics and probes, and the status on a terminal.
fn start_observers(args: &Settings) -> Result<Arc<Observer>, telemetry::ServerError> {
    let board = Arc::new(Board::default());
    let observer = Arc::new(Observer::new(board.clone()));
    if let Some(address) = &args.listen_address {
        telemetry::serve(address, observer.clone())?;
    }
    tokio::spawn(async move { board.pipeline.keep().await });
    if args.log_format != Some(settings::LogFormat::Json) {
        tokio::spawn(telemetry::show(observer.clone()));
    }
    Ok(observer)
}

/// What ends the relays: the stop, or the end of the work.
fn close_with(
    mut stop: watch::Receiver<bool>,
) -> (Arc<watch::Sender<bool>>, watch::Receiver<bool>) {
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

/// The region that is written into every event: by the variable `REGION`, else by the flag.
pub(crate) fn region(args: &Settings, environment: fn(&str) -> Option<String>) -> Option<String> {
    environment("REGION")
        .or_else(|| args.region.clone())
        .filter(|region| !region.is_empty())
}
