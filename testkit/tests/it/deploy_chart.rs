//! Does the Helm chart install what the kustomizations install?

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::apiserver::binaries;
use testkit::deploy::{chart, folder, kustomize, kustomize_at, objects};

/// A kustomization and the values that mean the same.
const PRESETS: [(&str, &str); 5] = [
    ("base", "default-values.yaml"),
    ("overlays/aliyun-sls", "aliyun-sls-values.yaml"),
    ("overlays/beside-kubedl", "beside-kubedl-values.yaml"),
    (
        "overlays/single-emptydir-graphite",
        "single-emptydir-graphite-values.yaml",
    ),
    ("overlays/custom-sink", "custom-sink-values.yaml"),
];

/// By kind and name. Without what only Helm has: two labels, and what it runs for `helm test`.
fn by_name(yaml: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for mut object in objects(yaml).unwrap() {
        if object["metadata"]["annotations"]["helm.sh/hook"].is_string() {
            continue;
        }
        let labels = object["metadata"]["labels"]
            .as_object_mut()
            .expect("each object has labels");
        labels.remove("helm.sh/chart");
        labels.remove("app.kubernetes.io/managed-by");
        let name = format!(
            "{} {}/{}",
            object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]
        );
        assert!(
            all.insert(name.clone(), object).is_none(),
            "{name} is there twice"
        );
    }
    all
}

#[test]
fn the_chart_and_the_kustomizations_make_the_same_objects() {
    for (place, values) in PRESETS {
        same(
            place,
            &kustomize(place).unwrap(),
            values,
            &chart(values, &[]).unwrap(),
        );
    }
}

#[test]
fn a_component_that_no_overlay_has_and_the_charts_value_make_the_same_objects() {
    for (component, value) in [
        ("pod-monitor", "podMonitor.enabled=true"),
        ("heartbeat", "heartbeat=1m"),
    ] {
        let helms = chart("default-values.yaml", &[value]).unwrap();
        same(component, &base_with(component), value, &helms);
    }
}

/// The base with a component.
fn base_with(component: &str) -> String {
    let place = tempfile::tempdir_in(binaries()).unwrap();
    let text = format!(
        "resources: [../../../deploy/kustomize/base]\ncomponents: [../../../deploy/kustomize/components/{component}]\n"
    );
    std::fs::write(place.path().join("kustomization.yaml"), text).unwrap();
    kustomize_at(place.path()).unwrap()
}

#[test]
fn events_may_be_written_with_a_heartbeat_alone() {
    let writes = |yaml: &str| {
        let roles = objects(yaml)
            .unwrap()
            .into_iter()
            .filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
        let rules: Vec<Value> = roles
            .flat_map(|role| role["rules"].as_array().unwrap().clone())
            .collect();
        let of_events = rules.iter().filter(|rule| {
            rule["resources"]
                .as_array()
                .unwrap()
                .contains(&"events".into())
        });
        of_events
            .flat_map(|rule| rule["verbs"].as_array().unwrap())
            .any(|verb| verb == "create" || verb == "patch")
    };
    for (place, values) in PRESETS {
        assert!(
            !writes(&kustomize(place).unwrap()) && !writes(&chart(values, &[]).unwrap()),
            "{place}"
        );
    }
    assert!(
        writes(&base_with("heartbeat"))
            && writes(&chart("default-values.yaml", &["heartbeat=30s"]).unwrap())
    );
}

fn same(place: &str, ours: &str, values: &str, helms: &str) {
    let (ours, helms) = (by_name(ours), by_name(helms));
    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&helms), "{place} and {values}");
    for (name, object) in &ours {
        let (ours, helms) = (
            serde_json::to_string_pretty(object).unwrap(),
            serde_json::to_string_pretty(&helms[name]).unwrap(),
        );
        assert_eq!(ours, helms, "{name} of {place} (left) and {values} (right)");
    }
}

#[test]
fn each_overlay_has_values_that_mean_the_same() {
    let names = |place: &str| {
        let entries = std::fs::read_dir(folder().join(place)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    let mut overlays = names("kustomize/overlays");
    overlays.push("default".to_owned());
    let mut values: Vec<String> = names("helm/kubedl-events/ci")
        .iter()
        .map(|name| name.replace("-values.yaml", ""))
        .collect();
    overlays.sort();
    values.sort();
    assert_eq!(overlays, values);
    assert_eq!(PRESETS.len(), values.len());
}

#[test]
fn a_value_that_the_chart_does_not_know_is_refused() {
    let why = chart_with("replica: 3\n").unwrap_err().to_string();
    assert!(why.contains("replica"), "{why}");
    let why = chart_with("replicas: 0\n").unwrap_err().to_string();
    assert!(why.contains("replicas"), "{why}");
}

#[test]
fn a_setting_that_another_one_would_win_over_is_refused() {
    for (values, words) in [
        (
            "config: {event-storage: [stdout]}\ngraphite: {enabled: true}\n",
            "since these win over it: graphite.enabled.",
        ),
        (
            "config: {event-storage: [stdout]}\naliyunSls: {enabled: true}\neventStorage: [webhook]\n",
            "aliyunSls.enabled, eventStorage.",
        ),
        (
            "config: {event-storage: [stdout]}\ncustomSinks: [{name: my-sink, configMap: my-sink}]\n",
            "customSinks.",
        ),
        (
            "config: {event-storage: [stdout]}\nargs: [--event-storage=webhook]\n",
            "since these win over it: args.",
        ),
        ("config: {max-size: 3Gi}\n", "set the value maxSize"),
        ("args: [--lease-name=mine]\n", "set the value leaseName"),
        ("args: [--heartbeat]\n", "set the value heartbeat"),
        ("config: {heartbeat: 30s}\n", "set the value heartbeat"),
        (
            "args: [--leader-elect]\n",
            "leave it out while replicas is above 1",
        ),
    ] {
        let why = chart_with(values).unwrap_err().to_string();
        assert!(why.contains(words), "{values}: {why}");
    }
    for values in [
        "config: {event-storage: [stdout], leader-elect: true}\n",
        "config: {objects: all}\ngraphite: {enabled: true}\n",
    ] {
        chart_with(values).unwrap();
    }
}

#[test]
fn the_lease_can_have_another_name() {
    let made = chart_with("leaseName: mine\n").unwrap();
    assert_eq!(made.matches("--lease-name").count(), 1, "{made}");
    assert!(made.contains("--lease-name=mine"), "{made}");
}

fn chart_with(values: &str) -> std::io::Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    std::fs::write(&path, values).unwrap();
    // An absolute path takes the place of the chart's own folder.
    chart(path.to_str().unwrap(), &[])
}
