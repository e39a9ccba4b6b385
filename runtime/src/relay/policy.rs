//! How patient the relay is.

use std::time::Duration;

/// How patient the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The wait after the first failure; doubled at each further one.
    pub first_wait: Duration,
    /// The longest wait of its own accord.
    pub longest_wait: Duration,
    /// The longest wait of its own accord while it is found out whether an event is to blame: all
    /// others wait for that.
    pub probing_wait: Duration,
    /// The longest wait that a destination can ask for.
    pub longest_asked: Duration,
    /// The wait after `misconfigured`, and of a sink that stalls.
    pub misconfigured_wait: Duration,
    /// Tries of what is not stored, until it is found out whether an event is to blame.
    pub tries: u32,
    /// How long an event that is held back is tried again, while others are stored; then it is a
    /// dead letter.
    pub give_up_after: Duration,
    /// Fresh instances that an event breaks alone until it is a suspect.
    pub kills: u32,
    /// Suspects in a row, without an event stored between, that make it the sink's fault.
    pub suspects: usize,
    /// Events refused in a row, without one stored between, that make it the sink's fault.
    pub refusals: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(30),
            probing_wait: Duration::from_secs(3),
            longest_asked: Duration::from_secs(15 * 60),
            misconfigured_wait: Duration::from_secs(15),
            tries: 6,
            give_up_after: Duration::from_secs(3600),
            kills: 3,
            suspects: 8,
            refusals: 16,
        }
    }
}

impl Policy {
    /// The longest wait after so many tries that stored nothing. A destination that is down for
    /// long is asked less often.
    pub(super) fn longest_wait_after(&self, failed: u32) -> Duration {
        const PROBED: u32 = 20;
        let is_found_out = failed >= self.tries && failed < self.often() * PROBED;
        if is_found_out {
            self.probing_wait.min(self.longest_wait)
        } else {
            self.longest_wait
        }
    }

    /// Tries of an event until a later one of its object may be sent before it.
    pub(super) fn often(&self) -> u32 {
        (self.tries + self.tries / 2).max(1)
    }
}
