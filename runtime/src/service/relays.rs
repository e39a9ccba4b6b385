//! One thread a sink, which delivers from its cursor on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tracing::{error, info};

use crate::cluster::spread;
use crate::event;
use crate::filter::Select;
use crate::journal::{Cursor, Journal, Start};
use crate::relay::{self, Destination, Policy, Progress, State};
use crate::sink::http::Network;
use crate::sink::{Sink, Term};
use crate::telemetry::Board;

use super::supply::Supplied;

/// What the relays of this process share.
#[derive(Clone)]
pub(crate) struct RelayContext {
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
    context: &RelayContext,
    run: Run,
) -> Result<Running, relay::Error> {
    let options = options(supplied.sink.name(), context);
    let cursor = register(&options, context, run.unsure).await?;
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
    let (name, progress) = (options.sink.clone(), supplied.progress.clone());
    let relay = Relay {
        supplied,
        journal: context.journal.clone(),
        network: context.network.clone(),
        board: context.board.clone(),
        options: options.clone(),
        cursor,
        run,
    };
    std::thread::Builder::new()
        .name(format!("sink {name}"))
        .spawn(move || drop(ended_tx.send(relay.run_until_over(runtime))))
        .map_err(refuse)?;
    Ok(Running {
        sink: name,
        progress,
        ended,
    })
}

fn options(sink: &str, context: &RelayContext) -> relay::Options {
    relay::Options {
        sink: sink.to_owned(),
        policy: Policy {
            give_up_after: context.give_up_after,
            ..Policy::default()
        },
        grace: context.grace,
        event: context.event.clone(),
        select: context.selections.get(sink).cloned(),
        spread,
        now: std::time::SystemTime::now,
    }
}

/// Makes the sink and its selection known to the journal; gives where it goes on. `unsure` says
/// whether another may have sent what the journal has now.
async fn register(
    options: &relay::Options,
    context: &RelayContext,
    unsure: bool,
) -> Result<Cursor, relay::Error> {
    let journal = &context.journal;
    let registered = journal.register(&options.sink, context.start).await;
    let mut cursor = registered.map_err(relay::Error::Journal)?;
    let selection = options.select.as_ref().map_or("", Select::text);
    let selected = journal.select(&options.sink, selection).await;
    selected.map_err(relay::Error::Journal)?;
    if unsure {
        cursor.unsure_through = *journal.head().borrow();
    }
    Ok(cursor)
}

/// A relay on its thread.
struct Relay {
    supplied: Supplied,
    journal: Journal,
    network: Network,
    board: Arc<Board>,
    options: relay::Options,
    cursor: Cursor,
    run: Run,
}

impl Relay {
    /// Delivers until the stop, or the end of the term, and gives the sink back.
    fn run_until_over(self, runtime: tokio::runtime::Runtime) -> Supplied {
        let Self {
            supplied,
            journal,
            network,
            board,
            options,
            cursor,
            run,
        } = self;
        let Supplied {
            mut sink,
            mut supply,
            progress,
            pulse,
        } = supplied;
        board.runs(&options.sink, true);
        progress.set(State::Opening);
        sink.begin(run.term.clone(), &network);
        let (term, slot) = (run.term.clone(), sink.slot().clone());
        let serve = async {
            supply.first(&mut sink).await;
            tokio::select! {
                biased;
                () = work(&mut sink, journal, cursor, &options, &progress, run) => {}
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
        progress.set(State::Closed);
        board.runs(&options.sink, false);
        Supplied {
            sink,
            supply,
            progress,
            pulse,
        }
    }
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
