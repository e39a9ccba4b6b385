//! 2. Raw event -> [`Event`]: one normalized form for both APIs. Pure.
//!
//! Which field wins, from what the API server shows of events written through either API (an object
//! made through `events.k8s.io/v1` has no `count`, and null `firstTimestamp` and `lastTimestamp`,
//! when read as core/v1):
//!
//! | normalized | the first of these that is there |
//! |---|---|
//! | `last_timestamp` | `series.lastObservedTime`, `lastTimestamp`, `eventTime`, `firstTimestamp`, `metadata.creationTimestamp`, `observed_at` |
//! | `first_timestamp` | `firstTimestamp`, `eventTime`, `lastTimestamp`, `series.lastObservedTime`, `metadata.creationTimestamp`, `observed_at` |
//! | `count` | `series.count`, `count`, 1 (zero and less count as absent) |
//! | `component` | `source.component`, `reportingComponent` |
//! | `host` | `source.host` |
//! | `instance` | `reportingInstance` |
//!
//! Only `metadata.uid` and `metadata.resourceVersion` have to be there. Any other field that can't
//! be read is as if it were absent; `lenient.rs` says how.

mod lenient;
pub mod redact;
mod reference;
mod wire;

use std::fmt;

use jiff::Timestamp;

use crate::cluster::Raw;

pub use reference::ObjectReference;

/// One version of one Kubernetes Event, normalized. The fields mean what `wit/types.wit` says;
/// `(uid, resource_version)` is the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `Normal`, `Warning`, or whatever a client wrote.
    pub kind: String,
    /// A short word for machines.
    pub reason: String,
    /// What was done or attempted.
    pub action: String,
    /// A sentence for people.
    pub message: String,
    /// How often so far; never 0.
    pub count: u32,
    /// When it first happened.
    pub first_timestamp: Timestamp,
    /// When it last happened.
    pub last_timestamp: Timestamp,
    /// When the watcher saw it.
    pub observed_at: Timestamp,
    /// Who reports it.
    pub component: String,
    /// The node that reports it.
    pub host: String,
    /// The instance of the component.
    pub instance: String,
    /// What it is about.
    pub regarding: ObjectReference,
    /// A second object.
    pub related: Option<ObjectReference>,
    /// The job that controls the object; the filter finds it.
    pub job: Option<ObjectReference>,
    /// The operator's region.
    pub region: Option<String>,
    /// The operator's name of the cluster.
    pub cluster: Option<String>,
    /// Labels of the Pod, those that were asked for.
    pub labels: Vec<(String, String)>,
}

/// What the operator says of where events come from; goes into every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--region`, or env `REGION`, which wins.
    pub region: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
}

/// A raw event that can't be normalized. It is not retryable: the same bytes give the same error.
#[derive(Debug)]
pub enum Error {
    /// The JSON isn't that of an Event.
    NotAnEvent {
        /// Why, with the place in the JSON.
        why: serde_json::Error,
    },
    /// An Event without a uid or resource version, as a template has; it has no identity.
    NoIdentity {
        /// `metadata.name`, as far as it is there.
        name: String,
        /// The field of `metadata` that is missing.
        missing: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEvent { why } => {
                write!(f, "cannot read the object as a Kubernetes Event: {why}")
            }
            Self::NoIdentity { name, missing } => {
                write!(
                    f,
                    "the Event {name:?} has no metadata.{missing}, so it can't be told from others: take events as an API server shows them"
                )
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// A word for each kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotAnEvent { .. } => "not an event",
            Self::NoIdentity { missing, .. } => missing,
        }
    }
}

/// Normalizes one raw event. `job` and `labels` stay empty: they are the filter's to fill.
pub fn normalize(raw: &Raw, observed_at: Timestamp, options: &Options) -> Result<Event, Error> {
    // The quick way first: nearly all are as an API server writes them.
    let wire: wire::Event<'_> = match serde_json::from_str(raw.json()) {
        Ok(wire) => wire,
        Err(_) => lenient::read(raw.json()).map_err(|why| Error::NotAnEvent { why })?,
    };
    let meta = wire.metadata;
    check_identity(&meta)?;
    let series = wire.series.unwrap_or_default();
    let (last, first) = (wire.last_timestamp.0, wire.first_timestamp.0);
    let (event, observed, created) = (
        wire.event_time.0,
        series.last_observed_time.0,
        meta.creation_timestamp.0,
    );
    let last_timestamp = observed
        .or(last)
        .or(event)
        .or(first)
        .or(created)
        .unwrap_or(observed_at);
    let source = wire.source.unwrap_or_default();
    let component = if source.component.is_empty() {
        wire.reporting_component
    } else {
        source.component
    };
    Ok(Event {
        uid: meta.uid.into_owned(),
        resource_version: meta.resource_version.into_owned(),
        namespace: meta.namespace.into_owned(),
        name: meta.name.into_owned(),
        kind: wire.kind.into_owned(),
        reason: wire.reason.into_owned(),
        action: wire.action.into_owned(),
        message: wire.message.into_owned(),
        count: count(series.count).or(count(wire.count)).unwrap_or(1),
        first_timestamp: first
            .or(event)
            .or(last)
            .or(observed)
            .or(created)
            .unwrap_or(last_timestamp),
        last_timestamp,
        observed_at,
        component: component.into_owned(),
        host: source.host.into_owned(),
        instance: wire.reporting_instance.into_owned(),
        regarding: wire.regarding.unwrap_or_default().into_reference(),
        related: wire.related.map(wire::Reference::into_reference),
        job: None,
        region: options.region.clone(),
        cluster: options.cluster.clone(),
        labels: Vec::new(),
    })
}

/// Whether an event can be told from others.
fn check_identity(meta: &wire::Metadata<'_>) -> Result<(), Error> {
    let missing = match (meta.uid.is_empty(), meta.resource_version.is_empty()) {
        (true, _) => "uid",
        (_, true) => "resourceVersion",
        _ => return Ok(()),
    };
    Err(Error::NoIdentity {
        name: meta.name.clone().into_owned(),
        missing,
    })
}

fn count(n: Option<i64>) -> Option<u32> {
    n.filter(|n| *n > 0)
        .map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}
