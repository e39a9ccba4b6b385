//! A destination is opened for the first time.

use tokio::sync::watch;
use tracing::warn;

use crate::cluster::Seldom;

use super::destination::{Destination, Outcome};
use super::error::Error;
use super::options::Options;
use super::run::pause;

/// Opens a destination for the first time: tries again for as long as it asks for, and fails where
/// waiting can't heal. Calls `waits`, with the reason, when it takes longer.
pub async fn open<D: Destination>(
    destination: &mut D,
    options: &Options,
    stop: &mut watch::Receiver<bool>,
    mut waits: impl FnMut(&str),
) -> Result<(), Error> {
    let (mut wait, mut seldom) = (options.policy.first_wait, Seldom::default());
    loop {
        let opened = tokio::select! {
            biased;
            opened = destination.open() => opened,
            // Nothing is in flight.
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let reason = match opened {
            Outcome::Stored(_) => return Ok(()),
            Outcome::Misconfigured { reason } | Outcome::Refused { reason } => {
                return Err(Error::NotOpened {
                    sink: options.sink.clone(),
                    reason,
                });
            }
            Outcome::Retry { reason, after } | Outcome::Broken { reason, after, .. } => {
                wait = wait.max(after.unwrap_or_default().min(options.policy.longest_asked));
                reason
            }
        };
        if let Some(times) = seldom.fails("closed") {
            warn!(
                sink = options.sink,
                times,
                retry_in_ms = wait.as_millis() as u64,
                "The sink can't be opened yet: {reason}."
            );
        }
        waits(&reason);
        if pause(wait, stop).await {
            return Ok(());
        }
        wait = (wait * 2).min(options.policy.longest_wait);
    }
}
