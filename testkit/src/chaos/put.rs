//! One version of an event: how it is put, and how its state is found out when the answer was lost.

use std::time::Duration;

use http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

/// What a request may take before its answer counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The object that events are about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// An event that exists, as far as is known.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub namespace: String,
    pub name: String,
    pub count: u32,
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server has it, as this uid and resource version.
    Taken(String, String),
    /// The server did not take it.
    Refused(u16),
    /// No answer.
    Lost,
}

/// What is read of an event.
#[derive(Deserialize)]
pub(super) struct Shown {
    pub metadata: Metadata,
    #[serde(default)]
    pub message: String,
}

/// Which version it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub uid: String,
    pub resource_version: String,
}

/// The message of a version.
fn message(number: u64) -> String {
    format!("Back-off restarting failed container main in pod; put {number}")
}

/// The number of a version, from its message.
pub(super) fn number_of(message: &str) -> Option<u64> {
    message.rsplit_once("put ")?.1.parse().ok()
}

/// Creates an event.
pub(super) async fn create(
    client: &kube::Client,
    subject: &Subject,
    made: &Made,
    number: u64,
) -> Outcome {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let (component, host) = if subject.kind == "Pod" {
        ("kubelet", "node-1")
    } else {
        ("kubedl-controller", "")
    };
    let Subject {
        api_version,
        kind,
        namespace,
        name,
        uid,
    } = subject;
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": made.name, "namespace": namespace},
        "involvedObject": {"apiVersion": api_version, "kind": kind, "namespace": namespace, "name": name, "uid": uid},
        "reason": "BackOff", "message": message(number), "type": "Warning", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "source": {"component": component, "host": host},
    });
    send(
        client,
        Method::POST,
        &format!("/api/v1/namespaces/{namespace}/events"),
        Some(("application/json", event)),
    )
    .await
    .0
}

/// Raises an event's count, as recorders do.
pub(super) async fn update(client: &kube::Client, made: &Made, number: u64) -> Outcome {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let patch = json!({"count": made.count, "lastTimestamp": now, "message": message(number)});
    send(
        client,
        Method::PATCH,
        &path(made),
        Some(("application/merge-patch+json", patch)),
    )
    .await
    .0
}

/// Finds out what became of a put whose answer was lost; `Refused` when the server shows no trace
/// of it.
pub(super) async fn settle(client: &kube::Client, made: &Made, number: u64) -> Outcome {
    match send(client, Method::GET, &path(made), None).await {
        (Outcome::Taken(..), shown) if number_of(&shown) != Some(number) => Outcome::Refused(404),
        (outcome, _) => outcome,
    }
}

fn path(made: &Made) -> String {
    format!("/api/v1/namespaces/{}/events/{}", made.namespace, made.name)
}

/// The outcome, and the message that the server shows.
async fn send(
    client: &kube::Client,
    method: Method,
    path: &str,
    body: Option<(&str, Value)>,
) -> (Outcome, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some((kind, _)) = &body {
        request = request.header(header::CONTENT_TYPE, *kind);
    }
    let bytes = body
        .map(|(_, value)| value.to_string().into_bytes())
        .unwrap_or_default();
    let Ok(request) = request.body(bytes) else {
        return (Outcome::Lost, String::new());
    };
    match timeout(PATIENCE, client.request::<Shown>(request)).await {
        Ok(Ok(Shown { metadata, message })) => (
            Outcome::Taken(metadata.uid, metadata.resource_version),
            message,
        ),
        // A server in trouble may have stored it nevertheless; 429 is said before anything is done.
        Ok(Err(kube::Error::Api(status))) if status.code < 500 => {
            (Outcome::Refused(status.code), String::new())
        }
        Ok(Err(_)) | Err(_) => (Outcome::Lost, String::new()),
    }
}
