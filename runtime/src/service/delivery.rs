//! The sinks at work: all the time, or while this process holds the Lease.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::cluster::Seldom;
use crate::cluster::lease::{Elector, Identity};
use crate::relay::Progress;
use crate::sink::Term;
use crate::telemetry::Role;

use super::keep::Keeper;
use super::lead::{Lead, Sinks};
use super::relays::{self, RelayContext, Run, Running};
use super::supply::Supplied;

/// Who delivers, and when.
pub(super) enum Delivery {
    /// This process, all the time.
    Always {
        running: Vec<Running>,
        keeper: Option<Keeper>,
    },
    /// The holder of the Lease; none when the election has ended.
    Elected(Option<JoinHandle<anyhow::Result<()>>>),
}

impl Delivery {
    /// Starts the sinks, or the election. `elector` says with it whether the Lease decides who
    /// delivers.
    pub(super) async fn start(
        sinks: Vec<Supplied>,
        scopes: Vec<String>,
        context: RelayContext,
        elector: Option<(Elector, bool)>,
        closed: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let elector = match elector {
            Some((elector, true)) => {
                let (answered, unreachable) = (Instant::now(), Seldom::default());
                let RelayContext {
                    journal,
                    start,
                    selections,
                    board,
                    ..
                } = context.clone();
                let sinks = OwnSinks { sinks, context };
                let lead = Lead {
                    elector,
                    sinks,
                    scopes,
                    journal,
                    start,
                    selections,
                    board,
                    answered,
                    unreachable,
                };
                return Ok(Self::Elected(Some(tokio::spawn(lead.run(closed.clone())))));
            }
            elector => elector.map(|(elector, _)| elector),
        };
        let names = sinks.iter().map(|sink| sink.name().to_owned()).collect();
        let running = always(sinks, &context, closed).await?;
        let keeper = elector.map(|elector| Keeper::start(elector, context.journal, names, scopes));
        Ok(Self::Always { running, keeper })
    }

    /// How far the relays that run all the time have come.
    pub(super) fn progress(&self) -> Vec<Arc<Progress>> {
        match self {
            Self::Always { running, .. } => {
                running.iter().map(|relay| relay.progress.clone()).collect()
            }
            Self::Elected(_) => Vec::new(),
        }
    }

    /// Comes back only when the election has failed for good.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        if let Self::Elected(task) = self
            && let Some(running) = task
        {
            let ended = running.await;
            *task = None;
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return why,
                Err(why) => return why.into(),
            }
        }
        std::future::pending().await
    }

    /// Waits until every sink is closed, and the Lease is given back.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Elected(Some(task)) => task.await?,
            Self::Elected(None) => Ok(()),
            Self::Always { running, keeper } => {
                for relay in running {
                    relay.join().await;
                }
                if let Some(keeper) = keeper {
                    keeper.release().await;
                }
                Ok(())
            }
        }
    }
}

/// The sinks of this process, for while it leads.
struct OwnSinks {
    /// All of them, when they do not run.
    sinks: Vec<Supplied>,
    context: RelayContext,
}

impl Sinks for OwnSinks {
    fn names(&self) -> Vec<String> {
        self.sinks
            .iter()
            .map(|sink| sink.name().to_owned())
            .collect()
    }

    async fn run(&mut self, unsure: bool, term: &Term, closed: &watch::Receiver<bool>) {
        let mut running = Vec::new();
        for sink in std::mem::take(&mut self.sinks) {
            let (name, run) = (
                sink.name().to_owned(),
                Run {
                    term: term.clone(),
                    stop: closed.clone(),
                    unsure,
                    opened: None,
                },
            );
            match relays::start(sink, &self.context, run).await {
                Ok(relay) => running.push(relay),
                Err(why) => tracing::error!(
                    sink = name,
                    "Nothing is delivered until the next start: {why}."
                ),
            }
        }
        for relay in running {
            self.sinks.extend(relay.join().await);
        }
    }
}

/// For so long all sinks together are waited for at the start: one that can't be opened ends it,
/// and one that takes longer holds up nothing but itself.
const OPENING: Duration = Duration::from_secs(10);

/// Opens every sink and starts its relay, for as long as the process runs.
async fn always(
    sinks: Vec<Supplied>,
    context: &RelayContext,
    closed: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<Running>> {
    context.board.becomes(Role::Alone);
    let until = Instant::now() + OPENING;
    let mut running = Vec::new();
    for sink in sinks {
        let (told, opened) = oneshot::channel();
        let name = sink.name().to_owned();
        let run = Run {
            term: Term::endless(),
            stop: closed.clone(),
            unsure: false,
            opened: Some(told),
        };
        running.push(relays::start(sink, context, run).await?);
        match timeout_at(until, opened).await {
            Ok(opened) => {
                opened.with_context(|| format!("the thread of the sink {name} ended"))??
            }
            Err(_) => warn!(
                sink = name,
                "The sink is not open after {} s: the watch and the other sinks do not wait for it.",
                OPENING.as_secs()
            ),
        }
    }
    Ok(running)
}

/// In the data folder: what is random in the identity of who has it.
const IDENTITY: &str = "identity";

/// Another one for each process: the Pod's or machine's name, and something random.
///
/// Where nothing is elected, the same for each process of a data folder, which only one at a time
/// has: a Lease that was not given back, as after a kill, is its own then, and what is delivered is
/// noted in it at once. In an election a process waits for the time of one that was killed, which
/// may still have sent something.
pub(super) fn identity(elect: bool, data: &Path) -> Identity {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() {
        "kubedl-events"
    } else {
        host.trim()
    };
    let random = format!(
        "{:016x}",
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id())
    );
    let is_one = |text: &String| {
        text.len() == random.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let file = data.join(IDENTITY);
    let kept = if elect {
        None
    } else {
        std::fs::read_to_string(&file).ok().filter(is_one)
    };
    if !elect
        && kept.is_none()
        && let Err(why) = std::fs::write(&file, &random)
    {
        tracing::warn!(
            "Cannot write {}: {why}. After a kill it takes 5 seconds until the Lease is written again.",
            file.display()
        );
    }
    Identity::new(host, &kept.unwrap_or(random), elect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_data_folder_keeps_its_identity_and_a_candidate_has_a_new_one() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = identity(false, one.path());
        assert_eq!(identity(false, one.path()), first);
        assert_ne!(identity(false, other.path()), first);
        assert_ne!(identity(true, one.path()), first);
        assert_ne!(identity(true, one.path()), identity(true, one.path()));
        std::fs::write(one.path().join(IDENTITY), "cut").unwrap();
        assert_eq!(
            identity(false, one.path()),
            identity(false, one.path()),
            "one that was cut off is made anew"
        );
    }
}
