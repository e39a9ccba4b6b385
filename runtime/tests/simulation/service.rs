//! The service in the world: started, crashed at any moment, started again, until the world is calm
//! and all is settled.

// Long: one question, with all of its cases.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::future::{join, join_all, try_join_all};
use kubedl_events::cluster::lease::{Elector, Identity, Place, RETRY};
use kubedl_events::cluster::{self, Client, Mode, Observation, Owners, Scope};
use kubedl_events::filter::Objects;
use kubedl_events::journal::{Journal, OnFull, Options, Start};
use kubedl_events::relay::{self, Policy, Progress};
use kubedl_events::service::{self, Lead, Pipeline, Sinks};
use kubedl_events::sink::Term;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::api::Api;
use super::bugs::{self, Bug};
use super::disk;
use super::sink::Sink;
use super::trouble::trouble;
use super::world::{Shared, TTL, World, lock};

/// How long the oldest of what is still open may take to be settled afterwards, and once more for
/// each event that is at fault: to find out that one is takes nine tries, 51 seconds apart in all,
/// where all others are of its object.
const CALM: Duration = Duration::from_secs(60);
/// How long all of it may take.
const ALL_CALM: Duration = Duration::from_secs(1200);
/// How long what is delivered is kept: for as long as it has to be known when the storage is set
/// back.
const RETAIN: Duration = Duration::from_secs(30);

type Ended = Result<(), Box<dyn Error>>;

/// Ends when all is settled, or when the time for that is over.
pub async fn live(world: &Shared) {
    let replicas = lock(world).replicas();
    tokio::select! {
        biased;
        () = trouble(world) => {}
        _ = join_all(replicas.clone().map(|replica| lives(world, replica))) => {}
    }
    {
        let mut world = lock(world);
        world.calm = true;
        world.tell("calm");
        (world.api_down, world.short_watches) = (false, false);
        world
            .stores
            .values_mut()
            .for_each(|store| store.down = false);
        world.cut_off.clear();
        // The service ends here without a word, too.
        replicas
            .clone()
            .for_each(|replica| disk::explain_in_flight(&mut world, replica));
        world.cut("closed");
    }
    let (_stop, stopped) = watch::channel(false);
    tokio::select! {
        biased;
        () = settled(world) => {}
        () = sleep(ALL_CALM) => lock(world).tell("the time is over"),
        ended = try_join_all(replicas.map(|replica| run(world, replica, stopped.clone()))) => lock(world).tell(format!("the service ended by itself: {ended:?}")),
    }
}

/// One life after the other, each ended by a crash or in order.
async fn lives(world: &Shared, replica: usize) {
    loop {
        let (steps, in_order) = {
            let mut world = lock(world);
            (world.random.below(3_000), world.random.percent(25))
        };
        let mut steps = usize::try_from(steps).unwrap();
        let (stop, stopped) = watch::channel(false);
        let ended = {
            let mut life = pin!(run(world, replica, stopped));
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
            lock(world).tell(format!("{replica} ended with an error: {why}"));
        }
        let down = {
            let mut world = lock(world);
            world.tell(format!(
                "{replica}: {}",
                if ended.is_some() { "stopped" } else { "crash" }
            ));
            disk::between_lives(&mut world, replica);
            if world.random.percent(10) {
                90_000
            } else {
                world.random.below(8_000)
            }
        };
        sleep(Duration::from_millis(down)).await;
        lock(world).tell(format!("{replica}: start"));
    }
}

fn options(world: &Shared, replica: usize) -> Options {
    let world = lock(world);
    let (max_size, on_full) = world
        .shape
        .cap
        .map_or((None, OnFull::Block), |(most, on_full)| {
            (Some(most), on_full)
        });
    Options {
        durable: false,
        event_ttl: TTL,
        retain: RETAIN,
        now: super::clock,
        max_size,
        on_full,
        ..Options::new(&world.folders[replica])
    }
}

/// One life: what `service::run` wires, on one thread.
async fn run(world: &Shared, replica: usize, stopped: watch::Receiver<bool>) -> Ended {
    let journal = Journal::open_inline(&options(world, replica))?;
    let (sinks, scopes, bug) = {
        let world = lock(world);
        (
            world.shape.sinks.clone(),
            world.shape.scopes.clone(),
            world.bug,
        )
    };
    if bug == Some(Bug::OneSinkBeforeCleanUp) {
        journal
            .configure(&sinks[sinks.len() - 1..], Start::Oldest)
            .await?;
        sleep(Duration::from_millis(200)).await;
        journal.tidy();
    }
    journal.configure(&sinks, Start::Oldest).await?;
    let keeping = async {
        tokio::select! {
            biased;
            ended = see(world, replica, &journal, &sinks, &scopes) => ended,
            () = tidy(&journal) => Ok(()),
            () = watch_held_back(world, replica, &sinks) => Ok(()),
        }
    };
    tokio::select! {
        biased;
        ended = act(world, replica, &journal, &sinks, stopped) => ended,
        ended = keeping => ended,
    }
}

/// Delivers all the time, or while it leads. Ends with the stop.
async fn act(
    world: &Shared,
    replica: usize,
    journal: &Journal,
    sinks: &[String],
    stopped: watch::Receiver<bool>,
) -> Ended {
    // Long: what a world does, one case after the other.
    let client = client(world, replica);
    let (elected, identity) = {
        let mut world = lock(world);
        world.started += 1;
        let elected = world.shape.replicas > 1;
        // What is random is kept in the data folder where nothing is elected.
        let number = if elected {
            world.started
        } else {
            world.disks_lost
        };
        (
            elected,
            Identity::new("host", &format!("{number:016x}"), elected),
        )
    };
    let elector = Elector::new(&client, place(), identity, sinks.to_vec(), super::clock);
    let scopes = lock(world)
        .shape
        .scopes
        .iter()
        .map(|scope| scope.key().to_owned())
        .collect();
    if elected {
        let lead = Lead {
            elector,
            sinks: Relays {
                world: world.clone(),
                replica,
                journal: journal.clone(),
                names: sinks.to_vec(),
            },
            scopes,
            journal: journal.clone(),
            start: Start::Oldest,
            selections: Default::default(),
            board: Default::default(),
            answered: tokio::time::Instant::now(),
            unreachable: Default::default(),
        };
        return Ok(lead.run(stopped).await?);
    }
    let (close, closed) = watch::channel(false);
    let delivering = async {
        let ended = deliver(world, replica, journal, sinks, stopped, false).await;
        close.send_replace(true);
        ended
    };
    join(
        delivering,
        service::keep_lease(elector, journal.clone(), sinks.to_vec(), scopes, closed),
    )
    .await
    .0
}

fn place() -> Place {
    Place {
        namespace: "default".to_owned(),
        name: "kubedl-events".to_owned(),
    }
}

fn client(world: &Shared, replica: usize) -> Client {
    Client::over(kube::Client::new(Api(world.clone(), replica), "default"))
}

/// What a replica runs while it leads.
struct Relays {
    world: Shared,
    replica: usize,
    journal: Journal,
    names: Vec<String>,
}

impl Sinks for Relays {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    async fn run(&mut self, unsure: bool, term: &Term, closed: &watch::Receiver<bool>) {
        disk::explain_taken_over(&mut lock(&self.world), self.replica);
        let bug = lock(&self.world).bug;
        let unsure = unsure && bug != Some(Bug::SureAfterTakeOver);
        tokio::select! {
            biased;
            () = term.over(), if bug != Some(Bug::LeadsOn) => {}
            _ = deliver(&self.world, self.replica, &self.journal, &self.names, closed.clone(), unsure) => {}
        }
        // What is on its way is broken off.
        disk::explain_in_flight(&mut lock(&self.world), self.replica);
    }
}

async fn deliver(
    world: &Shared,
    replica: usize,
    journal: &Journal,
    sinks: &[String],
    stopped: watch::Receiver<bool>,
    unsure: bool,
) -> Ended {
    let relays = sinks.iter().map(|name| {
        let (journal, stopped) = (journal.clone(), stopped.clone());
        async move {
            let bug = lock(world).bug;
            let mut cursor = journal.register(name, Start::Oldest).await?;
            if bug == Some(Bug::SureAfterCrash) {
                cursor.unsure_through = 0;
            } else if unsure {
                cursor.unsure_through = *journal.head().borrow();
            }
            let options = relay::Options {
                sink: name.clone(),
                policy: Policy {
                    misconfigured_wait: Duration::from_secs(5),
                    ..Policy::default()
                },
                grace: Duration::from_secs(1),
                event: kubedl_events::event::Options::default(),
                select: None,
                spread: || 0.5,
                now: super::clock,
            };
            let mut sink = Sink {
                world: world.clone(),
                name: name.clone(),
                replica,
            };
            Ok::<_, Box<dyn Error>>(
                relay::run(
                    &mut sink,
                    journal,
                    cursor,
                    &options,
                    &Progress::default(),
                    stopped,
                )
                .await?,
            )
        }
    });
    join_all(relays).await.into_iter().collect()
}

async fn see(
    world: &Shared,
    replica: usize,
    journal: &Journal,
    sinks: &[String],
    scopes: &[Scope],
) -> Ended {
    journal.bind("cluster").await?;
    let bug = lock(world).bug;
    let told = service::read_lease(&client(world, replica), &place())
        .await
        .map(|told| bugs::told(told, bug));
    let mut begins = Vec::new();
    for scope in scopes {
        let is_new = journal.checkpoint(scope.key()).await?.is_none();
        let begin = service::begin(journal, scope, told.as_ref(), sinks, false).await?;
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
        let client = client(world, replica);
        let (pipeline, seeing) = (&pipeline, &seeing);
        async move {
            lock(world).tell(format!("{replica}: {scope} from {:?}", begin.from.as_ref().map(|from| &from.resource_version)));
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

/// What is held back may be stored after later ones of its object.
async fn watch_held_back(world: &Shared, replica: usize, sinks: &[String]) {
    loop {
        sleep(RETRY).await;
        let mut world = lock(world);
        for sink in sinks {
            let held_back = world
                .read(replica, |_, reader| reader.held_back(sink, usize::MAX).ok())
                .unwrap_or_default();
            let serials = held_back
                .iter()
                .filter_map(|letter| super::verdict::serial(&letter.row.raw));
            world
                .stores
                .get_mut(sink)
                .unwrap()
                .displaced
                .extend(serials);
        }
    }
}

/// Waits until nothing is open any more.
async fn settled(world: &Shared) {
    let (mut oldest, mut until) = (None, Duration::ZERO);
    loop {
        sleep(Duration::from_secs(1)).await;
        let open = super::verdict::open(world);
        if open.is_empty() {
            lock(world).settled = true;
            return;
        }
        let now = open.iter().map(|(_, write)| write.serial).min();
        if now != oldest {
            let at_fault = u32::try_from(super::verdict::at_fault(world)).unwrap();
            (oldest, until) = (now, super::elapsed() + CALM * (1 + at_fault));
        } else if super::elapsed() > until {
            return lock(world).tell("nothing has moved for too long");
        }
        // Poison at the very end is only known by a good one behind it.
        lock(world).write();
    }
}

/// The checkpoint of a scope in the journal of a replica.
fn checkpoint(world: &mut World, replica: usize, key: &str) -> u64 {
    world
        .read(replica, |_, reader| reader.checkpoint(key).ok().flatten())
        .map_or(0, |version| number(&version))
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

/// For each replica its scopes.
fn replicas_and_scopes(world: &World) -> Vec<(usize, String)> {
    let keys: Vec<String> = world
        .shape
        .scopes
        .iter()
        .map(|scope| scope.key().to_owned())
        .collect();
    world
        .replicas()
        .flat_map(|replica| keys.iter().map(move |key| (replica, key.clone())))
        .collect()
}

/// What every journal has of every scope.
pub fn committed(world: &mut World) -> u64 {
    let scopes = replicas_and_scopes(world).into_iter();
    scopes
        .map(|(replica, key)| checkpoint(world, replica, &key))
        .min()
        .unwrap_or(0)
}

/// What the journals say of their scopes: the checkpoint, the newest event and when it came.
pub fn standing(world: &mut World) -> Vec<(String, u64, (u64, SystemTime))> {
    let scopes = replicas_and_scopes(world).into_iter();
    let of = |(replica, key): (usize, String)| {
        let committed = checkpoint(world, replica, &key);
        let witnesses = world
            .read(replica, |_, reader| reader.witnesses(&key).ok())
            .unwrap_or_default();
        let newest = witnesses
            .iter()
            .next()
            .map_or((0, SystemTime::UNIX_EPOCH), |newest| {
                (number(&newest.resource_version), newest.seen_at)
            });
        (key, committed, newest)
    };
    scopes.map(of).collect()
}
