//! Planted bugs, each of which the invariants must find. They are planted between the stages, or in
//! what a stage is given.

use std::time::{Duration, SystemTime};

use kubedl_events::cluster::lease::{Delivered, Told};
use kubedl_events::cluster::{Begin, Observation, Resume, Witnesses};
use tokio::sync::mpsc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The checkpoint is stored before the events up to it.
    CheckpointBeforeCommit,
    /// Events count as stored before the destination has them.
    CursorBeforeOk,
    /// What the destination's outage breaks is blamed on events.
    PoisonOnOutage,
    /// The watch begins at the resource version of the list's last page.
    WatchFromLastPage,
    /// Of three witnesses only the newest is remembered.
    OneWitness,
    /// A new disk goes on at the highest of the sinks' resource versions.
    ResumeAtHighest,
    /// A new disk goes on without a list, though a sink has stored nothing yet.
    NoListFirst,
    /// What a watch lags behind is not taken off when sight is lost.
    NoLag,
    /// A watch that catches up counts as one that shows the present.
    NotBehind,
    /// A batch goes to its destination in reverse order.
    ReversedBatch,
    /// Each loss of sight is a gap, whatever the list shows.
    AlwaysOpen,
    /// No loss of sight is said.
    NeverLost,
    /// What a sink still needs is cleaned up before that sink is known.
    OneSinkBeforeCleanUp,
    /// After a crash nothing may have been sent before.
    SureAfterCrash,
    /// After a stall nothing may have been sent before.
    SureAfterStall,
    /// The Lease says what was seen, and not what was delivered.
    LeaseSaysSeen,
    /// The Lease's resource versions count as proven at the last renewal.
    LeaseProvenNow,
    /// A time in the future is taken for now.
    FutureIsNow,
    /// Who takes the Lease over takes it that nothing was sent beyond what the Lease says.
    SureAfterTakeOver,
    /// A leader delivers beyond the end of its term.
    LeadsOn,
}

impl Bug {
    pub const ALL: [Self; 20] = [
        Self::CheckpointBeforeCommit,
        Self::CursorBeforeOk,
        Self::PoisonOnOutage,
        Self::WatchFromLastPage,
        Self::OneWitness,
        Self::ResumeAtHighest,
        Self::NoListFirst,
        Self::NoLag,
        Self::NotBehind,
        Self::ReversedBatch,
        Self::AlwaysOpen,
        Self::NeverLost,
        Self::OneSinkBeforeCleanUp,
        Self::SureAfterCrash,
        Self::SureAfterStall,
        Self::LeaseSaysSeen,
        Self::LeaseProvenNow,
        Self::FutureIsNow,
        Self::SureAfterTakeOver,
        Self::LeadsOn,
    ];
}

/// As `cluster::watch` takes off when sight is lost.
const LAG: Duration = Duration::from_secs(10);

/// From the watch to the pipeline, with what a planted bug does to it.
pub async fn pass(
    mut seen: mpsc::Receiver<Observation>,
    given: mpsc::Sender<Observation>,
    bug: Option<Bug>,
) {
    while let Some(mut observation) = seen.recv().await {
        if bug == Some(Bug::CheckpointBeforeCommit) && !observation.events.is_empty() {
            let early = Observation {
                reached: observation.reached.take(),
                ..Observation::of(observation.scope.clone())
            };
            let _ = given.send(early).await;
        }
        spoil(&mut observation, bug);
        if given.send(observation).await.is_err() {
            return;
        }
    }
}

fn spoil(observation: &mut Observation, bug: Option<Bug>) {
    let now = super::clock();
    match (bug, &mut observation.lost, &mut observation.reached) {
        (Some(Bug::NoLag), Some(lost), _) => lost.last.at += LAG,
        (Some(Bug::AlwaysOpen), Some(lost), _) => lost.last.at = SystemTime::UNIX_EPOCH,
        (Some(Bug::FutureIsNow), Some(lost), _) => lost.last.at = lost.last.at.min(now),
        (Some(Bug::NeverLost), lost, _) => *lost = None,
        (Some(Bug::NotBehind), _, Some(reached)) => reached.at = now,
        _ => {}
    }
}

/// Where a watch begins.
pub fn begin(
    mut begin: Begin,
    there: Option<&Told>,
    scope: &str,
    is_new: bool,
    bug: Option<Bug>,
) -> Begin {
    match bug {
        Some(Bug::OneWitness) => {
            let mut newest = Witnesses::default();
            begin
                .witnesses
                .iter()
                .take(1)
                .cloned()
                .for_each(|witness| newest.add(witness));
            begin.witnesses = newest;
        }
        Some(Bug::ResumeAtHighest) if is_new && begin.from.is_some() => {
            let number = |resume: &&Resume| resume.resource_version.parse::<u64>().unwrap_or(0);
            let of_sinks = there
                .iter()
                .flat_map(|told| told.delivered.values())
                .filter_map(|scopes| scopes.get(scope));
            begin.from = of_sinks.max_by_key(number).cloned();
        }
        Some(Bug::NoListFirst) => (begin.list_first, begin.lost) = (false, None),
        _ => {}
    }
    begin
}

/// What is read of the Lease.
pub fn told(mut told: Told, bug: Option<Bug>) -> Told {
    if bug == Some(Bug::LeaseProvenNow) {
        let all: &mut Delivered = &mut told.delivered;
        all.values_mut()
            .flat_map(|scopes| scopes.values_mut())
            .for_each(|reached| reached.at = super::clock());
    }
    told
}
