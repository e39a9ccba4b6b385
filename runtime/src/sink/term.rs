//! Until when a sink may send.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The time for which a sink may send: for ever, or as long as somebody goes on prolonging it.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Term(Option<watch::Receiver<Instant>>);

impl Term {
    /// Without an end.
    pub fn endless() -> Self {
        Self(None)
    }

    /// Until the time in the channel, which may be moved for as long as it has not come.
    pub fn until(end: watch::Receiver<Instant>) -> Self {
        Self(Some(end))
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|end| *end.borrow() <= Instant::now())
    }

    /// Waits until its time is over.
    pub async fn over(&self) {
        let Some(mut end) = self.0.clone() else {
            return std::future::pending().await;
        };
        loop {
            let until = *end.borrow_and_update();
            if until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(until) => {}
                moved = end.changed() => if moved.is_err() {
                    // Nobody can move it any more.
                    return sleep_until(until).await;
                },
            }
        }
    }
}
