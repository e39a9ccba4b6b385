//! The service in the world: started, crashed at any moment, started again, until the world is calm and all is settled.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use kubedl_events::cli::Pipeline;
use kubedl_events::cluster::{self, Begin, Client, Mode, Observation, Owners, Scope};
use kubedl_events::filter::Objects;
use kubedl_events::journal::{Journal, Options, Reader, Start};
use kubedl_events::relay::{self, Policy, Progress};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::api::Api;
use super::sink::{BATCH, Sink};
use super::world::{Bug, Shared, TTL, lock};

/// How long the world misbehaves.
const TROUBLE: Duration = Duration::from_secs(60);
/// How long all may take to be settled afterwards.
const CALM: Duration = Duration::from_secs(900);

/// Ends when all is settled, or when the time for that is over.
pub async fn live(world: &Shared, folder: &Path) {
    tokio::select! {
        biased;
        () = trouble(world, folder) => {}
        () = lives(world, folder) => {}
    }
    lock(world).calm = true;
    lock(world).tell("calm");
    {
        let mut world = lock(world);
        (world.api_down, world.sink_down) = (false, false);
        // The service ends here without a word, too.
        world.allowed_doubles += BATCH as u64;
        world.cut("closed");
    }
    tokio::select! {
        biased;
        () = settled(world, folder) => {}
        () = sleep(CALM) => lock(world).tell("the time is over"),
        () = async { run(world, folder).await.unwrap() } => lock(world).tell("the service ended by itself"),
    }
}

/// What happens outside.
async fn trouble(world: &Shared, folder: &Path) {
    // A first list shows no event in a version that was replaced before it, so nothing is written before the first checkpoint.
    while committed(folder) == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let until = tokio::time::Instant::now() + TROUBLE;
    while tokio::time::Instant::now() < until {
        let wait = lock(world).random.below(300);
        sleep(Duration::from_millis(wait)).await;
        let mut world = lock(world);
        world.expire();
        match world.random.below(100) {
            0..=1 => world.compact(),
            2 => world.cut("closed"),
            3 => world.cut("broken"),
            4 => world.stall(),
            5 => {
                world.api_down = !world.api_down;
                let down = world.api_down;
                if down {
                    world.cut("broken");
                }
                world.tell(format!("API server {}", if down { "down" } else { "up" }));
            }
            6..=8 => {
                world.sink_down = !world.sink_down;
                let down = world.sink_down;
                world.tell(format!("destination {}", if down { "down" } else { "up" }));
            }
            9 => world.back_up(),
            10 => world.restore(committed(folder), witnessed(folder)),
            11..=13 => world.bookmark(),
            _ => world.write(),
        }
    }
}

/// The service's checkpoint on disk.
fn committed(folder: &Path) -> u64 {
    let version = Reader::open(folder).and_then(|reader| reader.checkpoint("*"));
    version.ok().flatten().and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// The newest event of the journal, and when it came.
fn witnessed(folder: &Path) -> (u64, SystemTime) {
    let witnesses = Reader::open(folder).and_then(|reader| reader.witnesses("*")).unwrap_or_default();
    let newest = witnesses.iter().next();
    newest.map_or((0, SystemTime::UNIX_EPOCH), |newest| (newest.resource_version.parse().unwrap_or(0), newest.seen_at))
}

/// One life after the other, each ended by a crash.
async fn lives(world: &Shared, folder: &Path) {
    loop {
        let steps = lock(world).random.below(3_000);
        let mut steps = usize::try_from(steps).unwrap();
        let mut life = pin!(run(world, folder));
        // Dropped in the middle: between any two steps, before or after any commit.
        let ended = std::future::poll_fn(|context| {
            if steps == 0 {
                return Poll::Ready(None);
            }
            steps -= 1;
            life.as_mut().poll(context).map(Some)
        })
        .await;
        if let Some(ended) = ended {
            ended.unwrap();
        }
        let down = {
            let mut world = lock(world);
            world.tell("crash");
            world.allowed_doubles += BATCH as u64;
            if world.random.percent(10) { 90_000 } else { world.random.below(8_000) }
        };
        sleep(Duration::from_millis(down)).await;
        lock(world).tell("start");
    }
}

pub fn options(folder: &Path) -> Options {
    Options { durable: false, event_ttl: TTL, now: super::clock, ..Options::new(folder) }
}

/// One life: what `cli::run` wires, on one thread.
async fn run(world: &Shared, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let journal = Journal::open_inline(&options(folder))?;
    journal.bind("cluster").await?;
    let cursor = journal.register("sink", Start::Oldest).await?;
    let options = relay::Options {
        sink: "sink".to_owned(),
        policy: Policy { misconfigured_wait: Duration::from_secs(5), ..Policy::default() },
        grace: Duration::from_secs(1),
        event: kubedl_events::event::Options::default(),
        select: None,
        spread: || 0.5,
    };
    let (_stop, stopped) = watch::channel(false);
    let progress = Progress::default();
    let mut sink = Sink(world.clone());
    let relay = relay::run(&mut sink, journal.clone(), cursor, &options, &progress, stopped);

    let seeing = cluster::Options {
        page: 5,
        watch_timeout: Duration::from_secs(20),
        collect: Duration::ZERO,
        event_ttl: TTL,
        now: super::clock,
        spread: || 0.5,
        ..Default::default()
    };
    let from = journal.checkpoint("*").await?;
    lock(world).tell(format!("watching from {:?}", from.as_ref().map(|from| &from.resource_version)));
    let client = Client::over(kube::Client::new(Api(world.clone()), "default"));
    let (out, seen) = mpsc::channel(4);
    let begin = Begin { from, witnesses: journal.reader()?.witnesses("*")?, ..Begin::default() };
    let watch = cluster::watch(client, Scope::All, begin, Mode::Follow, &seeing, out);
    let pipeline = Pipeline {
        owners: Owners::recorded(),
        objects: Objects::All,
        redaction: Default::default(),
        journal: journal.clone(),
        options: Default::default(),
        now: super::clock,
    };
    let (spoilt, given) = mpsc::channel(4);
    let bug = lock(world).bug;
    tokio::select! {
        biased;
        ended = relay => ended?,
        ended = watch => ended?,
        ended = pipeline.run(given) => drop(ended?),
        () = pass(seen, spoilt, bug) => {}
    }
    Ok(())
}

/// From the watch to the pipeline; a planted bug says the checkpoint first.
async fn pass(mut seen: mpsc::Receiver<Observation>, given: mpsc::Sender<Observation>, bug: Option<Bug>) {
    while let Some(mut observation) = seen.recv().await {
        if bug == Some(Bug::CheckpointBeforeCommit) && !observation.events.is_empty() {
            let early = Observation { reached: observation.reached.take(), ..Observation::of(observation.scope.clone()) };
            let _ = given.send(early).await;
        }
        if given.send(observation).await.is_err() {
            return;
        }
    }
}

/// Waits until nothing is open any more.
async fn settled(world: &Shared, folder: &Path) {
    loop {
        sleep(Duration::from_secs(5)).await;
        if super::verdict::open(world, folder).is_empty() {
            return;
        }
        // Poison at the very end is only known by a good one behind it.
        lock(world).write();
    }
}
