//! Does a sink reach only what was granted, and hurt only itself?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kubedl_events::cluster::Raw;
use kubedl_events::event::{Options, normalize};
use kubedl_events::relay::{Attempt, Destination, Item, Outcome};
use kubedl_events::sink::grant::Document;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Sink};
use testkit::program::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");

fn probe() -> PathBuf {
    let path = testkit::apiserver::binaries().join("probe.wasm");
    assert!(path.is_file(), "{} is not built: run `cargo xtask test`, or `cargo xtask testkit` for it alone", path.display());
    path
}

async fn sink(grant: &str) -> Sink {
    let engine = Engine::new(Compiler::Here, None).unwrap();
    let blueprint = Blueprint::load(&engine, &Artifact::read(&probe()).unwrap()).await.unwrap();
    let grant = Document::parse(grant).unwrap().resolve("probe", None, &|name| Some(format!("value of {name}"))).unwrap();
    Sink::new("probe", blueprint, grant).unwrap()
}

fn recorded(message: &str, version: usize) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"e{version}","namespace":"n","uid":"u{version}","resourceVersion":"{version}","creationTimestamp":"2026-11-23T01:00:00Z"}},"message":"{message}","involvedObject":{{"kind":"PyTorchJob","apiVersion":"training.kubedl.io/v1alpha1","name":"j","namespace":"n"}}}}"#
    )
}

fn items(messages: &[&str]) -> Vec<Arc<Item>> {
    let item = |(version, message): (usize, &&str)| {
        let raw = Raw::from_object(&recorded(message, version)).unwrap().0;
        let event = normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default()).unwrap();
        Arc::new(Item { position: version as i64, event, raw })
    };
    messages.iter().enumerate().map(item).collect()
}

async fn save(sink: &mut Sink, messages: &[&str]) -> Outcome {
    sink.save(Attempt::default(), &items(messages)).await
}

/// What the probe says on its stdout when the program runs with this grant, as lines of the log.
fn said(grant: &str, messages: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let lines: Vec<String> = messages.iter().enumerate().map(|(version, message)| recorded(message, version + 1)).collect();
    std::fs::write(&recording, lines.join("\n")).unwrap();
    std::fs::write(folder.path().join("probe.yaml"), grant).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log").with("--event-storage", probe()).with("--grant-dir", folder.path());
    let start =
        start.with("--from", &recording).flag("--once").with("--timeout", "60s").env("SLS_KEY_SECRET", "the-secret").env("SECRET_B", "hidden-value");
    let (status, _, log) = start.run().unwrap();
    assert!(status.success(), "{status}: {log}");
    log
}

#[test]
fn a_variable_that_was_not_granted_can_not_be_seen() {
    let log = said("env:\n  GRANTED: {from: SECRET_B}\n", &["env SLS_KEY_SECRET", "env GRANTED", "environment"]);
    assert!(log.contains("env SLS_KEY_SECRET absent"), "{log}");
    assert!(log.contains("env GRANTED seen"), "{log}");
    assert!(log.contains(r#"environment [\"GRANTED\"]"#), "{log}");
    assert!(!log.contains("the-secret") && !log.contains("hidden"), "{log}");
}

#[test]
fn a_host_that_was_not_granted_is_denied_and_the_log_names_sink_host_and_the_line_to_add() {
    let log = said("http: [\"https://sls.example.com\"]\n", &["get https://evil.example.com:8443/x", "get http://sls.example.com/"]);
    assert!(log.contains("Error::Denied"), "{log}");
    let line = log.lines().find(|line| line.contains("WARN") && line.contains("evil")).unwrap();
    for words in [r#""sink":"probe""#, r#""host":"evil.example.com""#, "probe.yaml:   - https://evil.example.com:8443"] {
        assert!(line.contains(words), "{line}");
    }
    assert!(log.contains("http://sls.example.com is not in the grant"), "{log}");
}

#[test]
fn files_and_sockets_are_not_there() {
    let log = said("", &["file /etc/passwd", "file .", "connect 127.0.0.1:1", "connect example.com:80", "raw"]);
    assert!(!log.contains("Ok("), "{log}");
    assert_eq!(log.matches("Err(").count(), 4, "{log}");
    assert!(log.contains("raw 2") || log.contains("raw 3"), "Kubernetes' own JSON is there: {log}");
}

#[test]
fn metadata_addresses_and_odd_urls_are_refused_even_if_granted() {
    let grant = "http: [\"http://169.254.169.254\", \"http://example.com\", \"http://127.0.0.1:1\"]\n";
    let log = said(
        grant,
        &[
            "get http://169.254.169.254/latest",
            "get http://me@example.com/",
            "get http://0x7f.1/",
            "get ftp://example.com/",
            "header Host http://example.com/",
            "header Proxy-X http://example.com/",
            "get http://127.0.0.1:1/",
        ],
    );
    let answers: Vec<&str> = log.lines().filter(|line| line.contains(r#""stream":"stdout""#) && !line.contains("closed")).collect();
    let expected = ["Denied", "InvalidRequest", "InvalidRequest", "InvalidRequest", "InvalidRequest", "InvalidRequest", "Connect"];
    assert_eq!(answers.len(), expected.len(), "{log}");
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.contains(expected), "{answer} should be {expected}");
    }
}

#[tokio::test]
async fn a_trap_costs_the_instance_and_nothing_else() {
    let mut sink = sink("").await;
    assert!(matches!(save(&mut sink, &["trap"]).await, Outcome::Broken { maybe_sent: false, .. }));
    assert_eq!(save(&mut sink, &["hello", "again"]).await, Outcome::Stored(vec![]));
}

#[tokio::test]
async fn a_call_that_computes_or_waits_for_ever_is_ended() {
    for word in ["loop", "sleep"] {
        let mut sink = sink("limits: {call: 300ms}\n").await;
        let outcome = tokio::time::timeout(Duration::from_secs(30), save(&mut sink, &[word])).await.expect("it is ended");
        assert!(matches!(&outcome, Outcome::Broken { reason, .. } if reason.contains("300 ms")), "{word}: {outcome:?}");
        assert_eq!(save(&mut sink, &["hello"]).await, Outcome::Stored(vec![]), "{word}");
    }
}

#[tokio::test]
async fn memory_over_the_limit_is_not_given() {
    let mut sink = sink("limits: {memory: 16MiB}\n").await;
    assert!(matches!(save(&mut sink, &["grow 64"]).await, Outcome::Broken { .. }));
    assert_eq!(save(&mut sink, &["grow 4"]).await, Outcome::Stored(vec![]));
    assert!(sink.memory() <= 16 << 20, "{}", sink.memory());
}

#[tokio::test]
async fn a_garbage_answer_is_not_believed() {
    let mut sink = sink("").await;
    assert!(matches!(save(&mut sink, &["index"]).await, Outcome::Broken { .. }));
    assert!(
        matches!(save(&mut sink, &["x", "fail"]).await, Outcome::Stored(failures) if failures.len() == 1 && failures[0].index == 1 && !failures[0].retryable)
    );
    assert!(matches!(save(&mut sink, &["x", "refuse"]).await, Outcome::Refused { .. }));
}
