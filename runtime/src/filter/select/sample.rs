//! Events that an expression is tried on before it decides about real ones.

use jiff::Timestamp;

use crate::event::{Event, ObjectReference};

/// An event of a job's Pod, one of the job itself, and one with as little in it as Kubernetes lets
/// pass.
pub(super) fn events() -> [Event; 3] {
    let object = |api_version: &str, kind: &str, name: &str| ObjectReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: "train".to_owned(),
        name: name.to_owned(),
        uid: "0b7c3b1e-0000-4000-8000-000000000001".to_owned(),
        field_path: String::new(),
    };
    let job = object("training.kubedl.io/v1alpha1", "PyTorchJob", "mnist");
    let pod = Event {
        uid: "0b7c3b1e-0000-4000-8000-000000000002".to_owned(),
        resource_version: "1234".to_owned(),
        namespace: "train".to_owned(),
        name: "mnist-worker-0.17a0b1c2d3e4f506".to_owned(),
        kind: "Warning".to_owned(),
        reason: "BackOff".to_owned(),
        action: String::new(),
        message: "Back-off restarting failed container".to_owned(),
        count: 3,
        first_timestamp: Timestamp::constant(1_767_225_600, 0),
        last_timestamp: Timestamp::constant(1_767_225_660, 0),
        observed_at: Timestamp::constant(1_767_225_661, 0),
        component: "kubelet".to_owned(),
        host: "node-1".to_owned(),
        instance: "node-1".to_owned(),
        regarding: ObjectReference {
            field_path: "spec.containers{pytorch}".to_owned(),
            ..object("v1", "Pod", "mnist-worker-0")
        },
        related: None,
        job: Some(job.clone()),
        region: Some("cn-zhangjiakou".to_owned()),
        cluster: Some("training".to_owned()),
        labels: Vec::new(),
    };
    let own = Event {
        kind: "Normal".to_owned(),
        reason: "JobRunning".to_owned(),
        count: 1,
        regarding: job,
        ..pod.clone()
    };
    let bare = Event {
        kind: String::new(),
        reason: String::new(),
        message: String::new(),
        component: String::new(),
        host: String::new(),
        instance: String::new(),
        count: 1,
        regarding: ObjectReference::default(),
        job: None,
        region: None,
        cluster: None,
        ..pod.clone()
    };
    [pod, own, bare]
}
