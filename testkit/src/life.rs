//! The life of a KubeDL training job, as a cluster would show it: objects with real owner
//! references, and the events of a run.
//!
//! What happens is taken from what KubeDL's controllers and the kubelet write (reasons and messages
//! of KubeDL's `pkg/job_controller`, Kubernetes' `pkg/kubelet/events`); nobody runs a container
//! here.

// Long: one job's life, in its order.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// An object of the story.
#[derive(Clone, Debug)]
pub struct Object {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
}

/// One version of an event that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `Kind/name` of what it is about.
    pub about: String,
    /// Its reason.
    pub reason: String,
    /// Its count.
    pub count: u32,
    /// Whether it is about a KubeDL job, or something that one controls.
    pub belongs: bool,
    /// `metadata.uid` of the Event.
    pub uid: String,
    /// `metadata.resourceVersion` of this version.
    pub resource_version: String,
    /// When the API server had taken it.
    pub at: SystemTime,
}

/// What a story needs, and what it has written so far.
pub struct Life {
    client: kube::Client,
    namespace: String,
    written: Vec<Written>,
    serial: u32,
}

type Result<T> = std::result::Result<T, kube::Error>;

/// The kinds of the story that Kubernetes does not have.
const KINDS: [(&str, &str, &str, &str); 2] = [
    (
        "training.kubedl.io",
        "v1alpha1",
        "PyTorchJob",
        "pytorchjobs",
    ),
    ("serving.kubedl.io", "v1alpha1", "Inference", "inferences"),
];

impl Life {
    /// Makes the namespace and KubeDL's kinds.
    pub async fn begin(client: kube::Client, namespace: &str) -> Result<Self> {
        let life = Self {
            client,
            namespace: namespace.to_owned(),
            written: Vec::new(),
            serial: 0,
        };
        for (group, version, kind, plural) in KINDS {
            let spec = json!({
                "group": group, "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
                "versions": [{"name": version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            });
            let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.{group}")}, "spec": spec});
            life.make_global(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "customresourcedefinitions",
                crd,
            )
            .await?;
        }
        let space =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        life.make_global("v1", "Namespace", "namespaces", space)
            .await?;
        Ok(life)
    }

    /// Everything that was written.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// A PyTorchJob alone, which nothing runs for.
    pub async fn job(&self, name: &str) -> Result<Object> {
        self.make(
            "training.kubedl.io/v1alpha1",
            "PyTorchJob",
            "pytorchjobs",
            name,
            None,
            json!({}),
        )
        .await
    }

    /// A PyTorchJob with a master and two workers that trains and succeeds, one worker stumbling on
    /// the way; 30 versions of events.
    pub async fn train(&mut self, name: &str) -> Result<()> {
        // Long: one story, told in its order.
        let job = self.job(name).await?;
        self.say(
            &job,
            "JobCreated",
            "Normal",
            &format!("PyTorchJob {name} is created."),
            "pytorchjob-controller",
            true,
        )
        .await?;
        let mut pods = Vec::new();
        for role in ["master-0", "worker-0", "worker-1"] {
            let pod_name = format!("{name}-{role}");
            let pod = self
                .make(
                    "v1",
                    "Pod",
                    "pods",
                    &pod_name,
                    Some(&job),
                    json!({"containers": [{"name": "pytorch", "image": "train:1"}]}),
                )
                .await?;
            self.say(
                &job,
                "SuccessfulCreatePod",
                "Normal",
                &format!("Created pod: {pod_name}"),
                "pytorchjob-controller",
                true,
            )
            .await?;
            let service = self
                .make(
                    "v1",
                    "Service",
                    "services",
                    &pod_name,
                    Some(&job),
                    json!({"ports": [{"port": 23456}], "clusterIP": "None"}),
                )
                .await?;
            self.say(
                &service,
                "SuccessfulCreateService",
                "Normal",
                &format!("Created service: {pod_name}"),
                "pytorchjob-controller",
                true,
            )
            .await?;
            pods.push(pod);
        }
        for pod in &pods {
            self.say_new(
                pod,
                "Scheduled",
                &format!(
                    "Successfully assigned {}/{} to node-1",
                    self.namespace, pod.name
                ),
                true,
            )
            .await?;
            for (reason, message) in [
                ("Pulling", "Pulling image \"train:1\""),
                ("Pulled", "Successfully pulled image \"train:1\" in 2.1s"),
                ("Created", "Created container: pytorch"),
                ("Started", "Started container pytorch"),
            ] {
                self.say(pod, reason, "Normal", message, "kubelet", true)
                    .await?;
            }
        }
        self.say(
            &job,
            "JobRunning",
            "Normal",
            &format!("PyTorchJob {name} is running."),
            "pytorchjob-controller",
            true,
        )
        .await?;
        if let Some(worker) = pods.last() {
            self.say(
                worker,
                "BackOff",
                "Warning",
                "Back-off restarting failed container pytorch in pod",
                "kubelet",
                true,
            )
            .await?;
            self.again(2).await?;
            self.again(3).await?;
            self.again(4).await?;
        }
        self.say(
            &job,
            "JobSucceeded",
            "Normal",
            &format!("PyTorchJob {name} is successfully completed."),
            "pytorchjob-controller",
            true,
        )
        .await
    }

    /// An Inference with its Deployment, ReplicaSet and Pod; 2 versions of events.
    pub async fn serve(&mut self, name: &str) -> Result<()> {
        let inference = self
            .make(
                "serving.kubedl.io/v1alpha1",
                "Inference",
                "inferences",
                name,
                None,
                json!({}),
            )
            .await?;
        let pod = self.deploy(name, Some(&inference)).await?;
        self.say(
            &inference,
            "InferenceCreated",
            "Normal",
            &format!("Inference {name} is created."),
            "inference-controller",
            true,
        )
        .await?;
        self.say(
            &pod,
            "Started",
            "Normal",
            "Started container main",
            "kubelet",
            true,
        )
        .await
    }

    /// What else goes on in a cluster, and is none of KubeDL's business: a web server and a node; 3
    /// versions of events.
    pub async fn noise(&mut self) -> Result<()> {
        let pod = self.deploy("web", None).await?;
        self.say(
            &pod,
            "Started",
            "Normal",
            "Started container main",
            "kubelet",
            false,
        )
        .await?;
        self.say(
            &pod,
            "Unhealthy",
            "Warning",
            "Readiness probe failed: HTTP probe failed with statuscode: 500",
            "kubelet",
            false,
        )
        .await?;
        let node = Object {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: "node-1".to_owned(),
            uid: "node-1".to_owned(),
        };
        let namespace = std::mem::replace(&mut self.namespace, "default".to_owned());
        let said = self
            .say(
                &node,
                "NodeReady",
                "Normal",
                "Node node-1 status is now: NodeReady",
                "kubelet",
                false,
            )
            .await;
        self.namespace = namespace;
        said
    }

    /// What `kubectl get events,pods,services,replicasets,deployments -A -o json` would show, an
    /// object each. Events of KubeDL's jobs, and of what they control, have the label `belongs:
    /// "yes"`.
    pub async fn recording(&self) -> Result<Vec<Value>> {
        let kinds = [
            ("v1", "Pod", "pods"),
            ("v1", "Service", "services"),
            ("apps/v1", "ReplicaSet", "replicasets"),
            ("apps/v1", "Deployment", "deployments"),
            ("v1", "Event", "events"),
        ];
        let mut objects = Vec::new();
        for (api_version, kind, plural) in kinds {
            let api: Api<DynamicObject> =
                Api::all_with(self.client.clone(), &resource(api_version, kind, plural));
            for mut object in api.list(&ListParams::default()).await? {
                object.metadata.managed_fields = None;
                object.types = Some(kube::core::TypeMeta {
                    api_version: api_version.to_owned(),
                    kind: kind.to_owned(),
                });
                let uid = object.metadata.uid.clone().unwrap_or_default();
                if self
                    .written
                    .iter()
                    .any(|written| written.uid == uid && written.belongs)
                {
                    object
                        .metadata
                        .labels
                        .get_or_insert_default()
                        .insert("belongs".to_owned(), "yes".to_owned());
                }
                objects.push(serde_json::to_value(object).map_err(kube::Error::SerdeError)?);
            }
        }
        Ok(objects)
    }

    async fn deploy(&self, name: &str, owner: Option<&Object>) -> Result<Object> {
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "serve:1"}]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template});
        let deployment = self
            .make(
                "apps/v1",
                "Deployment",
                "deployments",
                name,
                owner,
                spec.clone(),
            )
            .await?;
        let set = self
            .make(
                "apps/v1",
                "ReplicaSet",
                "replicasets",
                &format!("{name}-6b8f"),
                Some(&deployment),
                spec,
            )
            .await?;
        self.make(
            "v1",
            "Pod",
            "pods",
            &format!("{name}-6b8f-x2x"),
            Some(&set),
            json!({"containers": [{"name": "main", "image": "serve:1"}]}),
        )
        .await
    }

    async fn make(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        name: &str,
        owner: Option<&Object>,
        spec: Value,
    ) -> Result<Object> {
        let mut metadata = json!({"name": name, "namespace": self.namespace});
        if let (Some(owner), Some(fields)) = (owner, metadata.as_object_mut()) {
            let reference = json!([{"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": true, "blockOwnerDeletion": true}]);
            fields.insert("ownerReferences".to_owned(), reference);
        }
        let made =
            self.create(api_version, kind, plural, json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})).await?;
        let uid = made.metadata.uid.unwrap_or_default();
        Ok(Object {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid,
        })
    }

    async fn create(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        object: Value,
    ) -> Result<DynamicObject> {
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &resource(api_version, kind, plural),
        );
        let object: DynamicObject =
            serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        // A kind is served a moment after it is made.
        for _ in 0..100 {
            match api.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    tokio::time::sleep(Duration::from_millis(50)).await
                }
                answer => return answer,
            }
        }
        api.create(&PostParams::default(), &object).await
    }

    async fn make_global(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        object: Value,
    ) -> Result<()> {
        let api: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &resource(api_version, kind, plural));
        let object: DynamicObject =
            serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        match api.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Writes a new event in the way of client-go's old recorder (core/v1).
    pub async fn say(
        &mut self,
        about: &Object,
        reason: &str,
        kind: &str,
        message: &str,
        component: &str,
        belongs: bool,
    ) -> Result<()> {
        let now = now("%Y-%m-%dT%H:%M:%SZ");
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": self.event_metadata(about), "involvedObject": self.reference(about),
            "reason": reason, "message": message, "type": kind, "count": 1, "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": component, "host": "node-1"},
        });
        let made = self.create("v1", "Event", "events", event).await?;
        self.note(about, reason, 1, belongs, &made);
        Ok(())
    }

    /// Writes a new event in the way of the scheduler (events.k8s.io/v1).
    pub async fn say_new(
        &mut self,
        about: &Object,
        reason: &str,
        message: &str,
        belongs: bool,
    ) -> Result<()> {
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": self.event_metadata(about), "regarding": self.reference(about),
            "reason": reason, "note": message, "type": "Normal", "action": "Binding", "eventTime": now("%Y-%m-%dT%H:%M:%S%.6fZ"),
            "reportingController": "default-scheduler", "reportingInstance": "default-scheduler-0",
        });
        let made = self
            .create("events.k8s.io/v1", "Event", "events", event)
            .await?;
        self.note(about, reason, 1, belongs, &made);
        Ok(())
    }

    /// Raises the count of the last event, as a recorder does when the same happens again.
    pub async fn again(&mut self, count: u32) -> Result<()> {
        let Some(last) = self.written.last().cloned() else {
            return Ok(());
        };
        let name = format!("story.{:04}", self.serial);
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.client.clone(),
            &self.namespace,
            &resource("v1", "Event", "events"),
        );
        let patch = json!({"count": count, "lastTimestamp": now("%Y-%m-%dT%H:%M:%SZ")});
        let made = api
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let resource_version = made.metadata.resource_version.unwrap_or_default();
        self.written.push(Written {
            count,
            resource_version,
            at: SystemTime::now(),
            ..last
        });
        Ok(())
    }

    fn event_metadata(&mut self, about: &Object) -> Value {
        self.serial += 1;
        let labels: BTreeMap<&str, &str> = BTreeMap::from([("story", about.name.as_str())]);
        json!({"name": format!("story.{:04}", self.serial), "namespace": self.namespace, "labels": labels})
    }

    fn reference(&self, about: &Object) -> Value {
        let namespace = if about.kind == "Node" {
            ""
        } else {
            &self.namespace
        };
        json!({"apiVersion": about.api_version, "kind": about.kind, "namespace": namespace, "name": about.name, "uid": about.uid})
    }

    fn note(
        &mut self,
        about: &Object,
        reason: &str,
        count: u32,
        belongs: bool,
        made: &DynamicObject,
    ) {
        self.written.push(Written {
            about: format!("{}/{}", about.kind, about.name),
            reason: reason.to_owned(),
            count,
            belongs,
            uid: made.metadata.uid.clone().unwrap_or_default(),
            resource_version: made.metadata.resource_version.clone().unwrap_or_default(),
            at: SystemTime::now(),
        });
    }
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

fn now(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}
