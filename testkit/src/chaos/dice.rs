//! Chance that can be repeated: the same seed, the same throws.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
    /// Always the lowest number and the shortest time, for a run that has little time.
    lowest: bool,
}

impl Dice {
    /// Throws that follow from a seed.
    #[must_use]
    pub fn new(seed: u64, lowest: bool) -> Self {
        Self {
            state: seed,
            lowest,
        }
    }

    fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of the range.
    pub fn number(&mut self, range: RangeInclusive<u32>) -> u32 {
        let (low, high) = range.into_inner();
        let width = u64::from(high.saturating_sub(low)) + 1;
        let thrown = u32::try_from(self.throw() % width).unwrap_or(0);
        if self.lowest { low } else { low + thrown }
    }

    /// A time of the range, in milliseconds.
    pub fn time(&mut self, milliseconds: RangeInclusive<u32>) -> Duration {
        Duration::from_millis(self.number(milliseconds).into())
    }

    /// Another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.throw() % (last as u64 + 1)).unwrap_or(0);
            items.swap(last, other);
        }
    }
}
