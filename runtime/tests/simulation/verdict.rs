//! The promises, as what must hold when all is settled.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use kubedl_events::journal::Reader;

use super::world::{Nature, Shared, World, Write, lock};

#[derive(Debug)]
pub struct Violation {
    pub what: String,
    story: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.story.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Serials of dead letters, with the reasons.
fn letters(reader: &Reader) -> HashMap<u64, String> {
    let letters = reader.letters(None, 0, usize::MAX).unwrap_or_default();
    let serial = |raw: &str| serde_json::from_str::<serde_json::Value>(raw).ok()?.get("message")?.as_str()?.parse().ok();
    letters.into_iter().filter_map(|letter| Some((serial(&letter.row.raw)?, letter.reason))).collect()
}

/// Writes that are neither stored, nor a dead letter, nor in a gap.
pub fn open(world: &Shared, folder: &Path) -> Vec<Write> {
    let Ok(reader) = Reader::open(folder) else { return lock(world).writes.clone() };
    let (letters, gaps) = (letters(&reader), reader.gaps().unwrap_or_default());
    let world = lock(world);
    let stored: HashSet<u64> = world.stored.iter().copied().collect();
    let excused =
        |write: &Write| gaps.iter().any(|gap| gap.since.is_none_or(|since| since <= write.at) && gap.until.is_none_or(|until| write.at <= until));
    let known = world.writes.iter().filter(|write| !world.taken_back.contains(&write.serial));
    known.filter(|write| !stored.contains(&write.serial) && !letters.contains_key(&write.serial) && !excused(write)).cloned().collect()
}

pub async fn judge(world: &Shared, folder: &Path) -> Result<(), Violation> {
    let missing = open(world, folder);
    let reader = Reader::open(folder).unwrap();
    let letters = letters(&reader);
    let mut world = lock(world);
    for gap in reader.gaps().unwrap() {
        let at = |time: Option<std::time::SystemTime>| time.and_then(|time| time.duration_since(super::beginning()).ok());
        world.story.push(format!("gap from {:?} to {:?}: {}", at(gap.since), at(gap.until), gap.reason));
    }
    lost(&missing, &world)?;
    blamed(&letters, &world)?;
    doubled(&world)
}

fn violation(world: &World, what: String) -> Violation {
    Violation { what, story: world.story.clone() }
}

/// Nothing is lost silently.
fn lost(missing: &[Write], world: &World) -> Result<(), Violation> {
    let Some(write) = missing.first() else { return Ok(()) };
    let at = |write: &Write| write.at.duration_since(super::beginning()).unwrap_or_default().as_secs_f64();
    let uid = write.name.split(' ').next().unwrap_or_default();
    let versions: Vec<String> = world
        .writes
        .iter()
        .filter(|other| other.name.split(' ').next() == Some(uid))
        .map(|write| format!("{:.3}: {}", at(write), write.name))
        .collect();
    let (lost, all) = (missing.len(), world.writes.len());
    Err(violation(world, format!("{lost} of {all} writes are lost, the first is {}, written at {:.3} s, of {versions:?}", write.name, at(write))))
}

/// Only what is at fault is a dead letter.
fn blamed(letters: &HashMap<u64, String>, world: &World) -> Result<(), Violation> {
    let innocent = letters.iter().find(|(serial, _)| world.writes[usize::try_from(**serial).unwrap()].nature == Nature::Good);
    match innocent {
        Some((serial, reason)) => Err(violation(world, format!("the good event {serial} is a dead letter: {reason}"))),
        None => Ok(()),
    }
}

/// Doubles are bounded by what was done to the service, and nothing is stored that was never written.
fn doubled(world: &World) -> Result<(), Violation> {
    let mut copies: HashMap<u64, u64> = HashMap::new();
    for serial in &world.stored {
        *copies.entry(*serial).or_default() += 1;
    }
    let doubles: u64 = copies.values().map(|count| count - 1).sum();
    if doubles > world.allowed_doubles {
        return Err(violation(world, format!("{doubles} doubles, at most {} are explained", world.allowed_doubles)));
    }
    Ok(())
}
