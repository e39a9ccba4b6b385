//! An event as a JSON object. The table of its keys is in the sink's README.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::moment::rfc3339;
use crate::{Event, ObjectReference};

/// One line. Keys are never renamed or removed; the optional ones are left out where they are
/// empty.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
    last_timestamp: String,
    #[serde(rename = "type")]
    type_: &'a str,
    reason: &'a str,
    regarding: Reference<'a>,
    message: &'a str,
    count: u32,
    first_timestamp: String,
    observed_at: String,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    component: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instance: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
}

/// A Kubernetes object; empty fields are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field_path: &'a str,
}

impl<'a> From<&'a Event> for Line<'a> {
    fn from(event: &'a Event) -> Line<'a> {
        Line {
            last_timestamp: rfc3339(&event.last_timestamp),
            type_: &event.type_,
            reason: &event.reason,
            regarding: Reference::from(&event.regarding),
            message: &event.message,
            count: event.count,
            first_timestamp: rfc3339(&event.first_timestamp),
            observed_at: rfc3339(&event.observed_at),
            namespace: &event.namespace,
            name: &event.name,
            uid: &event.uid,
            resource_version: &event.resource_version,
            component: &event.component,
            host: &event.host,
            instance: &event.instance,
            action: &event.action,
            related: event.related.as_ref().map(Reference::from),
            job: event.job.as_ref().map(Reference::from),
            region: event.region.as_deref(),
            cluster: event.cluster.as_deref(),
            labels: event
                .labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }
}

impl<'a> From<&'a ObjectReference> for Reference<'a> {
    fn from(object: &'a ObjectReference) -> Reference<'a> {
        Reference {
            kind: &object.kind,
            namespace: &object.namespace,
            name: &object.name,
            uid: &object.uid,
            api_version: &object.api_version,
            field_path: &object.field_path,
        }
    }
}
