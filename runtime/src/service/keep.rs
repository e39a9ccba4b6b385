//! Without `--leader-elect` this process delivers all the time, and keeps in the Lease what is
//! delivered.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::cluster::lease::{self, Delivered, Elector};
use crate::cluster::{Error, Resume};
use crate::journal::Journal;

/// Becomes true when the work is to end.
pub type Closed = watch::Receiver<bool>;

/// Until the next try about the Lease: the usual time, or what the API server asks for, though not
/// so long that a holder could not try twice in its time.
pub(super) fn pause_after(why: &Error) -> Duration {
    lease::RETRY.max(why.after()).min(lease::DEADLINE / 2)
}

/// Between two tries where the right is missing.
const FORBIDDEN: Duration = Duration::from_secs(60);

/// Keeps in the Lease what is delivered, beside relays that run for ever.
pub(super) struct Keeper {
    closed: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn start(
        elector: Elector,
        journal: Journal,
        sinks: Vec<String>,
        scopes: Vec<String>,
    ) -> Self {
        let (closed, until) = watch::channel(false);
        Self {
            closed,
            task: tokio::spawn(keep(elector, journal, sinks, scopes, until)),
        }
    }

    /// To be called when the relays have ended: writes down what they delivered last, and gives the
    /// Lease back.
    pub(super) async fn release(self) {
        self.closed.send_replace(true);
        let _ = self.task.await;
    }
}

/// Keeps in the Lease what is delivered until it is closed, and gives it back then.
pub async fn keep(
    mut elector: Elector,
    journal: Journal,
    sinks: Vec<String>,
    scopes: Vec<String>,
    mut closed: Closed,
) {
    let (mut said, mut warned) = (false, false);
    while !*closed.borrow() {
        let ours = delivered(&journal, &sinks, &scopes).await;
        let result = elector.turn(&ours).await;
        let pause = match &result {
            Err(Error::Forbidden { .. }) => FORBIDDEN,
            Err(why) => pause_after(why),
            Ok(()) => lease::RETRY,
        };
        match result {
            Ok(()) => said = false,
            Err(why) if !said => {
                said = true;
                warn!(
                    "What is delivered is noted on this disk alone, not in the Lease: if the disk is lost now, the list is read again; what it still \
                     shows is stored twice, what it no longer shows may be missing. {why}"
                );
            }
            Err(why) => debug!("The Lease could not be kept: {why}."),
        }
        if let (None, Some((holder, true))) = (elector.leads_until(), elector.holder())
            && !warned
        {
            warned = true;
            warn!(
                holder,
                "Another process that lives holds the Lease: both deliver, and every event is stored twice. Stop one, start both with \
                 --leader-elect, or give each a --lease-name of its own."
            );
        }
        let _ = timeout(pause, closed.wait_for(|closed| *closed)).await;
    }
    let ours = delivered(&journal, &sinks, &scopes).await;
    if let Err(why) = elector.release(&ours).await {
        debug!("The Lease could not be given back: {why}.");
    }
}

/// What the sinks have delivered, by the journal. A sink that can't be told is left out. A scope
/// that was seen, and of which a sink has nothing yet, has an empty version: it says to who begins
/// with a new disk that events may be gone.
pub(super) async fn delivered(journal: &Journal, sinks: &[String], scopes: &[String]) -> Delivered {
    let mut seen = Vec::new();
    for scope in scopes {
        if matches!(journal.checkpoint(scope).await, Ok(Some(_))) {
            seen.push(scope);
        }
    }
    let nothing = || Resume {
        resource_version: String::new(),
        at: UNIX_EPOCH,
    };
    let mut all = Delivered::new();
    for sink in sinks {
        match journal.delivered(sink).await {
            Ok(through) => {
                let mut through: BTreeMap<String, Resume> = through.into_iter().collect();
                for scope in &seen {
                    through.entry((*scope).clone()).or_insert_with(nothing);
                }
                if !through.is_empty() {
                    all.insert(sink.clone(), through);
                }
            }
            Err(why) => debug!(
                sink,
                "What is delivered can't be read from the journal: {why}."
            ),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::cluster::Lost;
    use crate::journal::{Batch, Options, Start};

    #[tokio::test]
    async fn a_scope_is_noted_once_its_list_was_read_and_stays_noted_when_the_storage_is_set_back()
    {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Options::new(folder.path())).unwrap();
        let (sinks, scopes) = (
            ["a".to_owned(), "b".to_owned()],
            ["*".to_owned(), "c".to_owned()],
        );
        journal.configure(&sinks, Start::Oldest).await.unwrap();
        assert!(
            delivered(&journal, &sinks, &scopes).await.is_empty(),
            "nothing was seen yet"
        );
        let resume = || Resume {
            resource_version: "9".to_owned(),
            at: SystemTime::now(),
        };
        journal
            .append(Batch {
                scope: "*".to_owned(),
                checkpoint: Some(resume()),
                ..Batch::default()
            })
            .await
            .unwrap();
        let noted = delivered(&journal, &sinks, &scopes).await;
        assert_eq!(noted["a"]["*"].resource_version, "9");
        assert_eq!(
            noted["a"].len(),
            1,
            "the other scope was not seen: nothing of it can be lost with this journal"
        );
        let lost = Lost {
            last: resume(),
            reason: "set back".to_owned(),
            set_back: true,
        };
        journal
            .append(Batch {
                scope: "*".to_owned(),
                lost: Some(lost),
                ..Batch::default()
            })
            .await
            .unwrap();
        assert_eq!(
            delivered(&journal, &sinks, &scopes).await["a"]["*"].resource_version,
            "",
            "what the Lease says holds no more, and it has to say so"
        );
        journal.close().await.unwrap();
    }
}
