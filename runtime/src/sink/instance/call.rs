//! A call of a guest, and how it breaks off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use crate::relay::{Cause, Outcome};
use crate::sink::Stats;
use crate::sink::component::cause;

use super::host::Conduct;

/// How a call broke off.
pub(super) struct Broke {
    reason: String,
    maybe_sent: bool,
    cause: Cause,
    /// The time that it burnt, if it computed until that was over.
    burnt: Option<Duration>,
    /// It ran out of time; else it trapped.
    late: bool,
}

impl Broke {
    /// The same, counted.
    pub(super) fn counted(self, stats: &Stats) -> Self {
        if self.late {
            stats.timed_out()
        } else {
            stats.trapped()
        }
        self
    }

    /// As the relay takes it.
    pub(super) fn into_outcome(self) -> Outcome {
        let Self {
            reason,
            maybe_sent,
            cause,
            burnt,
            ..
        } = self;
        Outcome::Broken {
            reason,
            maybe_sent,
            cause,
            after: burnt,
        }
    }
}

/// A call with its time-out, which ends a guest that computes (by epochs) as well as one that
/// waits.
pub(super) async fn within<T>(
    limit: Duration,
    conduct: &Conduct,
    what: &str,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Broke> {
    let result = timeout(limit, call).await;
    let maybe_sent = conduct.asked.load(Ordering::Relaxed);
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(why)) => Err(Broke {
            reason: format!("{what} ended with a trap: {}", cause(&why)),
            maybe_sent,
            cause: Cause::Sink,
            burnt: None,
            late: false,
        }),
        Err(_) => {
            let waiting = conduct.waited() * 2 > limit;
            let place = if waiting {
                ", waiting for the destination"
            } else {
                ""
            };
            let cause = if waiting { Cause::Waiting } else { Cause::Sink };
            let burnt = conduct.computed(limit).then_some(limit);
            Err(Broke {
                reason: format!("{what} took longer than {} ms{place}", limit.as_millis()),
                maybe_sent,
                cause,
                burnt,
                late: true,
            })
        }
    }
}
