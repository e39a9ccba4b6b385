//! Who an object is, and who controls it. What is of another type than it should be is as if it
//! were not there, so that one odd object costs only itself. Pure.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};

/// A value, if it is of its type.
#[derive(Deserialize)]
#[serde(untagged)]
enum If<T> {
    It(T),
    Not(serde::de::IgnoredAny),
}

impl<T> Default for If<T> {
    fn default() -> Self {
        Self::Not(serde::de::IgnoredAny)
    }
}

impl<T> If<T> {
    fn into_option(self) -> Option<T> {
        match self {
            Self::It(value) => Some(value),
            Self::Not(_) => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    uid: If<String>,
    name: If<String>,
    namespace: If<String>,
    resource_version: If<String>,
    owner_references: If<Vec<If<Reference>>>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct Reference {
    api_version: If<String>,
    kind: If<String>,
    name: If<String>,
    uid: If<String>,
    controller: If<bool>,
}

impl From<Reference> for OwnerReference {
    fn from(reference: Reference) -> Self {
        let text = |value: If<String>| value.into_option().unwrap_or_default();
        Self {
            api_version: text(reference.api_version),
            kind: text(reference.kind),
            name: text(reference.name),
            uid: text(reference.uid),
            controller: reference.controller.into_option(),
            ..Self::default()
        }
    }
}

/// Of an object's `metadata`: uid, name, namespace, resource version and owners.
pub(in crate::cluster) fn identity<'de, D: Deserializer<'de>>(
    metadata: D,
) -> Result<ObjectMeta, D::Error> {
    let Metadata {
        uid,
        name,
        namespace,
        resource_version,
        owner_references,
    } = If::deserialize(metadata)?.into_option().unwrap_or_default();
    let references = owner_references.into_option().unwrap_or_default();
    Ok(ObjectMeta {
        uid: uid.into_option(),
        name: name.into_option(),
        namespace: namespace.into_option(),
        resource_version: resource_version.into_option(),
        owner_references: Some(
            references
                .into_iter()
                .filter_map(If::into_option)
                .map(OwnerReference::from)
                .collect(),
        ),
        ..ObjectMeta::default()
    })
}

/// An object as the API server shows it where only metadata are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Identified(pub(super) ObjectMeta);

impl<'de> Deserialize<'de> for Identified {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        struct Object {
            #[serde(default, deserialize_with = "identity")]
            metadata: ObjectMeta,
        }
        Ok(Self(
            If::<Object>::deserialize(deserializer)?
                .into_option()
                .unwrap_or_default()
                .metadata,
        ))
    }
}

impl Resource for Identified {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn metadata_api() -> bool {
        true
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    fn read(json: &str) -> ObjectMeta {
        serde_json::from_str::<Identified>(json).unwrap().0
    }

    #[test]
    fn what_is_of_another_type_costs_only_itself() {
        let odd = r#"{"metadata": {"uid": 7, "name": "p", "creationTimestamp": "", "labels": [], "ownerReferences":
            ["no object", {"uid": {}, "kind": "TFJob", "name": "j", "controller": true}, {"controller": "true"}]}}"#;
        let meta = read(odd);
        assert_eq!(
            (meta.uid.as_deref(), meta.name.as_deref()),
            (None, Some("p"))
        );
        let owners = meta.owner_references.unwrap();
        assert_eq!(
            owners
                .iter()
                .map(|owner| (&*owner.kind, &*owner.name, owner.controller))
                .collect::<Vec<_>>(),
            [("TFJob", "j", Some(true)), ("", "", None)]
        );
    }

    #[test]
    fn what_is_no_object_at_all_has_no_identity() {
        for odd in [
            "null",
            "7",
            "\"text\"",
            "[]",
            "{}",
            r#"{"metadata": null}"#,
            r#"{"metadata": []}"#,
            r#"{"metadata": {"ownerReferences": {}}}"#,
        ] {
            assert_eq!(read(odd).uid, None, "{odd}");
        }
    }
}
