//! Do dashboard and alerts speak of metrics that are there, and of runbooks that are written?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use kubedl_events::telemetry::metrics::{Kind, METRICS};
use serde_json::Value;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// Names of series that a query asks for.
fn series(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("kubedl_events_"))
        .map(str::to_owned)
        .collect()
}

/// Names of all series that a scrape can have.
fn there() -> BTreeSet<String> {
    let of = |name: &str, kind| match kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .map(|suffix| format!("{name}{suffix}"))
            .to_vec(),
        Kind::Counter | Kind::Gauge => vec![name.to_owned()],
    };
    METRICS
        .iter()
        .flat_map(|metric| of(metric.name, metric.kind))
        .collect()
}

/// All texts in a document under a key.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| under(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| under(value, key, found)),
        _ => {}
    }
}

fn all_under(value: &Value, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    under(value, key, &mut found);
    found.into_iter().map(str::to_owned).collect()
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .replace(' ', "-")
}

fn rules() -> Value {
    serde_saphyr::from_str(&read("deploy/monitoring/rules.yaml")).unwrap()
}

#[test]
fn every_series_of_the_dashboard_and_of_the_rules_is_in_a_scrape() {
    let dashboard: Value = serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap();
    let there = there();
    for (name, queries) in [
        ("dashboard", all_under(&dashboard, "expr")),
        ("rules", all_under(&rules(), "expr")),
    ] {
        assert!(queries.len() > 15, "{name}");
        let asked: BTreeSet<String> = queries.iter().flat_map(|query| series(query)).collect();
        assert!(
            asked.is_subset(&there),
            "the {name} asks for {:?}",
            asked.difference(&there).collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let shown = series(&read("deploy/monitoring/dashboard.json"));
    let missing: Vec<_> = METRICS
        .iter()
        .filter(|metric| !shown.iter().any(|shown| shown.starts_with(metric.name)))
        .map(|metric| metric.name)
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_alert_is_tried_and_has_a_runbook() {
    let (rules, page, tries) = (
        rules(),
        read("docs/operating.md"),
        read("deploy/monitoring/rules.test.yaml"),
    );
    let anchors: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(anchor)
        .collect();
    for url in all_under(&rules, "runbook_url") {
        let anchor = url
            .strip_prefix("docs/operating.md#")
            .unwrap_or_else(|| panic!("{url} is not a heading of docs/operating.md"));
        assert!(anchors.contains(anchor), "{url}: there are {anchors:?}");
    }
    for alert in all_under(&rules, "alert") {
        assert!(
            page.contains(&alert),
            "docs/operating.md says nothing of {alert}"
        );
        assert!(
            tries.contains(&format!("\"{alert}\"")),
            "rules.test.yaml does not try {alert}"
        );
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    for (verb, name) in [("check", "rules.yaml"), ("test", "rules.test.yaml")] {
        let Ok(output) = Command::new(&promtool)
            .args([verb, "rules"])
            .arg(file("deploy/monitoring").join(name))
            .output()
        else {
            return eprintln!(
                "promtool is not installed: the rules were not tried (CONTRIBUTING.md says how to get it)"
            );
        };
        let words = [output.stdout, output.stderr]
            .map(|words| String::from_utf8_lossy(&words).into_owned())
            .concat();
        assert!(
            output.status.success(),
            "promtool {verb} rules {name}: {words}"
        );
    }
}
