//! How often a number was how large.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts of observations, by upper bounds that are fixed.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last is of what lies above them all.
    counts: Vec<AtomicU64>,
    /// In thousandths.
    sum: AtomicU64,
}

/// A histogram as it was at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Each upper bound, with how many observations were not above it.
    pub buckets: Vec<(f64, u64)>,
    /// All observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, value: f64) {
        let place = self
            .bounds
            .iter()
            .position(|bound| value <= *bound)
            .unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum
            .fetch_add((value * 1_000.0).round().max(0.0) as u64, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counted(&self) -> Counted {
        let mut count = 0;
        let mut buckets = Vec::new();
        for (place, one) in self.counts.iter().enumerate() {
            count += one.load(Ordering::Relaxed);
            buckets.extend(self.bounds.get(place).map(|bound| (*bound, count)));
        }
        Counted {
            buckets,
            count,
            sum: self.sum.load(Ordering::Relaxed) as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_counts_in_each_bucket_that_is_not_below_it() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for value in [0.5, 1.0, 2.0, 11.0] {
            histogram.observe(value);
        }
        assert_eq!(
            histogram.counted(),
            Counted {
                buckets: vec![(1.0, 2), (10.0, 3)],
                count: 4,
                sum: 14.5
            }
        );
    }
}
