//! Whether a loop still turns.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Between two beats of a thread.
const BEAT: Duration = Duration::from_secs(1);

/// When a loop, or the thread that it runs on, last turned. It is young when it is made.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// Milliseconds since `began`.
    last: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
        }
    }
}

impl Pulse {
    /// It turns.
    pub fn beat(&self) {
        self.last.store(
            u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Since it last turned.
    pub fn age(&self) -> Duration {
        self.began
            .elapsed()
            .saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }

    /// Beats for as long as the thread that polls it is free to: beside a future that waits for
    /// others, however long, it says that the thread itself is well.
    pub async fn keep(&self) -> Infallible {
        loop {
            self.beat();
            sleep(BEAT).await;
        }
    }
}
