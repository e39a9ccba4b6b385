//! The main job: wires the stages together, and ends in order.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{error, info, warn};

use crate::cluster::Seldom;
use crate::event;
use crate::event::redact::Redaction;
use crate::journal::{self, Journal, Position};
use crate::relay::{Progress, State};
use crate::sink::loading::Kept;
use crate::telemetry::{self, Board, Observer};

use super::chosen;
use super::control;
use super::delivery::Delivery;
use super::exit::Exit;
use super::home::Home;
use super::network;
use super::pipeline::Pipeline;
use super::relays::{self, Setting};
use super::settings::{self, Settings};
use super::source::Source;

/// Beside `--grace`, in which what is in flight may end, a stop takes no longer.
const CLOSING: Duration = Duration::from_millis(1_700);
/// Of that, for closing the journal.
const JOURNAL_CLOSING: Duration = Duration::from_millis(700);
/// Between two tries to open a journal that can't be saved for want of room.
const ROOM_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at whether a sink has ended.
const LOOK: Duration = Duration::from_millis(500);

type Ended = Result<Exit, (anyhow::Error, Exit)>;

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
    let usage = |why: anyhow::Error| (why, Exit::Usage);
    let failed = |why: anyhow::Error| (why, Exit::Failed);
    let observer = look_on(args).map_err(|why| failed(why.into()))?;
    let board = observer.board().clone();
    let event = event::Options {
        region: region(args, environment),
        cluster: args.cluster.clone(),
    };
    let directories = args.folders.directories();
    // The cheap mistakes are told before anything is compiled.
    let names =
        relays::names(&args.event_storage, &directories).map_err(|why| usage(why.into()))?;
    let selections = Arc::new(chosen::selections(args, &names).map_err(usage)?);
    let redaction = chosen::redaction(args).map_err(usage)?;
    make_data_folder(&args.data_dir).map_err(failed)?;
    board.expects(names.iter().cloned());
    let loading = relays::load(
        args.event_storage.clone(),
        directories,
        args.data_dir.clone(),
        environment,
        board.clone(),
    );
    let start = match args.start {
        settings::Start::Oldest => journal::Start::Oldest,
        settings::Start::Now => journal::Start::Now,
    };
    let (closing, closed) = close_with(stop.clone());
    let begin = async {
        let sinks = loading.await.map_err(|why| usage(why.into()))?;
        let mut network = network::from_flags(&args.network).map_err(|why| usage(why.into()))?;
        let source = Source::open(args, &redaction, &board)
            .await
            .map_err(|why| failed(why.into()))?;
        network::refuse_api_server(&mut network, source.client(), &environment).await;
        let (home, journal) = open(args, sinks.len()).await.map_err(failed)?;
        board.has_journal(&journal);
        // Before anything is delivered or cleaned up, and all at once: what one of them still needs
        // stays.
        journal
            .configure(&names, start)
            .await
            .map_err(|why| failed(why.into()))?;
        board.has_redaction(&redaction);
        if args.from.is_none() {
            tokio::spawn(control::serve(
                home.directory.clone(),
                journal.clone(),
                observer.clone(),
                args.shown.clone(),
            ));
        }
        let (journal, board, event) = (journal.clone(), board.clone(), event.clone());
        let setting = Setting {
            journal: journal.clone(),
            start,
            grace: args.grace,
            give_up_after: args.give_up_after,
            event,
            network,
            selections,
            board,
        };
        let (scopes, elector) = (
            source.scopes(),
            source.elector(args.lease.leader_elect, &args.data_dir, &names),
        );
        let delivery = Delivery::start(sinks, scopes, setting, elector, &closed)
            .await
            .map_err(usage)?;
        Ok((home, journal, source, delivery))
    };
    let (home, journal, source, delivery) = tokio::select! {
        begun = begin => begun?,
        // Nothing was sent yet but what is sent again.
        _ = stop.wait_for(|stop| *stop) => {
            Kept::new(&args.data_dir.join(settings::KEPT)).forgive();
            return Ok(Exit::Stopped);
        }
    };
    say(&redaction);
    let service = Service {
        args,
        journal,
        source,
        sinks: names,
        redaction,
        event,
        delivery,
        closing,
        board,
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

/// Says what is hidden, where something is.
fn say(redaction: &Redaction) {
    if !redaction.is_empty() {
        let rules: Vec<&str> = redaction.hidden().map(|(name, _)| name).collect();
        info!(
            ?rules,
            "What these rules match is hidden in every event before it is stored, and is then nowhere."
        );
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

pub(crate) fn region(args: &Settings, environment: fn(&str) -> Option<String>) -> Option<String> {
    environment("REGION")
        .or_else(|| args.region.clone())
        .filter(|region| !region.is_empty())
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
    async fn run(self, home: &Home, mut stop: watch::Receiver<bool>) -> Ended {
        let Self {
            args,
            journal,
            source,
            sinks,
            redaction,
            event,
            mut delivery,
            closing,
            board,
        } = self;
        let pipeline = Pipeline {
            owners: source.owners(),
            objects: args.objects.into(),
            redaction,
            journal: journal.clone(),
            options: event,
            now: SystemTime::now,
        };
        let access = source.access();
        let (ways, observations) = source.ways();
        // Ends by itself for a recording, and with --once.
        let positions = delivery.progress();
        let all_seen = AtomicBool::new(false);
        let work = async {
            let given_up = given_up(&journal, &sinks).await?;
            let seeing = async { source.run(&journal, &sinks, args, ways).await };
            let keeping = async {
                Ok(try_join_all(observations.into_iter().map(|scope| pipeline.run(scope))).await?)
            };
            let ((), seen) = tokio::try_join!(seeing, keeping)?;
            all_seen.store(true, Ordering::Relaxed);
            let all_delivered = delivered(&positions, &journal).await;
            home.letters_tried(&journal, &sinks).await?;
            let unreadable: u64 = seen.iter().map(|seen| seen.unreadable).sum();
            let dead: u64 = positions.iter().map(|progress| progress.dead()).sum();
            let is_whole = all_delivered
                && unreadable + dead == 0
                && self::given_up(&journal, &sinks).await? == given_up;
            anyhow::Ok(if is_whole {
                Exit::Stopped
            } else {
                Exit::NotAllStored
            })
        };
        let limit = args.timeout.unwrap_or(Duration::MAX);
        let ended = tokio::select! {
            ended = timeout(limit, work) => ended.unwrap_or_else(|_| {
                warn!("{}", out_of_time(limit, all_seen.load(Ordering::Relaxed), &positions, *journal.head().borrow()));
                Ok(Exit::TimedOut)
            }),
            why = delivery.failed() => Err(why),
            _ = stop.wait_for(|stop| *stop) => Ok(Exit::Stopped),
        };
        board.stops();
        // A credential plugin that hangs holds nothing up.
        if let Some(access) = access {
            access.close();
        }
        closing.send_replace(true);
        let until = Instant::now() + args.grace + CLOSING;
        let closed = timeout_at(until - JOURNAL_CLOSING, delivery.close()).await.unwrap_or_else(|_| {
            warn!("Something did not end within --grace, and is left behind: what was not noted is sent again by the next start.");
            Ok(())
        });
        finish(
            &journal,
            ended.and_then(|exit| closed.map(|()| exit)),
            until,
        )
        .await
    }
}

/// What `--timeout` came before.
fn out_of_time(
    limit: Duration,
    all_seen: bool,
    relays: &[Arc<Progress>],
    head: Position,
) -> String {
    let seconds = limit.as_secs_f64();
    if !all_seen {
        return format!(
            "--timeout ({seconds} s) passed before all events were read. The lines above say what failed; where none does, nothing has answered."
        );
    }
    let open: i64 = relays
        .iter()
        .map(|progress| (head - *progress.position().borrow()).max(0))
        .max()
        .unwrap_or(0);
    format!(
        "--timeout ({seconds} s) passed before all events were delivered: {open} are still to be stored by the slowest sink."
    )
}

/// What was given up so far: certain gaps, and events that are held back.
async fn given_up(journal: &Journal, sinks: &[String]) -> Result<(usize, usize), journal::Error> {
    let count = |reader: &journal::Reader| {
        let gaps = reader.gaps()?.iter().filter(|gap| gap.certain).count();
        let held_back = sinks.iter().map(|sink| {
            reader
                .held_back(sink, usize::MAX)
                .map(|letters| letters.len())
        });
        Ok((gaps, held_back.sum::<Result<usize, _>>()?))
    };
    journal.read(count).await
}

/// Waits until every sink is done with everything in the journal; false when one has ended before.
async fn delivered(relays: &[Arc<Progress>], journal: &Journal) -> bool {
    let head = *journal.head().borrow();
    for progress in relays {
        let mut position = progress.position();
        while *position.borrow_and_update() < head {
            if progress.state() == State::Closed {
                return false;
            }
            let _ = timeout(LOOK, position.changed()).await;
        }
    }
    true
}

/// Gives an account of what was done, and closes the journal.
async fn finish(journal: &Journal, ended: anyhow::Result<Exit>, until: Instant) -> Ended {
    let stats = journal.stats();
    info!(
        stored = stats.stored(),
        known = stats.known(),
        dropped = stats.dropped(),
        commits = stats.commits(),
        "Journal is closed."
    );
    let closed = timeout_at(until, journal.close())
        .await
        .unwrap_or_else(|_| {
            warn!(
                "The journal is still at work, and is left as after a crash, which it is made for."
            );
            Ok(())
        });
    let exit = ended.map_err(|why| (why, Exit::Failed))?;
    match closed {
        Ok(()) | Err(journal::Error::Closed) => Ok(exit),
        Err(why) => Err((why.into(), Exit::Failed)),
    }
}
