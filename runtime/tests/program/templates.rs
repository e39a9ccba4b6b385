//! Do the sinks that `sink new` begins pass the suite, and deliver events of the real API server?
//!
//! `cargo xtask test` builds those in Rust, C and JavaScript first, `cargo xtask test --languages`
//! those in Go, Python and TypeScript, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::apiserver::{ApiServer, client};
use testkit::hook::{Hook, Posted};
use testkit::life::{Life, Written};
use testkit::program::Start;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(180);
const ALWAYS: [&str; 3] = ["rust", "c", "javascript"];
const ON_DEMAND: [&str; 3] = ["go", "python", "typescript"];

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/templates")
}

/// The component and its cases and grant.
fn built(language: &str) -> (PathBuf, PathBuf) {
    let (component, folder) = (
        templates().join(format!("{language}.wasm")),
        templates().join(language),
    );
    assert!(
        component.is_file(),
        "{} is missing: `cargo xtask test --languages` builds it",
        component.display()
    );
    (component, folder)
}

/// The suite, with its ten thousand batches.
fn passes(language: &str) {
    let (component, folder) = built(language);
    let mut command = Command::new(PROGRAM);
    command
        .args(["sink", "test"])
        .arg(component)
        .arg("--cases")
        .arg(folder.join("cases.yaml"));
    command.arg("--grant").arg(folder.join("my-sink.yaml"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(
        output.status.success(),
        "{language}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_sink_in_rust_passes_the_suite() {
    passes("rust");
}

#[test]
fn the_sink_in_c_passes_the_suite() {
    passes("c");
}

#[test]
fn the_sink_in_javascript_passes_the_suite() {
    passes("javascript");
}

#[test]
#[ignore = "`cargo xtask test --languages` builds it"]
fn the_sink_in_go_passes_the_suite() {
    passes("go");
}

#[test]
#[ignore = "`cargo xtask test --languages` builds it"]
fn the_sink_in_python_passes_the_suite() {
    passes("python");
}

#[test]
#[ignore = "`cargo xtask test --languages` builds it"]
fn the_sink_in_typescript_passes_the_suite() {
    passes("typescript");
}

#[test]
fn what_npm_and_pip_bring_is_locked_by_hash() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |place: &str| {
        std::fs::read_to_string(root.join(place)).unwrap_or_else(|why| panic!("{place}: {why}"))
    };
    for place in ["template", "template-typescript", "contract"] {
        let lock: Value =
            serde_json::from_str(&read(&format!("sdk/javascript/{place}/package-lock.json")))
                .unwrap();
        let foreign = |(name, package): &(&String, &Value)| {
            name.contains("node_modules/") && package["link"] != true
        };
        let packages: Vec<_> = lock["packages"]
            .as_object()
            .unwrap()
            .iter()
            .filter(foreign)
            .collect();
        assert!(
            packages.iter().all(|(_, package)| package["integrity"]
                .as_str()
                .is_some_and(|hash| hash.starts_with("sha512-"))),
            "{place}"
        );
        // Another registry than the usual one is each machine's own setting.
        assert!(
            !packages.is_empty()
                && packages
                    .iter()
                    .all(|(_, package)| package["resolved"].is_null()),
            "{place}"
        );
    }
    for place in [
        "sdk/python/template",
        "sdk/c/template",
        "testkit/sls-sdk-check",
    ] {
        let text = read(&format!("{place}/requirements.txt"));
        let mut packages = text
            .lines()
            .filter(|line| !line.starts_with(['#', ' ']))
            .peekable();
        assert!(
            packages.peek().is_some()
                && packages.all(|line| line.contains("==") && line.ends_with(" \\")),
            "{place}"
        );
        let hashes = text.lines().filter(|line| line.starts_with(' '));
        assert!(
            hashes.clone().count() > 0
                && hashes
                    .clone()
                    .all(|line| line.trim_start().starts_with("--hash=sha256:")),
            "{place}"
        );
    }
}

/// Ids of the CloudEvents that were posted for a language, in order.
fn ids(posted: &[Posted], language: &str) -> Vec<String> {
    let of_language = posted
        .iter()
        .filter(|(path, _)| path == &format!("/{language}"));
    let batches = of_language.map(|(_, body)| {
        serde_json::from_slice::<Vec<Value>>(body).expect("a batch of CloudEvents")
    });
    batches
        .flatten()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

fn of_job(life: &Life) -> impl Iterator<Item = &Written> {
    life.written().iter().filter(|event| event.belongs)
}

/// Each language's sink gets the life of a job from the API server, all at the same time.
async fn deliver(languages: &[&str]) {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let (server, hook) = (
        ApiServer::start(folder.path(), &[]).unwrap(),
        Hook::start().unwrap(),
    );
    let grants = folder.path().join("grants");
    std::fs::create_dir(&grants).unwrap();
    let mut start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", &server.kubeconfig)
        .with("--grant-dir", &grants);
    for language in languages {
        let (component, its) = built(language);
        let grant = std::fs::read_to_string(its.join("my-sink.yaml")).unwrap();
        let own = grant.replace(
            "{from: WEBHOOK_URL}",
            &format!("{{value: \"{}/{language}\"}}", hook.url()),
        );
        assert_ne!(
            own, grant,
            "the template's grant takes WEBHOOK_URL from a variable"
        );
        std::fs::write(grants.join(format!("{language}.yaml")), own).unwrap();
        start = start.with(
            "--event-storage",
            format!("{language}={}", component.display()),
        );
    }
    let mut program = start.start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    let mut life = Life::begin(client(&server.kubeconfig).await.unwrap(), "training")
        .await
        .unwrap();
    life.train("mnist").await.unwrap();
    life.noise().await.unwrap();
    let wanted: Vec<String> = of_job(&life)
        .map(|event| format!("{}/{}", event.uid, event.resource_version))
        .collect();
    let all: BTreeSet<String> = wanted.iter().cloned().collect();
    let there = |posted: &[Posted]| {
        languages.iter().all(|language| {
            ids(posted, language)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .is_superset(&all)
        })
    };
    let waited = hook.wait(PATIENCE, there);
    let (Ok(posted) | Err(posted)) = waited;
    let about: BTreeMap<&str, &str> = wanted
        .iter()
        .map(String::as_str)
        .zip(of_job(&life).map(|event| event.about.as_str()))
        .collect();
    let by_object = |ids: &[String]| {
        let mut objects: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for id in ids {
            objects
                .entry(
                    about
                        .get(id.as_str())
                        .copied()
                        .unwrap_or("nothing")
                        .to_owned(),
                )
                .or_default()
                .push(id.clone());
        }
        objects
    };
    for language in languages {
        assert_eq!(
            by_object(&ids(&posted, language)),
            by_object(&wanted),
            "{language} did not deliver each event once, and each object's in order"
        );
    }
    program.terminate().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_in_rust_c_and_javascript_deliver_a_jobs_life_from_the_api_server() {
    deliver(&ALWAYS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test --languages` builds them"]
async fn sinks_in_go_python_and_typescript_deliver_a_jobs_life_from_the_api_server() {
    deliver(&ON_DEMAND).await;
}
