//! When events that are held back are tried again.

use std::time::Duration;

use tokio::time::Instant;

/// Between two tries of what is held back: at first, and at most; twice as long each time.
const ROUNDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// When events that are held back are tried again.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) next: Instant,
    wait: Duration,
    /// Whether something else was stored since the last round: without that the destination is
    /// down, and nothing is given up.
    pub(super) others_stored: bool,
    /// Whether there may be any.
    pub(super) any: bool,
}

impl Rounds {
    pub(super) fn new() -> Self {
        Self {
            next: Instant::now() + ROUNDS.0,
            wait: ROUNDS.0,
            others_stored: false,
            any: true,
        }
    }

    /// There is a new one.
    pub(super) fn begin(&mut self) {
        *self = Self {
            others_stored: self.others_stored,
            ..Self::new()
        };
    }

    /// A round is over; `any`: whether it had some.
    pub(super) fn later(&mut self, any: bool) {
        self.wait = (self.wait * 2).min(ROUNDS.1);
        (self.next, self.any, self.others_stored) = (Instant::now() + self.wait, any, false);
    }

    /// Whether it is time.
    pub(super) fn due(&self) -> bool {
        self.any && Instant::now() >= self.next
    }
}
