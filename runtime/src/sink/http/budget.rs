//! How much a sink may send a minute: a bucket of requests and one of bytes, each of which a minute
//! fills. Pure.

use std::fmt;
use std::time::{Duration, Instant};

/// The time that fills an empty bucket.
const MINUTE: Duration = Duration::from_secs(60);

/// What is left to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    requests: Bucket,
    bytes: Bucket,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    most: f64,
    left: f64,
}

/// There is not enough left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    requests: u64,
    bytes: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, bytes } = self;
        write!(
            f,
            "the sink has sent what it may in a minute, {requests} requests and {} MiB (limits.requests-per-minute and limits.bytes-per-minute of its grant)",
            bytes >> 20
        )
    }
}

impl Bucket {
    fn full(most: u64) -> Self {
        Self {
            most: most as f64,
            left: most as f64,
        }
    }

    fn fill(&mut self, time: Duration) {
        self.left =
            (self.left + self.most * time.as_secs_f64() / MINUTE.as_secs_f64()).min(self.most);
    }
}

impl Budget {
    pub(super) fn new(requests: u64, bytes: u64, now: Instant) -> Self {
        Self {
            requests: Bucket::full(requests),
            bytes: Bucket::full(bytes),
            at: now,
        }
    }

    /// Takes a request with so many bytes out. One that is larger than a whole bucket goes when
    /// that is full, so that it goes at all.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> Result<(), Spent> {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        self.requests.fill(passed);
        self.bytes.fill(passed);
        let bytes = (bytes as f64).min(self.bytes.most);
        if self.requests.left < 1.0 || self.bytes.left < bytes {
            return Err(Spent {
                requests: self.requests.most as u64,
                bytes: self.bytes.most as u64,
            });
        }
        self.requests.left -= 1.0;
        self.bytes.left -= bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_fills_what_was_spent_and_no_more() {
        let began = Instant::now();
        let mut budget = Budget::new(60, 1 << 20, began);
        for _ in 0..60 {
            assert_eq!(budget.take(10, began), Ok(()));
        }
        assert!(budget.take(10, began).is_err());
        assert!(budget.take(10, began + Duration::from_millis(999)).is_err());
        assert_eq!(
            budget.take(10, began + Duration::from_millis(1_001)),
            Ok(())
        );
        let later = began + Duration::from_secs(3_600);
        assert_eq!(
            (0..100).filter(|_| budget.take(10, later).is_ok()).count(),
            60
        );
    }

    #[test]
    fn bytes_count_beside_requests_and_one_large_body_goes_when_all_is_there() {
        let began = Instant::now();
        let mut budget = Budget::new(1_000, 1 << 20, began);
        assert_eq!(budget.take(1 << 19, began), Ok(()));
        let spent = budget
            .take(1 << 20, began)
            .err()
            .map(|spent| spent.to_string())
            .unwrap_or_default();
        assert!(spent.contains("1000 requests and 1 MiB"), "{spent}");
        assert_eq!(
            budget.take(5 << 20, began + Duration::from_secs(31)),
            Ok(())
        );
        // A clock that goes back gives nothing.
        assert!(budget.take(1, began).is_err());
    }
}
