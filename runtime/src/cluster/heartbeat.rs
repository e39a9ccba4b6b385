//! An event of our own, written again and again, by which the service sees whether it sees.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::client::{About, Client, sort};
use super::{Error, Scope};

/// `source.component` of the event.
pub const COMPONENT: &str = "kubedl-events";
/// `reason` of the event.
pub const REASON: &str = "Heartbeat";

impl Client {
    /// Writes the event `name` of a namespace for the `count`-th time; gives its new resource
    /// version. It is about the Lease of the same name.
    pub async fn beat(&self, namespace: &str, name: &str, count: u64) -> Result<String, Error> {
        let api: Api<Event> = Api::namespaced(self.kube.clone(), namespace);
        let about = |verb| About {
            verb,
            resource: "events",
            group: "",
            scope: Scope::Namespace(namespace.to_owned()),
        };
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let change = json!({ "count": count, "lastTimestamp": now });
        let written = match api
            .patch(name, &PatchParams::default(), &Patch::Merge(&change))
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let event = json!({
                    "metadata": { "name": name, "namespace": namespace },
                    "involvedObject": { "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "namespace": namespace, "name": name },
                    "reason": REASON, "message": "The service proves that it sees what is written.", "type": "Normal",
                    "source": { "component": COMPONENT }, "count": count, "firstTimestamp": now, "lastTimestamp": now,
                });
                let event: Event = serde_json::from_value(event)
                    .map_err(|why| Error::Protocol(why.to_string()))?;
                api.create(&PostParams::default(), &event)
                    .await
                    .map_err(|error| sort(error, about("create")))?
            }
            patched => patched.map_err(|error| sort(error, about("patch")))?,
        };
        written
            .metadata
            .resource_version
            .ok_or_else(|| Error::Protocol("a written event has no resource version".to_owned()))
    }
}
