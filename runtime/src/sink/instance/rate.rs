//! How much a sink may say. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// Lines at once, and a second: what a sane sink says when all goes wrong, and no more than a log
/// can bear.
const LINES: (f64, f64) = (500.0, 50.0);
/// Bytes at once, and a second.
const BYTES: (f64, f64) = (262_144.0, 65_536.0);
/// The drops of this time are said together.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A bucket of tokens for lines, one for bytes, and an account of what found them empty.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    lines: f64,
    bytes: f64,
    filled: Instant,
    told: Option<Instant>,
    dropped: Dropped,
}

/// What was not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl Rate {
    /// Full.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            lines: LINES.0,
            bytes: BYTES.0,
            filled: now,
            told: None,
            dropped: Dropped::default(),
        }
    }

    /// Whether a line of so many bytes may be said.
    pub(super) fn admits(&mut self, now: Instant, bytes: usize) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.lines = (self.lines + passed * LINES.1).min(LINES.0);
        self.bytes = (self.bytes + passed * BYTES.1).min(BYTES.0);
        let cost = bytes as f64;
        if self.lines < 1.0 || self.bytes < cost {
            self.dropped.lines += 1;
            self.dropped.bytes += bytes as u64;
            return false;
        }
        self.lines -= 1.0;
        self.bytes -= cost;
        true
    }

    /// What was dropped and has yet to be said; none while it was said a moment ago.
    pub(super) fn account(&mut self, now: Instant) -> Option<Dropped> {
        let soon = self
            .told
            .is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY);
        if soon || self.dropped == Dropped::default() {
            return None;
        }
        self.told = Some(now);
        Some(self.rest())
    }

    /// What was dropped and has yet to be said.
    pub(super) fn rest(&mut self) -> Dropped {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_burst_and_then_to_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let said = |rate: &mut Rate, now| (0..10_000).filter(|_| rate.admits(now, 10)).count();
        assert_eq!(said(&mut rate, start), 500);
        assert_eq!(said(&mut rate, start + Duration::from_secs(1)), 50);
        assert_eq!(said(&mut rate, start + Duration::from_secs(3600)), 500);
    }

    #[test]
    fn few_long_lines_are_a_flood_too() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert_eq!((0..100).filter(|_| rate.admits(start, 65_536)).count(), 4);
        assert!(!rate.admits(start + Duration::from_millis(500), 65_536));
        assert!(rate.admits(start + Duration::from_millis(1_100), 65_536));
    }

    #[test]
    fn what_is_dropped_is_said_at_once_and_then_every_ten_seconds() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert_eq!(rate.account(start), None);
        assert_eq!((0..501).filter(|_| rate.admits(start, 1)).count(), 500);
        assert_eq!(rate.account(start), Some(Dropped { lines: 1, bytes: 1 }));
        assert_eq!((0..7).filter(|_| rate.admits(start, 3)).count(), 0);
        assert_eq!(rate.account(start + Duration::from_secs(9)), None);
        assert_eq!(
            rate.account(start + Duration::from_secs(10)),
            Some(Dropped {
                lines: 7,
                bytes: 21
            })
        );
        assert_eq!(rate.account(start + Duration::from_secs(30)), None);
    }
}
