//! Does a real API server take the manifests, with strict validation and the Pod Security Standard
//! "restricted"?

use serde_json::{Value, json};
use testkit::apiserver::{ApiServer, binaries};
use testkit::deploy::{Kubectl, NAMESPACE, chart, kustomize, kustomize_at, objects};

const COMPONENTS: [&str; 9] = [
    "aliyun-sls",
    "config",
    "custom-sink",
    "emptydir",
    "graphite",
    "heartbeat",
    "namespace",
    "pod-monitor",
    "single",
];
const OVERLAYS: [&str; 5] = [
    "base",
    "overlays/aliyun-sls",
    "overlays/beside-kubedl",
    "overlays/custom-sink",
    "overlays/single-emptydir-graphite",
];

/// A cluster with all admission plugins, the namespace of the manifests, and the Prometheus
/// operator's PodMonitor.
struct Cluster {
    _server: ApiServer,
    kubectl: Kubectl,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// With a Pod Security Standard for the namespace.
    fn start(standard: Option<&str>) -> Self {
        // Beside `deploy`, since kustomize takes relative paths alone.
        let folder = tempfile::tempdir_in(binaries()).unwrap();
        let server = ApiServer::start(&folder.path().join("cluster"), &["--light=false"]).unwrap();
        let kubectl = Kubectl::new(&server.kubeconfig);
        let labels = json!({"pod-security.kubernetes.io/enforce": standard, "pod-security.kubernetes.io/warn": standard});
        let labels = standard.map(|_| labels);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}});
        kubectl.apply(&namespace.to_string()).unwrap();
        let crd = binaries().join("podmonitors.yaml");
        kubectl
            .run(&["apply", "--server-side", "-f", crd.to_str().unwrap()], "")
            .unwrap();
        kubectl
            .run(
                &[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=60s",
                    "crd/podmonitors.monitoring.coreos.com",
                ],
                "",
            )
            .unwrap();
        Self {
            _server: server,
            kubectl,
            folder,
        }
    }

    /// The base with some components.
    fn with(&self, components: &[&str]) -> String {
        let place = self.folder.path().join("kustomization");
        std::fs::create_dir_all(&place).unwrap();
        let deploy = "../../../../deploy/kustomize";
        let list: Vec<String> = components
            .iter()
            .map(|name| format!("{deploy}/components/{name}"))
            .collect();
        let text = json!({"resources": [format!("{deploy}/base")], "components": list}).to_string();
        std::fs::write(place.join("kustomization.yaml"), text).unwrap();
        kustomize_at(&place).unwrap()
    }

    /// Nothing is changed: only what the API server says counts.
    fn takes(&self, what: &str, yaml: &str) {
        let (_, warnings) = self
            .kubectl
            .run(
                &[
                    "apply",
                    "--server-side",
                    "--dry-run=server",
                    "--validate=strict",
                    "-f",
                    "-",
                ],
                yaml,
            )
            .unwrap();
        assert!(!warnings.contains("Warning"), "{what}: {warnings}");
        // What a StatefulSet makes is refused only when it is made.
        for set in objects(yaml)
            .unwrap()
            .iter()
            .filter(|object| object["kind"] == "StatefulSet")
        {
            let made = self.kubectl.run(
                &["create", "--dry-run=server", "--validate=strict", "-f", "-"],
                &pod(set).to_string(),
            );
            assert!(made.is_ok(), "{what}: {made:?}");
        }
    }
}

/// The first Pod of a StatefulSet.
fn pod(set: &Value) -> Value {
    let mut spec = set["spec"]["template"]["spec"].clone();
    if let Some(claims) = set["spec"]["volumeClaimTemplates"].as_array() {
        let claims = claims.iter().map(|claim| json!({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "data-0"}}));
        let mut volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
        volumes.extend(claims);
        spec["volumes"] = json!(volumes);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kubedl-events-0", "namespace": NAMESPACE}, "spec": spec})
}

#[test]
fn the_api_server_takes_every_overlay_and_preset_and_their_pods_keep_the_restricted_standard() {
    // Long: one story, told in its order.
    let cluster = Cluster::start(Some("restricted"));
    // A Pod needs its identity; the rest is only tried.
    cluster
        .kubectl
        .run(
            &["create", "serviceaccount", "kubedl-events", "-n", NAMESPACE],
            "",
        )
        .unwrap();
    for place in OVERLAYS {
        cluster.takes(place, &kustomize(place).unwrap());
    }
    cluster.takes("all components", &cluster.with(&COMPONENTS));
    for preset in [
        "default",
        "aliyun-sls",
        "beside-kubedl",
        "custom-sink",
        "single-emptydir-graphite",
    ] {
        cluster.takes(
            &format!("the chart, {preset}"),
            &chart(&format!("{preset}-values.yaml"), &[]).unwrap(),
        );
    }
    let all = [
        "podMonitor.enabled=true",
        "config.objects=all",
        "aliyunSls.enabled=true",
        "graphite.enabled=true",
    ];
    cluster.takes(
        "the chart with a file of settings",
        &chart("custom-sink-values.yaml", &all).unwrap(),
    );
    // A field that Kubernetes does not know is refused, and so is a Pod that is not restricted.
    let why = cluster
        .kubectl
        .apply(
            &kustomize("base")
                .unwrap()
                .replace("serviceName:", "serviceNam:"),
        )
        .unwrap_err()
        .to_string();
    assert!(why.contains("serviceNam"), "{why}");
    let set = objects(&kustomize("base").unwrap())
        .unwrap()
        .into_iter()
        .find(|object| object["kind"] == "StatefulSet")
        .unwrap();
    let mut open = pod(&set);
    open["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
    let why = cluster
        .kubectl
        .run(
            &["create", "--dry-run=server", "-f", "-"],
            &open.to_string(),
        )
        .unwrap_err()
        .to_string();
    assert!(why.contains("violates PodSecurity"), "{why}");
}

#[test]
fn any_two_components_go_together_in_either_order() {
    let place = tempfile::tempdir_in(binaries()).unwrap();
    let make = |components: [&str; 2]| {
        let deploy = "../../../deploy/kustomize";
        let list = components.map(|name| format!("{deploy}/components/{name}"));
        let text = json!({"resources": [format!("{deploy}/base")], "components": list}).to_string();
        std::fs::write(place.path().join("kustomization.yaml"), text).unwrap();
        kustomize_at(place.path()).unwrap_or_else(|why| panic!("{components:?}: {why}"))
    };
    for (position, one) in COMPONENTS.iter().enumerate() {
        for other in &COMPONENTS[position + 1..] {
            let set = |yaml: String| {
                objects(&yaml)
                    .unwrap()
                    .into_iter()
                    .find(|object| object["kind"] == "StatefulSet")
                    .unwrap()
            };
            let (there, back) = (set(make([one, other])), set(make([other, one])));
            let volumes = |set: &Value| {
                set["spec"]["template"]["spec"]["volumes"]
                    .as_array()
                    .map_or(0, Vec::len)
            };
            assert_eq!(volumes(&there), volumes(&back), "{one} and {other}");
            let mut arguments = [there, back].map(|set| {
                let list = set["spec"]["template"]["spec"]["containers"][0]["args"]
                    .as_array()
                    .unwrap()
                    .clone();
                list.iter().map(ToString::to_string).collect::<Vec<_>>()
            });
            arguments.iter_mut().for_each(|list| list.sort());
            assert_eq!(arguments[0], arguments[1], "{one} and {other}");
        }
    }
}

/// KubeDL's page on events persistency has each variable with an empty `value:` beside its
/// `valueFrom:`.
fn page(name: &str, value: &str) -> String {
    include_str!("../deploy/kubedl.yaml")
        .replace("value: EMPTY", value)
        .replace("name: kubedl\n", &format!("name: {name}\n"))
}

#[test]
fn an_empty_value_beside_value_from_is_taken_as_none() {
    let cluster = Cluster::start(None);
    let apply = |name: &str, value: &str, how: &str| {
        cluster.kubectl.run(
            &["apply", how, "--validate=strict", "-f", "-"],
            &page(name, value),
        )
    };
    for (name, value, how) in [
        ("one", "value:", "--server-side"),
        ("two", "value: \"\"", "--server-side"),
        ("three", "value:", "--server-side=false"),
        ("four", "value: \"\"", "--server-side=false"),
    ] {
        let (_, warnings) = apply(name, value, how).unwrap();
        assert_eq!(warnings, "", "{value} {how}");
        let stored = cluster
            .kubectl
            .run(
                &["get", "deployment", name, "-n", NAMESPACE, "-o", "json"],
                "",
            )
            .unwrap()
            .0;
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let variable = &stored["spec"]["template"]["spec"]["containers"][0]["env"][0];
        assert_eq!(
            *variable,
            json!({"name": "SLS_ENDPOINT", "valueFrom": {"secretKeyRef": {"name": "kubedl-sls-config", "key": "endpoint"}}})
        );
    }
    let why = apply("five", "value: x", "--server-side")
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("may not be specified when `value` is not empty"),
        "{why}"
    );
}
