//! An event as a CloudEvent, version 1.0 of the specification.

use kubedl_events_sink::json::{self, View};
use kubedl_events_sink::{Event, ObjectReference};
use serde::Serialize;

/// One version of a Kubernetes event: `source` and `id` are its identity.
#[derive(Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    type_: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: View<'a>,
}

impl<'a> From<&'a Event> for CloudEvent<'a> {
    fn from(event: &'a Event) -> Self {
        let cluster = event.cluster.as_deref().unwrap_or("default");
        Self {
            specversion: "1.0",
            id: format!("{}/{}", event.uid, event.resource_version),
            source: format!(
                "/clusters/{cluster}/namespaces/{}/events/{}",
                event.namespace, event.name
            ),
            type_: "io.k8s.event.v1",
            subject: subject(&event.regarding),
            time: json::moment(&event.last_timestamp),
            datacontenttype: "application/json",
            data: json::view(event),
        }
    }
}

/// `Pod/train/p`; `Node/n` for an object of the whole cluster.
fn subject(object: &ObjectReference) -> String {
    let parts = [&object.kind, &object.namespace, &object.name];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join("/")
}
