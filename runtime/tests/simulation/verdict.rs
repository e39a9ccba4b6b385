//! The promises, as what must hold when all is settled.

// Long: one question, with all of its cases.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Duration, SystemTime};

use kubedl_events::journal::{self, Gap, Letter, Reader, SHED};

use super::world::{Cause, Nature, Shared, Store, TTL, World, Write, lock};

/// Times of gaps are whole seconds, rounded outwards.
const ROUNDING: Duration = Duration::from_secs(1);
/// What is taken off the time at which sight is lost, since a watch may lag.
const LAG: Duration = Duration::from_secs(10);
/// In so long no more watches or lists are begun than this. Without a wait between them there are
/// ten times as many.
const WINDOW: Duration = Duration::from_secs(10);
const MOST_WATCHES: usize = 40;
const MOST_LISTS: usize = 25;

#[derive(Debug)]
pub struct Violation {
    pub what: String,
    story: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.story
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// The write that an event's JSON is of.
pub fn serial(raw: &str) -> Option<u64> {
    // By its place in the text: it is asked for too often to read all of it.
    raw.split_once("\"message\":\"")?
        .1
        .split_once('"')?
        .0
        .parse()
        .ok()
}

/// What the service says of itself: this journal's gaps and dead letters, and those of disks that
/// were lost.
struct Account {
    gaps: Vec<Gap>,
    /// By sinks and serials.
    letters: HashMap<(String, u64), Letter>,
}

impl Account {
    /// As of all replicas that have a journal.
    fn of(world: &mut World) -> Option<Self> {
        let replicas = world.replicas();
        let read = |replica| world.read(replica, |_, reader| Self::read(reader).ok());
        let (gaps, letters): (Vec<Vec<Gap>>, Vec<Vec<Letter>>) = replicas.filter_map(read).unzip();
        (!gaps.is_empty()).then(|| Self::put_together(world, gaps.concat(), letters.concat()))
    }

    fn read(reader: &Reader) -> Result<(Vec<Gap>, Vec<Letter>), journal::Error> {
        Ok((reader.gaps()?, reader.letters(None, 0, usize::MAX)?))
    }

    fn put_together(world: &World, mut gaps: Vec<Gap>, letters: Vec<Letter>) -> Self {
        gaps.extend(world.old_gaps.iter().cloned());
        let letters = letters.into_iter().chain(world.old_letters.iter().cloned());
        let of = |letter: &Letter| {
            serial(&letter.row.raw).or_else(|| world.rows.get(&letter.position?).copied())
        };
        let letters = letters
            .filter_map(|letter| Some(((letter.sink.clone(), of(&letter)?), letter)))
            .collect();
        Self { gaps, letters }
    }
}

/// The times of a gap; one that ends before it begins was noted by a clock that was wrong, so its
/// beginning is unknown.
fn times(gap: &Gap) -> (SystemTime, Option<SystemTime>) {
    let until = gap.until.map(|until| until + ROUNDING);
    let since = gap.since;
    (since.unwrap_or(SystemTime::UNIX_EPOCH), until)
}

/// A beginning that nobody knows is any, also one by a clock that was ahead.
fn covers(gap: &Gap, at: SystemTime, clock_jumps: bool) -> bool {
    let (since, until) = times(gap);
    since <= at
        && (until.is_none_or(|until| at <= until)
            || (clock_jumps && since == SystemTime::UNIX_EPOCH))
}

/// Whether a gap excuses that a sink has not got a write: of its scope, written then, and no longer
/// there when the list was read.
fn excuses(world: &World, gap: &Gap, sink: &str, write: &Write) -> bool {
    let jumps = world.shape.clock_jumps;
    let is_then = covers(gap, write.at, jumps) || covers(gap, write.truly_at, jumps);
    if gap.sink.as_deref().is_some_and(|only| only != sink) || !is_then {
        return false;
    }
    let Some(scope) = &gap.scope else { return true };
    let unseen = gap.until.is_none_or(|until| {
        write
            .gone
            .iter()
            .any(|gone| *gone <= until + ROUNDING || world.shape.clock_jumps)
    });
    unseen && world.shape.scope_of(write.namespace) == Some(scope)
}

/// Writes that are neither stored, nor a dead letter, nor in a gap, with the sink that misses them.
pub fn open(world: &Shared) -> Vec<(String, Write)> {
    let mut world = lock(world);
    let mut missing = Vec::new();
    for (name, store) in &world.stores {
        let stored: HashSet<u64> = store.stored.iter().copied().collect();
        let known = world.writes.iter().filter(|write| {
            world.shape.scope_of(write.namespace).is_some()
                && !world.taken_back.contains(&write.serial)
        });
        missing.extend(
            known
                .filter(|write| !stored.contains(&write.serial))
                .map(|write| (name.clone(), write.serial)),
        );
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let Some(account) = Account::of(&mut world) else {
        return Vec::from([(String::new(), world.writes[0].clone())]);
    };
    missing.retain(|of| !account.letters.contains_key(of));
    let missing = missing
        .into_iter()
        .map(|(name, serial)| (name, &world.writes[usize::try_from(serial).unwrap()]));
    let missing = missing.filter(|(name, write)| {
        !account
            .gaps
            .iter()
            .any(|gap| excuses(&world, gap, name, write))
    });
    missing.map(|(name, write)| (name, write.clone())).collect()
}

/// The number of events that are not known yet to be at fault.
pub fn at_fault(world: &Shared) -> usize {
    let mut world = lock(world);
    let Some(account) = Account::of(&mut world) else {
        return 0;
    };
    let bad = |write: &&Write| matches!(write.nature, Nature::Poison | Nature::Failing);
    let is_known = |write: &Write| {
        world
            .stores
            .keys()
            .all(|name| account.letters.contains_key(&(name.clone(), write.serial)))
    };
    world
        .writes
        .iter()
        .filter(bad)
        .filter(|write| !is_known(write))
        .count()
}

pub fn judge(world: &Shared) -> Result<(), Violation> {
    let missing = open(world);
    let mut world = lock(world);
    let account = Account::of(&mut world).unwrap();
    let since_beginning = |time: Option<SystemTime>| {
        time.and_then(|time| time.duration_since(super::beginning()).ok())
    };
    for gap in &account.gaps {
        let (sink, scope) = (
            gap.sink.as_deref().unwrap_or("every sink"),
            gap.scope.as_deref().unwrap_or("any"),
        );
        let line = format!(
            "gap of {sink}, scope {scope}, from {:?} to {:?}: {}",
            since_beginning(gap.since),
            since_beginning(gap.until),
            gap.reason
        );
        world.story.push(line);
    }
    let found = lost(&missing, &world)
        .or_else(|| (!world.settled).then(|| "it was not settled in time".to_owned()))
        .or_else(|| {
            world
                .stores
                .iter()
                .find_map(|(name, store)| of_store(name, store, &account, &world))
        })
        .or_else(|| {
            account
                .gaps
                .iter()
                .find_map(|gap| unfounded(gap, &account.gaps, &world))
        })
        .or_else(|| {
            too_many(
                &world.watches,
                MOST_WATCHES * world.shape.scopes.len() * world.shape.replicas,
                "watches",
            )
        })
        .or_else(|| {
            too_many(
                &world.lists,
                MOST_LISTS * world.shape.scopes.len() * world.shape.replicas,
                "lists",
            )
        });
    found.map_or(Ok(()), |what| {
        Err(Violation {
            what,
            story: world.story.clone(),
        })
    })
}

/// Nothing is lost silently.
fn lost(missing: &[(String, Write)], world: &World) -> Option<String> {
    let (sink, write) = missing.first()?;
    let at = |write: &Write| {
        write
            .at
            .duration_since(super::beginning())
            .unwrap_or_default()
            .as_secs_f64()
    };
    let versions = world.writes.iter().filter(|other| other.uid == write.uid);
    let versions: Vec<String> = versions
        .map(|write| {
            format!(
                "{:.3}: {} in version {}",
                at(write),
                write.serial,
                write.version
            )
        })
        .collect();
    let (lost, all) = (missing.len(), world.writes.len());
    Some(format!(
        "{lost} of {all} writes are lost for {sink}, the first is {}, written at {:.3} s, of {versions:?}",
        write.serial,
        at(write)
    ))
}

fn of_store(name: &str, store: &Store, account: &Account, world: &World) -> Option<String> {
    let words = blamed(name, account, world)
        .or_else(|| doubled(store))
        .or_else(|| disordered(store, world))
        .or_else(|| store.misled.clone())?;
    Some(format!("{name}: {words}"))
}

/// Only what is at fault is a dead letter.
fn blamed(name: &str, account: &Account, world: &World) -> Option<String> {
    let nature = |serial: u64| world.writes[usize::try_from(serial).unwrap()].nature;
    let is_damaged = |letter: &Letter| {
        letter.reason.starts_with("damaged in the journal") && world.shape.damages
    };
    let mut of_sink = account
        .letters
        .iter()
        .filter(|((sink, _), letter)| sink == name && !letter.held_back && !is_damaged(letter));
    let ((_, serial), letter) = of_sink.find(|((_, serial), _)| nature(*serial) == Nature::Good)?;
    Some(format!(
        "the good event {serial} is a dead letter: {}",
        letter.reason
    ))
}

/// Each copy is explained by what was done to the service when that event was in flight, or by an
/// answer about it that was lost.
fn doubled(store: &Store) -> Option<String> {
    let mut copies: HashMap<u64, u64> = HashMap::new();
    for serial in &store.stored {
        *copies.entry(*serial).or_default() += 1;
    }
    let explained = |serial: &u64| store.explained.get(serial).copied().unwrap_or(0);
    let (serial, count) = copies
        .iter()
        .filter(|(serial, count)| **count > 1 + explained(serial))
        .min()?;
    Some(format!(
        "{serial} is stored {count} times, and {} copies are explained",
        explained(serial)
    ))
}

/// What is stored first of an object's writes comes in their order.
fn disordered(store: &Store, world: &World) -> Option<String> {
    let (mut seen, mut last): (HashSet<u64>, HashMap<&str, u64>) = Default::default();
    for serial in store
        .stored
        .iter()
        .filter(|serial| !store.displaced.contains(serial))
    {
        let write = &world.writes[usize::try_from(*serial).unwrap()];
        if !seen.insert(*serial) || world.reordered.contains(&write.uid) {
            continue;
        }
        if let Some(before) = last
            .insert(&write.uid, *serial)
            .filter(|before| before > serial)
        {
            return Some(format!(
                "{serial} is stored after {before}, a later write of the same object"
            ));
        }
    }
    None
}

/// A gap has a cause that the world knows.
fn unfounded(gap: &Gap, all: &[Gap], world: &World) -> Option<String> {
    // Long: one arm a case.
    let (since, until) = times(gap);
    let until = until.unwrap_or_else(super::clock);
    // What happened while a list was not whole yet shows in the next gap, too.
    let before = all
        .iter()
        .filter(|other| other.scope == gap.scope && other.sink.is_none())
        .map(times);
    let before = before.filter(|(_, end)| end.is_none_or(|end| (since..=until).contains(&end)));
    let since = before
        .map(|(begin, _)| begin)
        .min()
        .unwrap_or(since)
        .min(since);
    let within = |at: SystemTime| {
        world.shape.clock_jumps
            || (since.checked_sub(ROUNDING).unwrap_or(since)..=until).contains(&at)
    };
    let has = |cause: Cause| {
        world
            .causes
            .iter()
            .any(|(at, of)| *of == cause && within(*at))
    };
    let words = |why: &str| Some(format!("a gap without a cause, {why}: {gap:?}"));
    if gap.reason.contains("damaged") || gap.reason.contains("still needed are gone") {
        return if world
            .causes
            .iter()
            .any(|(_, cause)| *cause == Cause::Damaged)
        {
            None
        } else {
            words("nothing was damaged")
        };
    }
    if gap.sink.is_some() {
        let shed = gap.reason == SHED && world.shape.cap.is_some();
        return if shed {
            None
        } else {
            words("nothing was taken from the sink")
        };
    }
    if has(Cause::SetBack) || has(Cause::DiskLost) {
        return None;
    }
    // One witness is all that a namespace has; of several that are young one will be left.
    let deletions = world
        .causes
        .iter()
        .filter(|(at, cause)| *cause == Cause::DeletedByHand && within(*at))
        .count();
    if gap.reason.contains("deleted before their time") {
        return if deletions > 0 {
            None
        } else {
            words("nothing was deleted, and the storage was not set back")
        };
    }
    if gap.reason.contains("set back") {
        let young = |write: &&Write| write.at <= since + LAG && write.at + TTL / 2 >= until;
        let namespaces: HashSet<&str> = world
            .writes
            .iter()
            .filter(young)
            .map(|write| write.namespace)
            .collect();
        let excused = deletions
            >= if world.shape.scopes.len() > 1 {
                1
            } else {
                namespaces.len().clamp(1, 2)
            };
        return if excused {
            None
        } else {
            words("the storage was not set back")
        };
    }
    if !has(Cause::Compacted) {
        return words("nothing was compacted");
    }
    let blind = until.duration_since(since).unwrap_or_default();
    let repeated = |write: &Write| {
        write.count > 1
            && within(write.at)
            && world.shape.scope_of(write.namespace) == gap.scope.as_deref()
    };
    let is_open =
        gap.since.is_some() && (blind + ROUNDING * 2 >= TTL || world.writes.iter().any(repeated));
    if is_open || world.shape.clock_jumps {
        None
    } else {
        words("nothing can be missing")
    }
}

fn too_many(times: &[Duration], most: usize, what: &str) -> Option<String> {
    let mut windows = times
        .windows(most + 1)
        .filter(|window| window[most] - window[0] < WINDOW);
    windows.next().map(|window| {
        format!(
            "more than {most} {what} were begun within {WINDOW:?} from {:.3} s",
            window[0].as_secs_f64()
        )
    })
}
