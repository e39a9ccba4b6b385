//! Does a real graphite-web show what the sink `graphite` stores, to Grafana's own query for
//! annotations?

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use testkit::graphite::Graphite;
use testkit::program::Start;

use crate::PROGRAM;

/// What Grafana asks for the annotations of a dashboard
/// (public/app/plugins/datasource/graphite/datasource.ts: `annotationQuery`): tags, and the
/// dashboard's time in seconds.
fn annotations(graphite: &Graphite, tags: &str) -> Vec<Value> {
    // The recording's events are of 2026-11-23T11:31:42Z.
    let url = format!(
        "{}/events/get_data?from=1795431600&until=1795435200&tags={tags}",
        graphite.url()
    );
    let text = ureq::get(&url)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn grafana_finds_every_event_of_a_job_once() {
    // Long: one story, told in its order.
    let graphite = Graphite::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/recordings/job.jsonl");
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "graphite")
        .env("GRAPHITE_URL", graphite.url());
    let (status, _, log) = start
        .with("--from", &recording)
        .flag("--once")
        .with("--timeout", "120s")
        .run()
        .unwrap();
    assert!(status.success(), "{log}");

    let text = std::fs::read_to_string(&recording).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|object| object["kind"] == "Event");
    let of_job = events.filter(|event| {
        event["involvedObject"]["name"]
            .as_str()
            .unwrap()
            .starts_with("mnist")
    });
    let written: BTreeSet<(String, String)> = of_job
        .map(|event| {
            (
                event["metadata"]["uid"].as_str().unwrap().to_owned(),
                event["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            )
        })
        .collect();
    assert!(written.len() > 20, "the recording has a job's life in it");

    let found = annotations(&graphite, "job:mnist");
    let tag = |event: &Value, prefix: &str| {
        let tags = event["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        tags.filter_map(|tag| tag.strip_prefix(prefix))
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let identities: Vec<(String, String)> = found
        .iter()
        .map(|event| (tag(event, "uid:"), tag(event, "rv:")))
        .collect();
    assert_eq!(identities.len(), written.len(), "each once");
    assert_eq!(identities.into_iter().collect::<BTreeSet<_>>(), written);
    let warnings = annotations(&graphite, "job:mnist%20Warning");
    assert!(!warnings.is_empty() && warnings.len() < found.len());
    assert!(
        warnings.iter().all(|event| event["what"]
            .as_str()
            .unwrap()
            .starts_with("BackOff: Pod/mnist-worker-1")),
        "{warnings:?}"
    );
}
