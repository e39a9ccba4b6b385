//! What happens outside while the service runs.

use std::time::Duration;

use tokio::time::sleep;

use super::lease::Lease;
use super::service::{committed, standing};
use super::world::{Shared, World, lock};

/// How long the world misbehaves.
const TROUBLE: Duration = Duration::from_secs(60);

pub async fn trouble(world: &Shared) {
    // A first list shows no event in a version that was replaced before it, so nothing is written
    // before the first checkpoint.
    loop {
        sleep(Duration::from_millis(100)).await;
        if committed(&mut lock(world)) > 0 {
            break;
        }
    }
    let until = tokio::time::Instant::now() + TROUBLE;
    while tokio::time::Instant::now() < until {
        let wait = lock(world).random.below(300);
        sleep(Duration::from_millis(wait)).await;
        let mut world = lock(world);
        world.expire();
        happen(&mut world);
    }
}

fn happen(world: &mut World) {
    // Long: one arm a case.
    match world.random.below(400) {
        0..=7 => {
            let seen = seen(world);
            world.compact(seen);
        }
        8..=11 => world.cut("closed"),
        12..=15 => world.cut("broken"),
        16..=19 => world.stall(),
        20..=23 => {
            world.api_down = !world.api_down;
            let down = world.api_down;
            if down {
                world.cut("broken");
            }
            world.tell(format!("API server {}", if down { "down" } else { "up" }));
        }
        24..=35 => {
            let place =
                usize::try_from(world.random.below(world.shape.sinks.len() as u64)).unwrap();
            let name = world.shape.sinks[place].clone();
            let store = world.stores.get_mut(&name).unwrap();
            store.down = !store.down;
            let down = store.down;
            world.tell(format!(
                "destination {name} {}",
                if down { "down" } else { "up" }
            ));
        }
        36..=39 => world.back_up(),
        // What several know of a storage that was set back is another story.
        40..=43 if world.shape.replicas == 1 => {
            let (standing, seen) = (standing(world), seen(world));
            world.restore(&standing, seen);
        }
        44..=55 => world.bookmark(),
        56..=57 if world.shape.replicas == 1 => {
            let seen = seen(world);
            world.delete_by_hand(seen);
        }
        58..=59 => {
            world.short_watches = !world.short_watches;
            let short = world.short_watches;
            if short {
                world.cut("closed");
            }
            world.tell(if short {
                "watches end at once"
            } else {
                "watches stay open"
            });
        }
        60..=63 if world.shape.replicas > 1 => {
            let replica = usize::try_from(world.random.below(world.shape.replicas as u64)).unwrap();
            if !world.cut_off.remove(&replica) {
                world.cut_off.insert(replica);
            }
            let cut_off = world.cut_off.clone();
            world.tell(format!("cut off from the API server: {cut_off:?}"));
        }
        _ => world.write(),
    }
}

/// The resource version up to which the service has surely seen everything, and will know so after
/// the loss of its disk.
fn seen(world: &mut World) -> u64 {
    let committed = committed(world);
    if !world.shape.loses_disks {
        return committed;
    }
    let noted = world.lease.as_ref().map(Lease::noted).unwrap_or_default();
    let of = |name: &String, key: &str| {
        noted
            .get(&(name.clone(), key.to_owned()))
            .copied()
            .unwrap_or(0)
    };
    let all = world.shape.sinks.iter().flat_map(|name| {
        world
            .shape
            .scopes
            .iter()
            .map(move |scope| of(name, scope.key()))
    });
    all.min().unwrap_or(0).min(committed)
}
