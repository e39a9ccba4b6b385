//! A world that is the same each time: for recording what a sink does, and playing it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// A reading moves the monotonic clock on by so many nanoseconds, so that a guest that waits for it
/// comes to an end.
const STEP: u64 = 1_000;

/// The clock and the randomness of a sink's instances. Clones share them.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Nanoseconds since 1970, as of the call that runs.
    clock: Arc<AtomicU64>,
    seed: u64,
    instances: Arc<AtomicU64>,
}

impl Conditions {
    /// Beginning at 1970, with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            clock: Arc::default(),
            seed,
            instances: Arc::default(),
        }
    }

    /// Sets the clock, in nanoseconds since 1970: guests read the same until it is set again.
    pub fn set_clock(&self, nanoseconds: u64) {
        self.clock.store(nanoseconds, Ordering::Relaxed);
    }

    /// Gives them to a new instance.
    pub(super) fn rule(&self, wasi: &mut WasiCtxBuilder) {
        let seed = self
            .seed
            .wrapping_add(self.instances.fetch_add(1, Ordering::Relaxed));
        wasi.secure_random(StdRng::seed_from_u64(seed))
            .insecure_random(StdRng::seed_from_u64(!seed))
            .insecure_random_seed(seed.into());
        wasi.wall_clock(Wall(self.clock.clone()))
            .monotonic_clock(Monotonic(AtomicU64::new(0)));
    }
}

struct Wall(Arc<AtomicU64>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

struct Monotonic(AtomicU64);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(STEP, Ordering::Relaxed)
    }
}
