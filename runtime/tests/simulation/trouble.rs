//! What happens outside while the service runs.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::service::standing;
use super::world::{Shared, World, lock};

/// How long the world misbehaves.
const TROUBLE: Duration = Duration::from_secs(60);

pub async fn trouble(world: &Shared, folder: &Path) {
    // A first list shows no event in a version that was replaced before it, so nothing is written before the first checkpoint.
    loop {
        sleep(Duration::from_millis(20)).await;
        if standing(&mut lock(world), folder).iter().all(|(_, committed, _)| *committed > 0) {
            break;
        }
    }
    let until = tokio::time::Instant::now() + TROUBLE;
    while tokio::time::Instant::now() < until {
        let wait = lock(world).random.below(300);
        sleep(Duration::from_millis(wait)).await;
        let mut world = lock(world);
        world.expire();
        happen(&mut world, folder);
    }
}

fn happen(world: &mut World, folder: &Path) {
    match world.random.below(400) {
        0..=7 => {
            let seen = seen(world, folder);
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
            let place = usize::try_from(world.random.below(world.shape.sinks.len() as u64)).unwrap();
            let name = world.shape.sinks[place].clone();
            let store = world.stores.get_mut(&name).unwrap();
            store.down = !store.down;
            let down = store.down;
            world.tell(format!("destination {name} {}", if down { "down" } else { "up" }));
        }
        36..=39 => world.back_up(),
        40..=43 => {
            let (standing, seen) = (standing(world, folder), seen(world, folder));
            world.restore(&standing, seen);
        }
        44..=55 => world.bookmark(),
        56..=57 => {
            let seen = seen(world, folder);
            world.delete_by_hand(seen);
        }
        58..=59 => {
            world.short_watches = !world.short_watches;
            let short = world.short_watches;
            if short {
                world.cut("closed");
            }
            world.tell(if short { "watches end at once" } else { "watches stay open" });
        }
        _ => world.write(),
    }
}

/// The resource version up to which the service has surely seen everything, and will know so after the loss of its disk.
fn seen(world: &mut World, folder: &Path) -> u64 {
    let committed = standing(world, folder).iter().map(|(_, committed, _)| *committed).min().unwrap_or(0);
    if !world.shape.loses_disks {
        return committed;
    }
    let of = |name: &String, key: &str| world.lease.as_ref()?.0.get(name)?.get(key)?.resource_version.parse::<u64>().ok();
    let noted = world.shape.sinks.iter().flat_map(|name| world.shape.scopes.iter().map(move |scope| of(name, scope.key()).unwrap_or(0)));
    noted.min().unwrap_or(0).min(committed)
}
