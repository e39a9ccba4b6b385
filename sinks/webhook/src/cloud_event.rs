//! An event as a CloudEvent (CloudEvents specification 1.0.2).

use std::fmt::Write;

use kubedl_events_sink::json::{self, View};
use kubedl_events_sink::{Event, ObjectReference};
use serde::Serialize;

/// One version of a Kubernetes event: `source` and `id` are its identity, the same at each try.
#[derive(Clone, Debug, Serialize)]
pub struct CloudEvent<'a> {
    /// Of the specification.
    pub specversion: &'static str,
    /// Event and version.
    pub id: String,
    /// Cluster, namespace and name of the event, as a relative URI.
    pub source: String,
    /// Of what Kubernetes says.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// The object that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// When it last happened.
    pub time: String,
    /// Of `data`.
    pub datacontenttype: &'static str,
    /// The event.
    pub data: View<'a>,
}

impl<'a> From<&'a Event> for CloudEvent<'a> {
    fn from(event: &'a Event) -> Self {
        let [cluster, namespace, name] = [
            event.cluster.as_deref().unwrap_or("default"),
            &event.namespace,
            &event.name,
        ]
        .map(segment);
        Self {
            specversion: "1.0",
            id: format!("{}/{}", event.uid, event.resource_version),
            source: format!("/clusters/{cluster}/namespaces/{namespace}/events/{name}"),
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

/// A text as a segment of a path (RFC 3986, section 3.3). What Kubernetes takes for a name stays as
/// it is.
fn segment(text: &str) -> String {
    escape(text, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
    })
}

/// A text as the value of a header (CloudEvents HTTP binding, section 3.1.3.2).
pub fn header_value(text: &str) -> String {
    escape(text, |byte| {
        byte.is_ascii_graphic() && !b"\"%".contains(&byte)
    })
}

fn escape(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a text can't fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
