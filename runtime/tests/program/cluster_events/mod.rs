//! Events that a test writes into a real API server, one by one.

use std::path::Path;

use kube::api::{Api, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use serde_json::json;

/// Writes events whose messages tell the probe what to do.
pub struct Teller {
    events: Api<DynamicObject>,
    serial: u32,
}

impl Teller {
    pub async fn new(kubeconfig: &Path) -> Self {
        let client = testkit::apiserver::client(kubeconfig).await.unwrap();
        let event = ApiResource {
            group: String::new(),
            version: "v1".into(),
            api_version: "v1".into(),
            kind: "Event".into(),
            plural: "events".into(),
        };
        Self {
            events: Api::namespaced_with(client, "default", &event),
            serial: 0,
        }
    }

    pub async fn tell(&mut self, message: &str) {
        self.serial += 1;
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("told.{}", self.serial), "namespace": "default"}, "message": message, "reason": "Told",
            "type": "Normal", "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "p"},
        });
        self.events
            .create(
                &PostParams::default(),
                &serde_json::from_value(event).unwrap(),
            )
            .await
            .unwrap();
    }
}
