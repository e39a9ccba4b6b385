//! When an instance is replaced by a fresh one between batches, and when a sink is to rest. Pure.

use std::time::Duration;

/// The longest life of an instance.
const AGE: Duration = Duration::from_secs(6 * 3600);
/// The most batches of an instance.
const BATCHES: u32 = 100_000;
/// The longest rest of a sink that burns its time.
const REST: Duration = Duration::from_secs(300);

/// What an instance has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wear {
    /// Since it was opened.
    pub age: Duration,
    /// Batches that it was handed.
    pub batches: u32,
    /// Bytes of memory that it has.
    pub memory: usize,
    /// Bytes of memory that it had when it was opened.
    pub fresh: usize,
}

impl Wear {
    /// Whether a fresh one should serve: languages with a heap of their own may leak, and never
    /// give memory back. An instance has grown too much when it has used up three quarters of what
    /// it was left with when it opened.
    pub(super) fn is_over(&self, memory_limit: usize) -> bool {
        let room = memory_limit.saturating_sub(self.fresh);
        let grown = self.memory.saturating_sub(self.fresh);
        self.age >= AGE || self.batches >= BATCHES || (room > 0 && grown > room / 4 * 3)
    }
}

/// How long a sink rests that has computed until its time was over, `burnt` times in a row; none
/// after the first time, which an event may be to blame for.
pub(super) fn rest(burnt: u32, limit: Duration) -> Option<Duration> {
    let times = burnt.checked_sub(1).filter(|times| *times > 0)?;
    Some(limit.saturating_mul(1 << (times - 1).min(16)).min(REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_replaced_by_age_count_and_growth() {
        let (limit, young) = (
            64 << 20,
            Wear {
                age: Duration::ZERO,
                batches: 1,
                memory: 20 << 20,
                fresh: 16 << 20,
            },
        );
        for (wear, over) in [
            (young, false),
            (Wear { age: AGE, ..young }, true),
            (
                Wear {
                    batches: BATCHES,
                    ..young
                },
                true,
            ),
            (
                Wear {
                    memory: 51 << 20,
                    ..young
                },
                false,
            ),
            (
                Wear {
                    memory: 53 << 20,
                    ..young
                },
                true,
            ),
            // One that opens with all of its memory can't grow.
            (
                Wear {
                    memory: 64 << 20,
                    fresh: 64 << 20,
                    ..young
                },
                false,
            ),
        ] {
            assert_eq!(wear.is_over(limit), over, "{wear:?}");
        }
    }

    #[test]
    fn a_sink_that_burns_its_time_again_and_again_rests_for_minutes() {
        let minute = Duration::from_secs(60);
        let rests: Vec<_> = (0..6)
            .map(|burnt| rest(burnt, minute).map_or(0, |rest| rest.as_secs()))
            .collect();
        assert_eq!(rests, [0, 0, 60, 120, 240, 300]);
        assert_eq!(rest(u32::MAX, minute), Some(REST));
        assert_eq!(
            rest(5, Duration::from_millis(300)),
            Some(Duration::from_millis(2_400))
        );
    }
}
