//! A Kubernetes object that an event points at.

use crate::cluster::name;

/// A Kubernetes object that an event points at. A field that Kubernetes left out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ObjectReference {
    /// Group and version: `v1`, `training.kubedl.io/v1alpha1`.
    pub api_version: String,
    /// `Pod`, `PyTorchJob`, ...
    pub kind: String,
    /// Empty for an object of the whole cluster.
    pub namespace: String,
    /// `metadata.name` of the object.
    pub name: String,
    /// `metadata.uid` of the object.
    pub uid: String,
    /// The part that is meant: `spec.containers{main}`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

impl ObjectReference {
    /// The group of `api_version`: empty for core/v1.
    pub fn group(&self) -> &str {
        name::group(&self.api_version)
    }
}
