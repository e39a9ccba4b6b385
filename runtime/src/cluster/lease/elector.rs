//! The reads and writes of an election. Every write names the version of the Lease that it was
//! decided on: of two, one fails.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::{
    DEADLINE, DURATION, Delivered, Identity, Observed, Record, Step, annotation, merge, step,
};
use crate::cluster::client::{About, sort};
use crate::cluster::{Client, Error, Scope};

/// For one turn. Two fit between a renewal and the deadline.
const PATIENCE: Duration = Duration::from_secs(4);
/// The duration that a released Lease says, as client-go's does.
const RELEASED: Duration = Duration::from_secs(1);

/// Which Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Place {
    fn about(&self, verb: &'static str) -> About {
        About {
            verb,
            resource: "leases",
            group: "coordination.k8s.io",
            scope: Scope::Namespace(self.namespace.clone()),
        }
    }

    fn api(&self, client: &Client) -> Api<Lease> {
        Api::namespaced(client.kube.clone(), &self.namespace)
    }
}

/// What a Lease says to one who takes no part in its election.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is delivered.
    pub delivered: Delivered,
    /// When the Lease was made: nothing was delivered before; 1970 where it doesn't say.
    pub made_at: SystemTime,
}

/// Reads it; none when there is no Lease.
pub async fn read(client: &Client, place: &Place) -> Result<Option<Told>, Error> {
    let lease = place
        .api(client)
        .get_opt(&place.name)
        .await
        .map_err(|error| sort(error, place.about("get")))?;
    let made_at = |lease: &Lease| {
        lease
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(SystemTime::UNIX_EPOCH, |time| time.0.into())
    };
    Ok(lease.map(|lease| Told {
        delivered: delivered(&lease),
        made_at: made_at(&lease),
    }))
}

/// Takes part in an election.
pub struct Elector {
    api: Api<Lease>,
    place: Place,
    identity: Identity,
    /// Sinks of which is noted what they have delivered.
    sinks: Vec<String>,
    /// The wall clock.
    now: fn() -> SystemTime,
    /// Sinks for which there was no room, as last seen.
    left_out: Vec<String>,
    /// As read or written last; none when it has to be read before the next write.
    lease: Option<Lease>,
    observed: Option<Observed>,
    /// The write whose answer we don't know: its `renewTime`, and when it began.
    unanswered: Option<(Timestamp, Instant)>,
    /// When our last write that succeeded began. Some while we lead.
    renewed: Option<Instant>,
    /// Whether another held it before us.
    succeeded: bool,
}

impl Elector {
    /// What the Lease says of other sinks than `sinks` is dropped by the first write.
    pub fn new(
        client: &Client,
        place: Place,
        identity: Identity,
        sinks: Vec<String>,
        now: fn() -> SystemTime,
    ) -> Self {
        let api = place.api(client);
        Self {
            api,
            place,
            identity,
            sinks,
            now,
            left_out: Vec::new(),
            lease: None,
            observed: None,
            unanswered: None,
            renewed: None,
            succeeded: false,
        }
    }

    /// Until when we lead, by our last renewal; none when another does.
    pub fn leads_until(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + DEADLINE)
    }

    /// Whether another held the Lease before us, which may have sent more than the Lease says: also
    /// one that released it, as what it says is known by the second only.
    pub fn took_over(&self) -> bool {
        self.succeeded
    }

    /// Which other process holds it, and whether it was seen to renew.
    pub fn holder(&self) -> Option<(&str, bool)> {
        self.observed.as_ref()?.other_than(&self.identity)
    }

    /// What the Lease says is delivered, as of the last read or write.
    pub fn delivered(&self) -> Delivered {
        self.lease.as_ref().map(delivered).unwrap_or_default()
    }

    /// One turn: looks, and acquires, renews or gives up. With a renewal goes `ours`, what we have
    /// delivered.
    ///
    /// On an error nothing is known to have changed, except that the lead ends where its time is
    /// over.
    pub async fn turn(&mut self, ours: &Delivered) -> Result<(), Error> {
        let no_answer = self.no_answer();
        let result = timeout(PATIENCE, self.attempt(ours))
            .await
            .unwrap_or(Err(no_answer));
        if result.is_err() {
            // Whether the write happened is not known.
            self.lease = None;
            if step(None, &self.identity, self.renewed, Instant::now()) == Step::GiveUp {
                self.renewed = None;
            }
        }
        result
    }

    async fn attempt(&mut self, ours: &Delivered) -> Result<(), Error> {
        // Twice, as a write that came too late calls for a look.
        for _ in 0..2 {
            if self.renewed.is_none() || self.lease.is_none() {
                self.look().await?;
            }
            let done = match step(
                self.observed.as_ref(),
                &self.identity,
                self.renewed,
                Instant::now(),
            ) {
                Step::StandBy => true,
                Step::GiveUp => {
                    self.renewed = None;
                    true
                }
                Step::Acquire => {
                    // What it says is ours where the answer to the write that took it was lost.
                    self.succeeded |= self
                        .observed
                        .as_ref()
                        .is_some_and(|observed| observed.record.holder != self.identity.name);
                    self.write(&self.identity.name.clone(), DURATION, &Delivered::new())
                        .await?
                }
                Step::Renew => {
                    self.write(&self.identity.name.clone(), DURATION, ours)
                        .await?
                }
            };
            if done {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives the Lease back, with what is delivered at the end, so that another can take it at
    /// once.
    pub async fn release(&mut self, ours: &Delivered) -> Result<(), Error> {
        if self.renewed.is_none() {
            return Ok(());
        }
        let no_answer = self.no_answer();
        let result = timeout(PATIENCE, self.give_back(ours))
            .await
            .unwrap_or(Err(no_answer));
        self.renewed = None;
        result
    }

    async fn give_back(&mut self, ours: &Delivered) -> Result<(), Error> {
        for _ in 0..2 {
            if self.lease.is_none() {
                self.look().await?;
            }
            let ours_still = self
                .observed
                .as_ref()
                .is_some_and(|observed| observed.record.holder == self.identity.name);
            if !ours_still || self.write("", RELEASED, ours).await? {
                break;
            }
        }
        Ok(())
    }

    fn no_answer(&self) -> Error {
        Error::Unreachable(format!(
            "no answer about the Lease {}/{} within {PATIENCE:?}",
            self.place.namespace, self.place.name
        ))
    }

    async fn look(&mut self) -> Result<(), Error> {
        self.lease = self
            .api
            .get_opt(&self.place.name)
            .await
            .map_err(|error| sort(error, self.place.about("get")))?;
        let now = Instant::now();
        let Some(record) = self.lease.as_ref().map(record) else {
            self.observed = None;
            return Ok(());
        };
        if let (Some((written, began)), Some(_)) = (self.unanswered.take(), self.renewed)
            && record.holder == self.identity.name
            && record.renewed == Some(written)
        {
            // Our write happened, only its answer was lost.
            self.renewed = Some(began);
        }
        self.observed = Some(Observed::after(self.observed.take(), record, now));
        Ok(())
    }

    /// False when another was faster: nothing was written.
    async fn write(
        &mut self,
        holder: &str,
        duration: Duration,
        ours: &Delivered,
    ) -> Result<bool, Error> {
        let (began, wall) = (Instant::now(), in_microseconds((self.now)()));
        let mut lease = self.lease.clone().unwrap_or_default();
        let there = merge(delivered(&lease), ours, &self.sinks);
        let left_out =
            annotation::write(lease.metadata.annotations.get_or_insert_default(), &there);
        if !left_out.is_empty() && self.left_out != left_out {
            let (most, sinks) = (annotation::MOST_BYTES, left_out.join(", "));
            warn!(
                "What is delivered does not fit into the Lease {}/{}, whose annotations may have {most} bytes: of {sinks} nothing is noted there, so a \
                 replica with a new disk reads the list for them. Watch fewer namespaces, or all of them as one.",
                self.place.namespace, self.place.name
            );
        }
        self.left_out = left_out;
        let lease = written(lease, &self.place, holder, duration, wall);
        self.unanswered = Some((wall, began));
        let parameters = PostParams::default();
        let (verb, answer) = match &self.lease {
            None => ("create", self.api.create(&parameters, &lease).await),
            Some(_) => (
                "update",
                self.api
                    .replace(&self.place.name, &parameters, &lease)
                    .await,
            ),
        };
        match answer {
            Ok(lease) => {
                self.unanswered = None;
                self.renewed = Some(began);
                self.observed = Some(Observed::after(
                    self.observed.take(),
                    record(&lease),
                    Instant::now(),
                ));
                self.lease = Some(lease);
                Ok(true)
            }
            // Changed, made or deleted by another meanwhile.
            Err(kube::Error::Api(status))
                if status.code == 409 || (status.code == 404 && verb == "update") =>
            {
                self.lease = None;
                Ok(false)
            }
            Err(error) => Err(sort(error, self.place.about(verb))),
        }
    }
}

/// The Lease with a holder's name and time written into it.
fn written(
    mut lease: Lease,
    place: &Place,
    holder: &str,
    duration: Duration,
    wall: Timestamp,
) -> Lease {
    lease.metadata.name = Some(place.name.clone());
    lease.metadata.namespace = Some(place.namespace.clone());
    let spec = lease.spec.get_or_insert_default();
    let before = spec.holder_identity.replace(holder.to_owned());
    if before.as_deref() != Some(holder) {
        spec.acquire_time = Some(wall.into());
        // Counted when somebody takes it, not when it is released; 0 for the first, as client-go
        // does.
        if !holder.is_empty() {
            spec.lease_transitions =
                Some(before.map_or(0, |_| spec.lease_transitions.unwrap_or(0).saturating_add(1)));
        }
    }
    spec.lease_duration_seconds = i32::try_from(duration.as_secs()).ok();
    spec.renew_time = Some(wall.into());
    lease
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let duration = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(DURATION, Duration::from_secs);
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration,
        renewed: spec.renew_time.as_ref().map(|time| time.0),
    }
}

fn delivered(lease: &Lease) -> Delivered {
    lease
        .metadata
        .annotations
        .as_ref()
        .map(annotation::read)
        .unwrap_or_default()
}

/// As exact as a Lease can say it.
fn in_microseconds(now: SystemTime) -> Timestamp {
    let now = Timestamp::try_from(now).unwrap_or_default();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
