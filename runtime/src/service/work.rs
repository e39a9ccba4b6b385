//! A service that has begun: what it does until it is stopped, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::event;
use crate::event::redact::Redaction;
use crate::journal::{self, Journal};
use crate::relay::{Progress, State};
use crate::telemetry::Board;

use super::delivery::Delivery;
use super::exit::Exit;
use super::home::Home;
use super::pipeline::Pipeline;
use super::settings::Settings;
use super::source::Source;

/// Beside `--grace`, in which what is in flight may end, a stop takes no longer.
const CLOSING: Duration = Duration::from_millis(1_700);
/// Of that, for closing the journal.
const JOURNAL_CLOSING: Duration = Duration::from_millis(700);
/// Between two looks at whether a sink has ended.
const LOOK: Duration = Duration::from_millis(500);

/// The exit code, or why and with which one it failed.
pub(super) type Ended = Result<Exit, (anyhow::Error, Exit)>;

/// A service that has begun.
pub(super) struct Service<'a> {
    pub args: &'a Settings,
    pub journal: Journal,
    pub source: Source,
    pub redaction: Arc<Redaction>,
    pub sinks: Vec<String>,
    pub event: event::Options,
    pub delivery: Delivery,
    pub closing: Arc<watch::Sender<bool>>,
    pub board: Arc<Board>,
}

impl Service<'_> {
    /// Works until everything is stored (`--once`), the stop, or a failure, and ends in order.
    pub async fn run(self, home: &Home, mut stop: watch::Receiver<bool>) -> Ended {
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
        let work = Work {
            args,
            journal: &journal,
            sinks: &sinks,
            home,
            positions: delivery.progress(),
            all_seen: AtomicBool::new(false),
        };
        let access = source.access();
        let limit = args.timeout.unwrap_or(Duration::MAX);
        let ended = tokio::select! {
            ended = timeout(limit, work.run(source, pipeline)) => ended.unwrap_or_else(|_| {
                warn!("{}", work.out_of_time(limit));
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
        let ended = ended.and_then(|exit| closed.map(|()| exit));
        finish(&journal, ended, until).await
    }
}

/// What there is to do, which ends by itself for a recording, and with `--once`.
struct Work<'a> {
    args: &'a Settings,
    journal: &'a Journal,
    sinks: &'a [String],
    home: &'a Home,
    positions: Vec<Arc<Progress>>,
    /// All events were read.
    all_seen: AtomicBool,
}

impl Work<'_> {
    async fn run(&self, source: Source, pipeline: Pipeline) -> anyhow::Result<Exit> {
        let (journal, sinks) = (self.journal, self.sinks);
        let (ways, observations) = source.ways();
        let before = given_up(journal, sinks).await?;
        let seeing = async { source.run(journal, sinks, self.args, ways).await };
        let keeping = async {
            Ok(try_join_all(observations.into_iter().map(|scope| pipeline.run(scope))).await?)
        };
        let ((), seen) = tokio::try_join!(seeing, keeping)?;
        self.all_seen.store(true, Ordering::Relaxed);
        let all_delivered = delivered(&self.positions, journal).await;
        self.home.letters_tried(journal, sinks).await?;
        let unreadable: u64 = seen.iter().map(|seen| seen.unreadable).sum();
        let dead: u64 = self.positions.iter().map(|progress| progress.dead()).sum();
        let is_whole =
            all_delivered && unreadable + dead == 0 && given_up(journal, sinks).await? == before;
        Ok(if is_whole {
            Exit::Stopped
        } else {
            Exit::NotAllStored
        })
    }

    /// What `--timeout` came before.
    fn out_of_time(&self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        if !self.all_seen.load(Ordering::Relaxed) {
            return format!(
                "--timeout ({seconds} s) passed before all events were read. The lines above say what failed; where none does, nothing has answered."
            );
        }
        let head = *self.journal.head().borrow();
        let open = self
            .positions
            .iter()
            .map(|progress| (head - *progress.position().borrow()).max(0));
        let open: i64 = open.max().unwrap_or(0);
        format!(
            "--timeout ({seconds} s) passed before all events were delivered: {open} are still to be stored by the slowest sink."
        )
    }
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
