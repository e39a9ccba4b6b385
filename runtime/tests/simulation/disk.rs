//! What happens to the journal's disk, and to the wall clock, between two lives.

use std::collections::{HashMap, HashSet};
use std::io::{Seek, SeekFrom, Write as _};

use kubedl_events::journal::{FILE, Reader};

use super::lease::Lease;
use super::world::{Cause, World, Write};

/// What was stored beyond the cursors on disk is sent again: so much is explained by a crash, and
/// no more.
pub fn explain_in_flight(world: &mut World, replica: usize) {
    let look = |_: &World, reader: &Reader| {
        Some((
            reader.standings().ok()?,
            reader.letters(None, 0, usize::MAX).ok()?,
        ))
    };
    let Some((standings, letters)) = world.read(replica, look) else {
        return;
    };
    for (name, store) in &mut world.stores {
        let cursor = standings
            .iter()
            .find(|standing| standing.sink == *name)
            .map_or(0, |standing| standing.position);
        let held_back = letters
            .iter()
            .filter(|letter| letter.held_back && letter.sink == *name)
            .filter_map(|letter| letter.position);
        let held_back: Vec<i64> = held_back.collect();
        for ((_, place), serial) in store.places.iter().filter(|((at, _), _)| *at == replica) {
            if *place > cursor || held_back.contains(place) {
                *store.explained.entry(*serial).or_default() += 1;
            }
        }
    }
}

/// A replica begins to lead: what others stored beyond what the Lease says, it may store again, and
/// with it what stands behind that in a list; and what it has not seen yet.
pub fn explain_taken_over(world: &mut World, replica: usize) {
    // Long: one arm a case.
    let noted = world.lease.as_ref().map(Lease::noted).unwrap_or_default();
    let look = |_: &World, reader: &Reader| {
        Some((
            reader.standings().ok()?,
            reader.read(0, 10_000, usize::MAX).ok()?,
        ))
    };
    let Some((standings, rows)) = world.read(replica, look) else {
        return;
    };
    let seen = |key: &str, world: &mut World| {
        let version = world.read(replica, |_, reader| reader.checkpoint(key).ok().flatten());
        version
            .and_then(|version| version.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let keys: Vec<String> = world
        .shape
        .scopes
        .iter()
        .map(|scope| scope.key().to_owned())
        .collect();
    let seen: HashMap<String, u64> = keys
        .into_iter()
        .map(|key| (key.clone(), seen(&key, world)))
        .collect();
    world.led_from[replica] = rows.last().map_or(0, |row| row.position);
    let World {
        stores,
        writes,
        shape,
        ..
    } = world;
    let write = |serial: u64| &writes[usize::try_from(serial).unwrap()];
    for (name, store) in stores {
        let cursor = standings
            .iter()
            .find(|standing| standing.sink == *name)
            .map_or(0, |standing| standing.position);
        let ahead: Vec<_> = rows
            .iter()
            .filter(|row| row.position > cursor)
            .filter_map(|row| Some((super::verdict::serial(&row.raw)?, row)))
            .collect();
        if let Some((serial, row)) = ahead.first() {
            let through = noted
                .get(&(name.clone(), row.scope.clone()))
                .copied()
                .unwrap_or(0);
            if write(*serial).version <= through && through <= seen[&row.scope] {
                store.misled.get_or_insert(format!(
                    "{replica} leads, and goes on with {serial}, which the Lease says is delivered"
                ));
            }
        }
        let unseen = |write: &&Write| {
            shape
                .scope_of(write.namespace)
                .is_some_and(|key| write.version > seen[key])
        };
        let unseen = writes.iter().filter(unseen).map(|write| write.serial);
        let serials: HashSet<u64> = ahead
            .iter()
            .map(|(serial, _)| *serial)
            .chain(unseen)
            .collect();
        // What the one before never saw comes after what it stored of the same object.
        let newest: HashMap<&str, u64> = store
            .stored
            .iter()
            .map(|serial| (write(*serial).uid.as_str(), *serial))
            .collect();
        let late = serials.iter().filter(|serial| {
            newest
                .get(write(**serial).uid.as_str())
                .is_some_and(|newest| newest > *serial)
        });
        store.displaced.extend(late);
        serials
            .into_iter()
            .for_each(|serial| *store.explained.entry(serial).or_default() += 1);
    }
}

pub fn between_lives(world: &mut World, replica: usize) {
    explain_in_flight(world, replica);
    if world.shape.clock_jumps && world.random.percent(40) {
        let seconds = 600 + i64::try_from(world.random.below(3 * 3600)).unwrap();
        let skew = if super::skew() == 0 {
            if world.random.percent(50) {
                seconds
            } else {
                -seconds
            }
        } else {
            0
        };
        super::set_skew(skew);
        world.tell(format!("the wall clock is {skew} s ahead"));
    }
    // Most is at stake while one sink is behind the others.
    let chance = if world.stores.values().any(|store| store.down) {
        80
    } else {
        30
    };
    if world.shape.loses_disks && world.notes_due == 0 && world.random.percent(chance) {
        lose(world, replica);
    }
    if world.shape.damages && world.random.percent(40) {
        damage(world, replica);
    }
}

/// The folder is gone. What the lost journal said of gaps and dead letters is gone with it, which
/// the manual says; a person who asked had seen it.
fn lose(world: &mut World, replica: usize) {
    // Long: one arm a case.
    let folder = world.folders[replica].clone();
    let Ok(reader) = Reader::open(&folder) else {
        return;
    };
    world.tell(format!(
        "the disk of {replica} is lost; the Lease says {:?}",
        world.lease
    ));
    let letters = reader.letters(None, 0, usize::MAX).unwrap_or_default();
    world
        .old_letters
        .extend(letters.into_iter().filter(|letter| !letter.sink.is_empty()));
    world.old_gaps.extend(reader.gaps().unwrap_or_default());
    drop(reader);
    world.readers[replica] = None;
    world.led_from[replica] = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    world.disks_lost += 1;
    world.because(Cause::DiskLost);
    world.forget_witnesses();
    let noted = world.lease.as_ref().map(Lease::noted).unwrap_or_default();
    let World {
        stores,
        writes,
        reordered,
        shape,
        storage,
        ..
    } = world;
    storage.is_known_by(&noted);
    for (name, store) in stores {
        // What is said of a storage that was set back since counts no more.
        let scope_of = |namespace: &str| {
            shape
                .scope_of(namespace)
                .filter(|scope| !storage.is_set_back(scope))
        };
        let noted = |namespace: &str| {
            noted
                .get(&(name.clone(), scope_of(namespace)?.to_owned()))
                .copied()
        };
        let explained: Vec<u64> = store
            .stored
            .iter()
            .copied()
            .filter(|serial| {
                let write = &writes[usize::try_from(*serial).unwrap()];
                noted(write.namespace).is_none_or(|noted| write.version > noted)
            })
            .collect();
        let each: std::collections::HashSet<u64> = explained.into_iter().collect();
        each.into_iter()
            .for_each(|serial| *store.explained.entry(serial).or_default() += 1);
        store.places.retain(|(at, _), _| *at != replica);
    }
    reordered.extend(writes.iter().map(|write| write.uid.clone()));
}

/// A page on which there is a row is overwritten.
fn damage(world: &mut World, replica: usize) {
    let folder = world.folders[replica].clone();
    let Ok(rows) = Reader::open(&folder).and_then(|reader| reader.read(0, 10_000, usize::MAX))
    else {
        return;
    };
    if rows.is_empty() {
        return;
    }
    world.rows.extend(
        rows.iter()
            .filter_map(|row| Some((row.position, super::verdict::serial(&row.raw)?))),
    );
    let row = &rows[usize::try_from(world.random.below(rows.len() as u64)).unwrap()];
    let file = folder.join(FILE);
    let bytes = std::fs::read(&file).unwrap();
    let text = row.raw.as_bytes();
    let Some(place) = bytes.windows(text.len()).position(|window| window == text) else {
        return;
    };
    let page = place / 4096 * 4096;
    if page == 0 {
        return;
    }
    let offset = page + usize::try_from(world.random.below(3_584)).unwrap();
    world.tell(format!(
        "512 bytes are overwritten at {offset}, near place {} of the journal",
        row.position
    ));
    world.because(Cause::Damaged);
    let mut file = std::fs::File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(offset as u64)).unwrap();
    file.write_all(&[0xff; 512]).unwrap();
}
