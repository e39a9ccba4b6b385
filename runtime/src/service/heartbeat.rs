//! `--heartbeat`: proves that the watch sees what is written, measures its lag, and has a watch
//! opened again that doesn't.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use crate::cluster::{Client, Error, Seldom, is_before};
use crate::journal::Journal;

/// How long the watch may take to show a beat.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long writing may take; the next try has a connection of its own.
const WRITE: Duration = Duration::from_secs(10);
/// Between two looks at the checkpoint.
const LOOK: Duration = Duration::from_millis(100);
/// Between two tries where the right is missing.
const FORBIDDEN: Duration = Duration::from_secs(600);

/// Where and how often it beats.
pub(super) struct Heartbeat {
    pub client: Client,
    pub namespace: String,
    /// Name of the event.
    pub name: String,
    /// The scope whose watch must show it.
    pub scope: String,
    pub interval: Duration,
    pub journal: Journal,
    /// Changed when the watch is to be opened again.
    pub reopen: watch::Sender<u64>,
}

impl Heartbeat {
    /// Beats for ever.
    pub(super) async fn run(self) {
        let (mut count, mut ill) = (0, false);
        let (mut forbidden, mut unseen) = (Seldom::default(), Seldom::default());
        loop {
            count += 1;
            let written =
                timeout(WRITE, self.client.beat(&self.namespace, &self.name, count)).await;
            let pause = match written
                .unwrap_or_else(|_| Err(Error::Unreachable("no answer".to_owned())))
            {
                Ok(version) => {
                    let _ = forbidden.over();
                    ill = !self.seen(&version, ill, &mut unseen).await;
                    self.interval
                }
                Err(Error::Forbidden { message, .. }) => {
                    if let Some(times) = forbidden.fails("forbidden") {
                        warn!(
                            times,
                            "--heartbeat can't write its event: {message}. A Role in the namespace {} with this rule gives it:\n  \
                             - apiGroups: [\"\"]\n    resources: [\"events\"]\n    verbs: [\"create\", \"patch\"]",
                            self.namespace
                        );
                    }
                    FORBIDDEN
                }
                Err(why) => {
                    debug!("No heartbeat: {why}.");
                    self.interval
                }
            };
            sleep(pause).await;
        }
    }

    /// Waits until the journal has come as far as a beat; has the watch opened again when it
    /// doesn't.
    async fn seen(&self, version: &str, ill: bool, unseen: &mut Seldom) -> bool {
        let began = Instant::now();
        let come = async {
            loop {
                let reached = self.journal.checkpoint(&self.scope).await.ok().flatten();
                if reached.is_some_and(|reached| {
                    is_before(&reached.resource_version, version) == Some(false)
                }) {
                    return;
                }
                sleep(LOOK).await;
            }
        };
        if timeout(PATIENCE.min(self.interval), come).await.is_ok() {
            let lag_ms = began.elapsed().as_millis() as u64;
            if ill && unseen.over().is_some() {
                info!(lag_ms, "The watch sees what is written again.");
            }
            debug!(lag_ms, "Heartbeat seen.");
            return true;
        }
        let waited_ms = began.elapsed().as_millis() as u64;
        if let Some(times) = unseen.fails("unseen") {
            warn!(
                waited_ms,
                times, "The watch does not show an event that was written: it is opened again."
            );
        }
        self.reopen.send_modify(|times| *times += 1);
        false
    }
}
