//! A destination with moods.

use std::sync::Arc;
use std::time::Duration;

use kubedl_events::relay::{Attempt, Cause, Destination, Failure, Item, Limits, Outcome};
use tokio::time::sleep;

use super::bugs::Bug;
use super::world::{Nature, Shared, World, lock};

/// As many tries as `relay::Policy` has, and half as many.
const OFTEN: u32 = 9;

/// Events a batch.
pub const BATCH: usize = 8;

pub struct Sink {
    pub world: Shared,
    pub name: String,
    /// Whose.
    pub replica: usize,
}

/// The write that an item is.
fn serial(item: &Item) -> u64 {
    item.event.message.parse().unwrap()
}

impl Sink {
    fn store(&self, items: &[Arc<Item>]) {
        let mut world = lock(&self.world);
        let reversed = world.has(Bug::ReversedBatch);
        let store = world.stores.get_mut(&self.name).unwrap();
        for item in items {
            store.stored.push(serial(item));
            store
                .places
                .insert((self.replica, item.position), serial(item));
        }
        if reversed {
            let from = store.stored.len() - items.len();
            store.stored[from..].reverse();
        }
    }

    fn ambiguous(&self, items: &[Arc<Item>], what: &str) {
        let mut world = lock(&self.world);
        world.tell(format!("destination {}: {what}", self.name));
        let store = world.stores.get_mut(&self.name).unwrap();
        for item in items {
            *store.explained.entry(serial(item)).or_default() += 1;
        }
    }

    fn nature(&self, item: &Item) -> Nature {
        lock(&self.world).writes[usize::try_from(serial(item)).unwrap()].nature
    }

    /// What was sent to here before must be said to have been, or a sink that asks its destination
    /// about copies makes some.
    fn check(&self, attempt: Attempt, items: &[Arc<Item>]) {
        let mut world = lock(&self.world);
        let told = attempt.maybe_sent && !(attempt.number == 0 && world.has(Bug::SureAfterStall));
        let led_from = world.led_from[self.replica];
        let store = world.stores.get_mut(&self.name).unwrap();
        let is_again = |item: &&Arc<Item>| {
            store.places.get(&(self.replica, item.position)) == Some(&serial(item))
                || (item.position <= led_from && store.stored.contains(&serial(item)))
        };
        let again = items.iter().find(is_again);
        if let Some(item) = again.filter(|_| !told) {
            let words = format!(
                "{} at place {} is there already, and comes as one that was never sent ({attempt:?})",
                serial(item),
                item.position
            );
            store.misled.get_or_insert(words);
        }
    }

    /// What failed often may come after later ones of its object, one of which was sent to show
    /// whether the destination is down.
    fn fail(&self, items: &[Arc<Item>]) {
        let mut world = lock(&self.world);
        let World { stores, writes, .. } = &mut *world;
        let store = stores.get_mut(&self.name).unwrap();
        for item in items {
            let times = store.failed.entry(serial(item)).or_default();
            *times += 1;
            if *times >= OFTEN
                || writes[usize::try_from(serial(item)).unwrap()].nature == Nature::Failing
            {
                store.displaced.insert(serial(item));
            }
        }
    }

    /// What is sent while it is well, or while nothing says otherwise.
    fn take(&self, items: &[Arc<Item>], mood: u64) -> Outcome {
        // Long: one arm a case.
        if mood.is_multiple_of(2)
            && items
                .iter()
                .any(|item| self.nature(item) == Nature::Failing)
        {
            return Outcome::Retry {
                reason: "500".to_owned(),
                after: None,
            };
        }
        let refused: Vec<usize> = (0..items.len())
            .filter(|index| self.nature(&items[*index]) == Nature::Refused)
            .collect();
        if !refused.is_empty() && mood.is_multiple_of(2) {
            return Outcome::Refused {
                reason: "one of them is bad".to_owned(),
            };
        }
        match mood {
            1 => {
                return Outcome::Retry {
                    reason: "busy".to_owned(),
                    after: Some(Duration::from_secs(3)),
                };
            }
            3 => {
                self.store(items);
                self.ambiguous(items, "stored, but the answer was lost");
                return Outcome::Retry {
                    reason: "connection reset".to_owned(),
                    after: None,
                };
            }
            5 => return broken("trap", false, Cause::Sink),
            7 => {
                self.store(items);
                self.ambiguous(items, "stored, and then it broke");
                return broken("trap", true, Cause::Sink);
            }
            _ => {}
        }
        let busy = if mood % 10 == 9 {
            items.len() / 2
        } else {
            usize::MAX
        };
        let failure = |index: usize, retryable| Failure {
            index,
            retryable,
            after: None,
            reason: "not this one".to_owned(),
        };
        let failures: Vec<Failure> = (0..items.len())
            .filter_map(|index| {
                if refused.contains(&index) {
                    return Some(failure(index, false));
                }
                (index == busy || self.nature(&items[index]) == Nature::Failing)
                    .then(|| failure(index, true))
            })
            .collect();
        let is_good = |index: usize| failures.iter().all(|failure| failure.index != index);
        let good: Vec<Arc<Item>> = items
            .iter()
            .enumerate()
            .filter(|(index, _)| is_good(*index))
            .map(|(_, item)| item.clone())
            .collect();
        let named = failures
            .iter()
            .filter(|failure| failure.retryable)
            .map(|failure| serial(&items[failure.index]));
        lock(&self.world)
            .stores
            .get_mut(&self.name)
            .unwrap()
            .displaced
            .extend(named);
        self.store(&good);
        Outcome::Stored(failures)
    }
}

fn broken(reason: &str, maybe_sent: bool, cause: Cause) -> Outcome {
    Outcome::Broken {
        reason: reason.to_owned(),
        maybe_sent,
        cause,
        after: None,
    }
}

impl Destination for Sink {
    fn limits(&self) -> Limits {
        Limits {
            events: BATCH,
            bytes: usize::MAX,
        }
    }

    async fn open(&mut self) -> Outcome {
        Outcome::Stored(Vec::new())
    }

    async fn save(&mut self, attempt: Attempt, items: &[Arc<Item>]) -> Outcome {
        self.check(attempt, items);
        let outcome = self.answer(items).await;
        if matches!(
            outcome,
            Outcome::Retry { .. }
                | Outcome::Broken {
                    cause: Cause::Waiting,
                    ..
                }
        ) {
            self.fail(items);
        }
        outcome
    }

    async fn close(&mut self) {}
}

impl Sink {
    async fn answer(&self, items: &[Arc<Item>]) -> Outcome {
        let (latency, down, mood, bug) = {
            let mut world = lock(&self.world);
            let mood = if world.calm {
                100
            } else {
                world.random.below(100)
            };
            (
                world.random.below(50),
                world.stores[&self.name].down,
                mood,
                world.bug,
            )
        };
        if bug == Some(Bug::CursorBeforeOk) && mood < 50 {
            // Says so at once, and then loses it.
            return Outcome::Stored(Vec::new());
        }
        sleep(Duration::from_millis(latency)).await;
        if down {
            return match mood % 3 {
                _ if bug == Some(Bug::PoisonOnOutage) => {
                    broken("no connection", false, Cause::Sink)
                }
                0 => Outcome::Retry {
                    reason: "down".to_owned(),
                    after: None,
                },
                1 => {
                    sleep(Duration::from_secs(10)).await;
                    broken("took too long", true, Cause::Waiting)
                }
                _ => Outcome::Misconfigured {
                    reason: "the key was revoked".to_owned(),
                },
            };
        }
        if items.iter().any(|item| self.nature(item) == Nature::Poison) {
            return broken("trap", false, Cause::Sink);
        }
        self.take(items, mood)
    }
}
