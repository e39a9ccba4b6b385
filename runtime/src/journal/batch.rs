//! What comes in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gap::Gap;
use crate::cluster::{Forgotten, Lost, Resume};

/// One event to store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `metadata.uid` of the event.
    pub uid: String,
    /// `metadata.resourceVersion` of the event.
    pub resource_version: String,
    /// The filter's rule.
    pub rule: &'static str,
    /// What to keep; none for an event that the filter dropped: only its identity and rule are
    /// kept.
    pub kept: Option<Kept>,
}

/// The part of an [`Entry`] that is read back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When the watcher saw it, in nanoseconds since 1970.
    pub observed_at: i64,
    /// The job as JSON.
    pub job: Option<String>,
    /// Labels as JSON.
    pub labels: Option<String>,
    /// Kubernetes' own JSON.
    pub raw: String,
    /// Whether the event has happened before, so that earlier versions of it were written.
    pub repeats: bool,
}

/// A batch of one scope.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Key of the scope.
    pub scope: String,
    /// In the order of the watch.
    pub entries: Vec<Entry>,
    /// Objects that could not be read as events, with the reason: they become dead letters of no
    /// sink.
    pub unreadable: Vec<(String, String)>,
    /// Where the scope's watch has come with this batch.
    pub checkpoint: Option<Resume>,
    /// Sight was lost before this batch.
    pub lost: Option<Lost>,
    /// Namespaces of which the events seen before are no witnesses any more.
    pub forgotten: Vec<Forgotten>,
    /// For how long the API server had an event that is gone now.
    pub lifetime: Option<Duration>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events stored now.
    pub stored: u64,
    /// Events that were stored or dropped before.
    pub known: u64,
    /// Events dropped by the filter, seen for the first time.
    pub dropped: u64,
    /// The same by the filter's rules.
    pub dropped_by: BTreeMap<&'static str, u64>,
    /// Objects that could not be read as events.
    pub unreadable: u64,
    /// The gap that this batch ended.
    pub gap: Option<Gap>,
}
