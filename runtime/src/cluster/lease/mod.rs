//! One that delivers, among replicas that all watch: a Lease (coordination.k8s.io/v1) as
//! client-go's leader election uses it.
//!
//! [`step`] decides, and is pure; [`Elector`] reads and writes. Times are compared only on one
//! machine: a candidate measures, by its own monotonic clock, for how long it has seen no change.
//! `renewTime` is written for people and compared only for being another.
//!
//! The Lease also carries what is delivered: for each sink and scope the resource version up to
//! which every event is done with. It travels with the renewal, in one write.

mod annotation;
mod elector;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Resume;

pub use annotation::{DELIVERED, MOST_BYTES, SEEN};
pub use elector::{Elector, Place, Told, read};

/// For how long a candidate must have seen no change before it takes the Lease (client-go's
/// recommended value, as the two below).
pub const DURATION: Duration = Duration::from_secs(15);
/// After its last renewal a holder counts as deposed, in its own eyes, so much later.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease, and between two renewals.
pub const RETRY: Duration = Duration::from_secs(2);

/// Where nothing is elected, a holder on the same host counts as replaced when it was silent for so
/// long: one that lives would have renewed twice.
pub const FOLLOWED: Duration = Duration::from_secs(5);

/// For each sink, for each scope's key, up to where every event is delivered, and when that was
/// known to be every event. The resource version is empty where nothing is known any more, since
/// the API server's storage was set back.
pub type Delivered = BTreeMap<String, BTreeMap<String, Resume>>;

/// Takes our entries over into those that are there. Of these stay those of other scopes, and of
/// the sinks that are `configured`.
pub fn merge(mut there: Delivered, ours: &Delivered, configured: &[String]) -> Delivered {
    there.retain(|sink, _| configured.contains(sink));
    for (sink, scopes) in ours {
        there.entry(sink.clone()).or_default().extend(
            scopes
                .iter()
                .map(|(scope, reached)| (scope.clone(), reached.clone())),
        );
    }
    there
}

/// What a Lease says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Identity of the holder; empty when it was released.
    pub holder: String,
    /// How long candidates must wait, as the holder wrote it.
    pub duration: Duration,
    /// The holder's wall clock at the last renewal.
    pub renewed: Option<Timestamp>,
}

/// A record, and since when it has been seen unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// As it was read last.
    pub record: Record,
    /// When it was first read so, by the observer's monotonic clock.
    pub since: Instant,
    /// How often this holder was seen to renew: proof that it lives.
    pub renewals: u32,
}

impl Observed {
    /// Takes a record that was read at `now`.
    pub fn after(before: Option<Self>, record: Record, now: Instant) -> Self {
        match before {
            Some(before) if before.record == record => before,
            Some(before) if before.record.holder == record.holder => Self {
                record,
                since: now,
                renewals: before.renewals.saturating_add(1),
            },
            _ => Self {
                record,
                since: now,
                renewals: 0,
            },
        }
    }

    /// Which process holds the Lease that is not this one, and whether it was seen to renew.
    pub fn other_than(&self, identity: &Identity) -> Option<(&str, bool)> {
        let holder = self.record.holder.as_str();
        (!holder.is_empty() && holder != identity.name).then_some((holder, self.renewals > 0))
    }
}

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it writes into the Lease: the host, and 16 hexadecimal digits that are another
    /// process's on no host.
    name: String,
    /// Where nothing is elected, the host: who holds the Lease there and is silent for [`FOLLOWED`]
    /// was replaced by this process, as a Pod of a StatefulSet or a container that starts again.
    follows: Option<String>,
}

impl Identity {
    /// `elected`: only who holds the Lease acts, so that one that is silent is waited for, which
    /// may still send something. Otherwise the Lease only keeps what is delivered.
    pub fn new(host: &str, digits: &str, elected: bool) -> Self {
        Self {
            name: format!("{host}-{digits}"),
            follows: (!elected).then(|| host.to_owned()),
        }
    }

    /// How long `holder` must have been silent.
    fn waits_for(&self, record: &Record) -> Duration {
        let is_random =
            |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_of = |host: &str| {
            record
                .holder
                .strip_prefix(host)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(is_random)
        };
        match &self.follows {
            _ if record.holder.is_empty() || record.holder == self.name => Duration::ZERO,
            Some(host) if is_of(host) => FOLLOWED.min(record.duration),
            _ => record.duration,
        }
    }
}

/// What to do about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write our name into it.
    Acquire,
    /// Write our next renewal.
    Renew,
    /// Look again later: another holds it.
    StandBy,
    /// Stop acting as its holder, at once.
    GiveUp,
}

/// Decides from what was seen of the Lease (`None`: there is none), and from the begin of our own
/// last write that succeeded, if we lead.
pub fn step(
    observed: Option<&Observed>,
    identity: &Identity,
    renewed: Option<Instant>,
    now: Instant,
) -> Step {
    if let Some(renewed) = renewed {
        let expired = now.saturating_duration_since(renewed) >= DEADLINE;
        let other = observed.is_some_and(|observed| observed.record.holder != identity.name);
        return if expired || other {
            Step::GiveUp
        } else {
            Step::Renew
        };
    }
    let Some(observed) = observed else {
        return Step::Acquire;
    };
    if now.saturating_duration_since(observed.since) >= identity.waits_for(&observed.record) {
        Step::Acquire
    } else {
        Step::StandBy
    }
}
