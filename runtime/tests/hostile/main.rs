//! Does the cage hold against a sink that attacks it? One module a topic; SECURITY.md's table is
//! made of the lines above each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod account;
mod beside;
mod cage;
mod compiling;
mod container;
mod describing;
mod echoed;
mod folder;
mod fuzz;
mod gate;
mod guest;
mod limits;
mod loading;
mod memory;
mod port;
mod private;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use jiff::Timestamp;
use kubedl_events::cluster::Raw;
use kubedl_events::event::{Options, normalize};
use kubedl_events::relay::{Attempt, Destination, Item, Outcome};
use kubedl_events::sink::grant::Document;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Sink};
use testkit::program::Start;

fn probe() -> PathBuf {
    let path = testkit::apiserver::binaries().join("probe.wasm");
    assert!(
        path.is_file(),
        "{} is not built: run `cargo xtask test`, or `cargo xtask testkit` for it alone",
        path.display()
    );
    path
}

/// The probe with a grant; each variable has the value `value of NAME`.
async fn sink(grant: &str) -> Sink {
    let engine = Engine::new(Compiler::Here, None).unwrap();
    let blueprint = Blueprint::load(&engine, &Artifact::read(&probe()).unwrap())
        .await
        .unwrap();
    let grant = Document::parse(grant)
        .unwrap()
        .resolve("probe", None, &|name| Some(format!("value of {name}")))
        .unwrap();
    Sink::new("probe", blueprint, grant).unwrap()
}

fn recorded(message: &str, version: usize) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"e{version}","namespace":"n","uid":"u{version}","resourceVersion":"{version}","creationTimestamp":"2026-11-23T01:00:00Z"}},"message":"{message}","involvedObject":{{"kind":"PyTorchJob","apiVersion":"training.kubedl.io/v1alpha1","name":"j","namespace":"n"}}}}"#
    )
}

/// Has it do what each message says, in one batch.
async fn save(sink: &mut Sink, messages: &[&str]) -> Outcome {
    let item = |(version, message): (usize, &&str)| {
        let raw = Raw::from_object(&recorded(message, version)).unwrap().0;
        let event = normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default()).unwrap();
        Arc::new(Item {
            position: version as i64,
            event,
            raw,
        })
    };
    let items: Vec<_> = messages.iter().enumerate().map(item).collect();
    sink.save(Attempt::default(), &items).await
}

/// Runs the program on the probe with a grant and a way to set more, and gives its log.
fn run(grant: &str, messages: &[&str], more: impl FnOnce(Start) -> Start) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    let lines: Vec<String> = messages
        .iter()
        .enumerate()
        .map(|(version, message)| recorded(message, version + 1))
        .collect();
    std::fs::write(&recording, lines.join("\n")).unwrap();
    std::fs::write(folder.path().join("probe.yaml"), grant).unwrap();
    let start = Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    )
    .with("--event-storage", probe());
    let start = start
        .with("--grant-dir", folder.path())
        .with("--from", &recording)
        .flag("--once")
        .with("--timeout", "60s");
    let (status, _, log) = more(start).run().unwrap();
    (status, log)
}

/// What the probe said, line by line.
fn said(log: &str) -> Vec<String> {
    let text = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["stream"] == "stdout")
            .then(|| line["message"].as_str().unwrap_or_default().to_owned())
    };
    log.lines().filter_map(text).collect()
}
