//! The service in the world: started, crashed at any moment, started again, until the world is calm and all is settled.

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::future::{join_all, try_join_all};
use kubedl_events::cli::{self, Pipeline};
use kubedl_events::cluster::lease::{RETRY, Told, merge};
use kubedl_events::cluster::{self, Client, Mode, Observation, Owners, Scope};
use kubedl_events::filter::Objects;
use kubedl_events::journal::{Journal, OnFull, Options, Start};
use kubedl_events::relay::{self, Policy, Progress};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::api::Api;
use super::bugs::{self, Bug};
use super::disk;
use super::sink::Sink;
use super::trouble::trouble;
use super::world::{Shared, TTL, lock};

/// How long the oldest of what is still open may take to be settled afterwards, and once more for each event that is at fault: to find out that one is takes
/// nine tries, 51 seconds apart in all, where all others are of its object.
const CALM: Duration = Duration::from_secs(60);
/// How long all of it may take.
const ALL_CALM: Duration = Duration::from_secs(1200);
/// How long what is delivered is kept: for as long as it has to be known when the storage is set back.
const RETAIN: Duration = Duration::from_secs(30);

type Ended = Result<(), Box<dyn Error>>;

/// Ends when all is settled, or when the time for that is over.
pub async fn live(world: &Shared, folder: &Path) {
    tokio::select! {
        biased;
        () = trouble(world, folder) => {}
        () = lives(world, folder) => {}
    }
    {
        let mut world = lock(world);
        world.calm = true;
        world.tell("calm");
        (world.api_down, world.short_watches) = (false, false);
        world.stores.values_mut().for_each(|store| store.down = false);
        // The service ends here without a word, too.
        disk::explain_in_flight(&mut world, folder);
        world.cut("closed");
    }
    let (_stop, stopped) = watch::channel(false);
    tokio::select! {
        biased;
        () = settled(world, folder) => {}
        () = sleep(ALL_CALM) => lock(world).tell("the time is over"),
        ended = run(world, folder, stopped) => lock(world).tell(format!("the service ended by itself: {ended:?}")),
    }
}

/// One life after the other, each ended by a crash or in order.
async fn lives(world: &Shared, folder: &Path) {
    loop {
        let (steps, in_order) = {
            let mut world = lock(world);
            (world.random.below(3_000), world.random.percent(25))
        };
        let mut steps = usize::try_from(steps).unwrap();
        let (stop, stopped) = watch::channel(false);
        let ended = {
            let mut life = pin!(run(world, folder, stopped));
            // Dropped in the middle: between any two steps, before or after any commit.
            std::future::poll_fn(|context| {
                if steps == 0 {
                    if !in_order {
                        return Poll::Ready(None);
                    }
                    stop.send_if_modified(|stop| !std::mem::replace(stop, true));
                }
                steps = steps.saturating_sub(1);
                life.as_mut().poll(context).map(Some)
            })
            .await
        };
        if let Some(Err(why)) = &ended {
            lock(world).tell(format!("the service ended with an error: {why}"));
        }
        let down = {
            let mut world = lock(world);
            world.tell(if ended.is_some() { "stopped" } else { "crash" });
            disk::between_lives(&mut world, folder);
            if world.random.percent(10) { 90_000 } else { world.random.below(8_000) }
        };
        sleep(Duration::from_millis(down)).await;
        lock(world).tell("start");
    }
}

pub fn options(world: &Shared, folder: &Path) -> Options {
    let (max_size, on_full) = lock(world).shape.cap.map_or((None, OnFull::Block), |(most, on_full)| (Some(most), on_full));
    Options { durable: false, event_ttl: TTL, retain: RETAIN, now: super::clock, max_size, on_full, ..Options::new(folder) }
}

/// One life: what `cli::run` wires, on one thread.
async fn run(world: &Shared, folder: &Path, stopped: watch::Receiver<bool>) -> Ended {
    let journal = Journal::open_inline(&options(world, folder))?;
    let (sinks, scopes, bug) = {
        let world = lock(world);
        (world.shape.sinks.clone(), world.shape.scopes.clone(), world.bug)
    };
    if bug == Some(Bug::OneSinkBeforeCleanUp) {
        journal.configure(&sinks[sinks.len() - 1..], Start::Oldest).await?;
        sleep(Duration::from_millis(200)).await;
        journal.tidy();
    }
    journal.configure(&sinks, Start::Oldest).await?;
    let keeping = async {
        tokio::select! {
            biased;
            ended = see(world, &journal, &sinks, &scopes) => ended,
            () = tidy(&journal) => Ok(()),
            () = note(world, &journal, &sinks) => Ok(()),
        }
    };
    tokio::select! {
        biased;
        ended = deliver(world, &journal, &sinks, stopped) => ended,
        ended = keeping => ended,
    }
}

/// Ends with the stop.
async fn deliver(world: &Shared, journal: &Journal, sinks: &[String], stopped: watch::Receiver<bool>) -> Ended {
    let relays = sinks.iter().map(|name| {
        let (journal, stopped) = (journal.clone(), stopped.clone());
        async move {
            let bug = lock(world).bug;
            let mut cursor = journal.register(name, Start::Oldest).await?;
            if bug == Some(Bug::SureAfterCrash) {
                cursor.unsure_through = 0;
            }
            let options = relay::Options {
                sink: name.clone(),
                policy: Policy { misconfigured_wait: Duration::from_secs(5), ..Policy::default() },
                grace: Duration::from_secs(1),
                event: kubedl_events::event::Options::default(),
                select: None,
                spread: || 0.5,
                now: super::clock,
            };
            let mut sink = Sink { world: world.clone(), name: name.clone() };
            Ok::<_, Box<dyn Error>>(relay::run(&mut sink, journal, cursor, &options, &Progress::default(), stopped).await?)
        }
    });
    join_all(relays).await.into_iter().collect()
}

async fn see(world: &Shared, journal: &Journal, sinks: &[String], scopes: &[Scope]) -> Ended {
    journal.bind("cluster").await?;
    let (told, bug) = {
        let world = lock(world);
        let told = world.lease.clone().map(|(delivered, made_at)| Told { delivered, made_at });
        (told.map(|told| bugs::told(told, world.bug)), world.bug)
    };
    let mut begins = Vec::new();
    for scope in scopes {
        let is_new = journal.checkpoint(scope.key()).await?.is_none();
        let begin = cli::begin(journal, scope, told.as_ref(), sinks, false).await?;
        begins.push(bugs::begin(begin, told.as_ref(), scope.key(), is_new, bug));
    }
    let seeing = cluster::Options {
        scopes: scopes.to_vec(),
        page: 5,
        watch_timeout: Duration::from_secs(20),
        collect: Duration::ZERO,
        event_ttl: TTL,
        now: super::clock,
        spread: || 0.5,
        ..Default::default()
    };
    let pipeline = Pipeline {
        owners: Owners::recorded(),
        objects: Objects::All,
        redaction: Default::default(),
        journal: journal.clone(),
        options: Default::default(),
        now: super::clock,
    };
    let watches = scopes.iter().zip(begins).map(|(scope, begin)| {
        let client = Client::over(kube::Client::new(Api(world.clone()), "default"));
        let (pipeline, seeing) = (&pipeline, &seeing);
        async move {
            lock(world).tell(format!("{scope} from {:?}", begin.from.as_ref().map(|from| &from.resource_version)));
            let (out, seen) = mpsc::channel::<Observation>(4);
            let (spoilt, given) = mpsc::channel(4);
            tokio::select! {
                biased;
                ended = cluster::watch(client, scope.clone(), begin, Mode::Follow, seeing, out) => ended?,
                ended = pipeline.run(given) => drop(ended?),
                () = bugs::pass(seen, spoilt, bug) => {}
            }
            Ok::<_, Box<dyn Error>>(())
        }
    });
    try_join_all(watches).await.map(drop)
}

/// As the writer's thread does beside its commands.
async fn tidy(journal: &Journal) {
    loop {
        sleep(Duration::from_millis(250)).await;
        journal.tidy();
    }
}

/// Keeps in the Lease what is delivered, as `cli::lead` does.
async fn note(world: &Shared, journal: &Journal, sinks: &[String]) {
    let Ok(reader) = journal.reader() else { return };
    loop {
        sleep(RETRY).await;
        let mut ours = std::collections::BTreeMap::new();
        for sink in sinks {
            if let Ok(through) = journal.delivered(sink).await {
                ours.insert(sink.clone(), through.into_iter().collect::<std::collections::BTreeMap<_, _>>());
            }
        }
        let bug = lock(world).bug;
        if bug == Some(Bug::LeaseSaysSeen) {
            let scopes = lock(world).shape.scopes.clone();
            for scope in scopes {
                let Ok(Some(seen)) = journal.checkpoint(scope.key()).await else { continue };
                ours.values_mut().for_each(|scopes| drop(scopes.insert(scope.key().to_owned(), seen.clone())));
            }
        }
        let mut world = lock(world);
        for sink in sinks {
            // Such an event may be stored after later ones of its object.
            let held_back = reader.held_back(sink, usize::MAX).unwrap_or_default();
            let serials = held_back.iter().filter_map(|letter| super::verdict::serial(&letter.row.raw));
            world.stores.get_mut(sink).unwrap().displaced.extend(serials);
        }
        if world.api_down {
            continue;
        }
        let (there, made_at) = world.lease.take().unwrap_or_else(|| (Default::default(), super::clock()));
        world.lease = Some((merge(there, &ours, sinks), made_at));
        world.noted = true;
    }
}

/// Waits until nothing is open any more.
async fn settled(world: &Shared, folder: &Path) {
    let (mut oldest, mut until) = (None, Duration::ZERO);
    loop {
        sleep(Duration::from_secs(1)).await;
        let open = super::verdict::open(world, folder);
        if open.is_empty() {
            lock(world).settled = true;
            return;
        }
        let now = open.iter().map(|(_, write)| write.serial).min();
        if now != oldest {
            let at_fault = u32::try_from(super::verdict::at_fault(world, folder)).unwrap();
            (oldest, until) = (now, super::elapsed() + CALM * (1 + at_fault));
        } else if super::elapsed() > until {
            return lock(world).tell("nothing has moved for too long");
        }
        // Poison at the very end is only known by a good one behind it.
        lock(world).write();
    }
}

/// What the journal says of its scopes: the checkpoint, the newest event and when it came.
pub fn standing(world: &mut super::world::World, folder: &Path) -> Vec<(String, u64, (u64, SystemTime))> {
    let number = |version: &str| version.parse().unwrap_or(0);
    let keys: Vec<String> = world.shape.scopes.iter().map(|scope| scope.key().to_owned()).collect();
    let of = |key: String| {
        let committed = world.read(folder, |_, reader| reader.checkpoint(&key).ok().flatten()).map_or(0, |version| number(&version));
        let witnesses = world.read(folder, |_, reader| reader.witnesses(&key).ok()).unwrap_or_default();
        let newest = witnesses.iter().next().map_or((0, SystemTime::UNIX_EPOCH), |newest| (number(&newest.resource_version), newest.seen_at));
        (key, committed, newest)
    };
    keys.into_iter().map(of).collect()
}
