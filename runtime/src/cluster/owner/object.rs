//! Objects, and what controls them.

use crate::cluster::name;

/// Kinds whose controller is asked for, with their groups and the names of their resources.
/// PodGroups are those of Volcano, of the scheduler plugins (two groups, the second of their first
/// versions, which KubeDL makes) and of kube-batch; a Workload is Kueue's: what a job waits for is
/// said about them alone.
const KINDS: [(&str, &str, &str); 9] = [
    ("", "Pod", "pods"),
    ("", "Service", "services"),
    ("apps", "ReplicaSet", "replicasets"),
    ("apps", "Deployment", "deployments"),
    ("scheduling.volcano.sh", "PodGroup", "podgroups"),
    ("scheduling.x-k8s.io", "PodGroup", "podgroups"),
    ("scheduling.sigs.k8s.io", "PodGroup", "podgroups"),
    ("scheduling.incubator.k8s.io", "PodGroup", "podgroups"),
    ("kueue.x-k8s.io", "Workload", "workloads"),
];

/// Whether an object of this kind may have a controller that counts.
pub fn has_controller(group: &str, kind: &str) -> bool {
    known(group, kind).is_some()
}

/// The group and the resource's name of a kind whose controller is asked for.
fn known(group: &str, kind: &str) -> Option<(&'static str, &'static str)> {
    // Who leaves the group out means the only one that has the kind.
    let is_meant = |of: &str| of == group || (group.is_empty() && of == "apps");
    KINDS
        .iter()
        .find(|known| known.1 == kind && is_meant(known.0))
        .map(|known| (known.0, known.2))
}

/// A controller: the owner reference of an object that has `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name; the namespace is that of the object.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// An object whose controllers are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Group and version; `v1` for core.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid; may be empty, or none at all: then the name counts.
    pub uid: String,
}

impl Object {
    /// The group of its API; empty for core.
    pub(super) fn group(&self) -> &str {
        name::group(&self.api_version)
    }

    /// See [`known`].
    pub(super) fn known(&self) -> Option<(&'static str, &'static str)> {
        known(self.group(), &self.kind)
    }

    /// Kubernetes makes uids of RFC 4122. Anything else is what somebody wrote in their place.
    pub(super) fn has_uid(&self) -> bool {
        self.uid.len() == 36 && self.uid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    }

    /// What controls it, which is in its namespace.
    pub(super) fn owned_by(&self, owner: &Owner) -> Self {
        let Owner {
            api_version,
            kind,
            name,
            uid,
        } = owner.clone();
        Self {
            api_version,
            kind,
            namespace: self.namespace.clone(),
            name,
            uid,
        }
    }
}
