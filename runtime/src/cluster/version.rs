//! The order of resource versions, and what shows that a storage was set back. Pure.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Raw;
use super::raw::text;

/// Namespaces of which the newest event is remembered.
const NAMESPACES: usize = 3;

/// Whether `a` is older than `b`; none where they can't be compared.
///
/// Kubernetes promises from 1.35 on that resource versions of its own resources are integers in the
/// order of their writes (KEP-5504), which etcd's revisions have always been. Others are opaque: of
/// those only equality is known.
pub fn is_before(a: &str, b: &str) -> Option<bool> {
    let number = |text: &str| {
        text.parse::<u128>()
            .ok()
            .filter(|number| number.to_string() == text)
    };
    Some(number(a)? < number(b)?)
}

/// An event that was seen, which the API server's storage must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion` that was seen.
    pub resource_version: String,
    /// When, or when it was written, where that is earlier: from then on its time runs.
    pub seen_at: SystemTime,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    last_timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    deprecated_last_timestamp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    namespace: String,
    name: String,
    resource_version: String,
    #[serde(borrow)]
    creation_timestamp: Option<&'a RawValue>,
}

/// The last of some times that can be read.
fn last_of<'a>(times: impl IntoIterator<Item = &'a str>) -> Option<SystemTime> {
    times
        .into_iter()
        .filter_map(|time| time.parse::<jiff::Timestamp>().ok())
        .max()
        .map(SystemTime::from)
}

impl Witness {
    /// Of an event that was seen then; none where it has no name or version.
    pub fn of(raw: &Raw, seen_at: SystemTime) -> Option<Self> {
        let Outline {
            metadata,
            last_timestamp,
            deprecated_last_timestamp,
        } = serde_json::from_str(raw.json()).ok()?;
        let times = [
            metadata.creation_timestamp,
            last_timestamp,
            deprecated_last_timestamp,
        ]
        .map(text);
        let written_at =
            last_of(times.iter().flatten().map(|time| &**time)).unwrap_or(SystemTime::UNIX_EPOCH);
        let Metadata {
            namespace,
            name,
            resource_version,
            ..
        } = metadata;
        Some(Self {
            namespace,
            name,
            resource_version,
            seen_at: seen_at.min(written_at),
        })
    }
}

/// An event that the API server does not have any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// The resource version of the deletion.
    pub resource_version: String,
    /// When the event was last written, by the API server's clock; none where it doesn't say so.
    pub written_at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Deleted {
    metadata: DeletedMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeletedMetadata {
    namespace: String,
    name: String,
    resource_version: String,
    creation_timestamp: Option<String>,
    managed_fields: Option<Vec<Write>>,
}

/// An entry of `metadata.managedFields`: the API server keeps in it when each writer wrote last.
#[derive(Deserialize)]
struct Write {
    #[serde(default)]
    time: Option<String>,
}

impl<'de> Deserialize<'de> for Deletion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let DeletedMetadata {
            namespace,
            name,
            resource_version,
            creation_timestamp,
            managed_fields,
        } = Deleted::deserialize(deserializer)?.metadata;
        let written: Vec<String> = managed_fields
            .into_iter()
            .flatten()
            .filter_map(|write| write.time)
            .chain(creation_timestamp)
            .collect();
        let written_at = last_of(written.iter().map(String::as_str));
        Ok(Self {
            namespace,
            name,
            resource_version,
            written_at,
        })
    }
}

/// A namespace whose witness was deleted: by hand, or by its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Which.
    pub namespace: String,
    /// The resource version of the deletion: events of the namespace that were seen before it are
    /// no witnesses.
    pub resource_version: String,
}

/// The newest witnesses, each of another namespace: one namespace may be deleted with all its
/// events. Pages of a list show them in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnesses(Vec<Witness>);

impl Witnesses {
    /// Takes one, if it is newer than that of its namespace. What can't be compared is newer.
    pub fn add(&mut self, witness: Witness) {
        let is_older = |other: &Witness| {
            is_before(&witness.resource_version, &other.resource_version) == Some(true)
        };
        if self
            .0
            .iter()
            .any(|other| other.namespace == witness.namespace && is_older(other))
        {
            return;
        }
        self.0.retain(|other| other.namespace != witness.namespace);
        let place = self.0.iter().take_while(|other| is_older(other)).count();
        self.0.insert(place, witness);
        self.0.truncate(NAMESPACES);
    }

    /// The one of a namespace is gone, so that it proves nothing any more.
    pub fn forget(&mut self, namespace: &str) {
        self.0.retain(|witness| witness.namespace != namespace);
    }

    /// The newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Witness> {
        self.0.iter()
    }
}
