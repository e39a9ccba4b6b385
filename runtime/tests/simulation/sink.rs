//! A destination with moods.

use std::sync::Arc;
use std::time::Duration;

use kubedl_events::relay::{Attempt, Cause, Destination, Failure, Item, Limits, Outcome};
use tokio::time::sleep;

use super::world::{Bug, Nature, Shared, lock};

/// Events a batch.
pub const BATCH: usize = 8;

pub struct Sink(pub Shared);

/// The write that an item is.
fn serial(item: &Item) -> u64 {
    item.event.message.parse().unwrap()
}

impl Sink {
    fn store(&self, items: &[Arc<Item>]) {
        let mut world = lock(&self.0);
        for item in items {
            let serial = serial(item);
            world.stored.push(serial);
        }
    }

    fn ambiguous(&self, copies: usize, what: &str) {
        let mut world = lock(&self.0);
        world.tell(format!("destination: {what}"));
        world.allowed_doubles += copies as u64;
    }

    fn nature(&self, item: &Item) -> Nature {
        lock(&self.0).writes[usize::try_from(serial(item)).unwrap()].nature
    }
}

fn broken(reason: &str, maybe_sent: bool, cause: Cause) -> Outcome {
    Outcome::Broken { reason: reason.to_owned(), maybe_sent, cause, after: None }
}

impl Destination for Sink {
    fn limits(&self) -> Limits {
        Limits { events: BATCH, bytes: usize::MAX }
    }

    async fn open(&mut self) -> Outcome {
        Outcome::Stored(Vec::new())
    }

    async fn save(&mut self, _: Attempt, items: &[Arc<Item>]) -> Outcome {
        let (latency, down, mood, bug) = {
            let mut world = lock(&self.0);
            let mood = if world.calm { 100 } else { world.random.below(100) };
            (world.random.below(50), world.sink_down, mood, world.bug)
        };
        if bug == Some(Bug::CursorBeforeOk) && mood < 50 {
            // Says so at once, and then loses it.
            return Outcome::Stored(Vec::new());
        }
        sleep(Duration::from_millis(latency)).await;
        if down {
            return match mood % 3 {
                _ if bug == Some(Bug::PoisonOnOutage) => broken("no connection", false, Cause::Sink),
                0 => Outcome::Retry { reason: "down".to_owned(), after: None },
                1 => {
                    sleep(Duration::from_secs(10)).await;
                    broken("took too long", true, Cause::Waiting)
                }
                _ => Outcome::Misconfigured { reason: "the key was revoked".to_owned() },
            };
        }
        if items.iter().any(|item| self.nature(item) == Nature::Poison) {
            return broken("trap", false, Cause::Sink);
        }
        let refused: Vec<usize> = (0..items.len()).filter(|index| self.nature(&items[*index]) == Nature::Refused).collect();
        if !refused.is_empty() && mood % 2 == 0 {
            return Outcome::Refused { reason: "one of them is bad".to_owned() };
        }
        match mood {
            1 => Outcome::Retry { reason: "busy".to_owned(), after: Some(Duration::from_secs(3)) },
            3 => {
                self.store(items);
                self.ambiguous(items.len(), "stored, but the answer was lost");
                Outcome::Retry { reason: "connection reset".to_owned(), after: None }
            }
            5 => broken("trap", false, Cause::Sink),
            7 => {
                self.store(items);
                self.ambiguous(items.len(), "stored, and then it broke");
                broken("trap", true, Cause::Sink)
            }
            _ => {
                let busy = if mood % 10 == 9 { items.len() / 2 } else { usize::MAX };
                let failure = |index: usize, retryable| Failure { index, retryable, after: None, reason: "not this one".to_owned() };
                let failures: Vec<Failure> = (0..items.len())
                    .filter_map(|index| {
                        if refused.contains(&index) {
                            return Some(failure(index, false));
                        }
                        (index == busy).then(|| failure(index, true))
                    })
                    .collect();
                let good: Vec<Arc<Item>> =
                    items.iter().enumerate().filter(|(index, _)| failures.iter().all(|f| f.index != *index)).map(|(_, item)| item.clone()).collect();
                self.store(&good);
                Outcome::Stored(failures)
            }
        }
    }

    async fn close(&mut self) {}
}
