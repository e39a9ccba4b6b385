//! Before anything is watched: is the journal this cluster's?

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::cluster::{self, Seldom};
use crate::journal::Journal;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes sure that the journal is this cluster's; tries again while the API server can't be
/// reached.
pub(super) async fn bind(client: &cluster::Client, journal: &Journal) -> anyhow::Result<()> {
    let (mut pause, mut seldom) = (Duration::from_millis(200), Seldom::default());
    loop {
        let asked = timeout(PATIENCE, client.cluster_uid())
            .await
            .unwrap_or_else(|_| Err(cluster::Error::silent(PATIENCE)));
        if let (Ok(_), Some((time, times))) = (&asked, seldom.over()) {
            info!(
                times,
                seconds = time.as_secs(),
                "The API server answers: beginning."
            );
        }
        match asked {
            Ok(Some(uid)) => return Ok(journal.bind(&uid).await?),
            Ok(None) => return Ok(()),
            Err(why @ cluster::Error::Forbidden { .. }) => {
                warn!(
                    "The uid of the namespace kube-system can't be read, so a journal of another cluster would not be noticed: {why}"
                );
                return Ok(());
            }
            Err(why) if why.is_fatal() => return Err(why.into()),
            Err(why) => {
                pause = pause.max(why.after());
                if let Some(times) = seldom.fails("bind") {
                    warn!(times, "Cannot begin yet: {why}. Trying again.");
                }
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}
