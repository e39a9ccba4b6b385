//! Does each sink get exactly what its selection admits and `explain` says, whatever becomes of the
//! others?

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::hook::{Hook, Posted};
use testkit::program::Start;

use crate::PROGRAM;

const EVENTS: u64 = 1_000;
const WARNINGS: &str = r#"type == "Warning" && regarding.namespace.startsWith("train-")"#;
const REPEATED: &str = r#"count > 5 || (has(job.name) && reason in ["Killing", "BackOff"]) || message.contains("token")"#;

type Identities = BTreeSet<(String, String)>;

/// The same numbers each time (Knuth's linear congruence, `MMIX`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// Random events of jobs' Pods, of Pods that nobody knows, of Services, nodes and jobs, and the
/// Pods that are known.
fn recording(folder: &Path) -> PathBuf {
    let mut numbers = Numbers(20_261_126);
    let mut text = String::new();
    for pod in 0..20 {
        let owners = if pod % 2 == 0 {
            json!([{ "apiVersion": "training.kubedl.io/v1alpha1", "kind": "PyTorchJob", "name": "mnist", "uid": "j", "controller": true }])
        } else {
            json!([])
        };
        let pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "name": format!("p{pod}"), "namespace": "train-a", "uid": format!("pod-{pod}"), "ownerReferences": owners } });
        writeln!(text, "{pod}").unwrap();
    }
    for event in 0..EVENTS {
        let namespace = numbers.of(&["train-a", "train-b", "web"]);
        let pod = numbers.below(24);
        let regarding = match numbers.below(4) {
            0 => {
                json!({ "apiVersion": "training.kubedl.io/v1alpha1", "kind": "PyTorchJob", "namespace": namespace, "name": "mnist", "uid": "j" })
            }
            1 => json!({ "apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "n" }),
            _ => {
                json!({ "apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": format!("p{pod}"), "uid": format!("pod-{pod}") })
            }
        };
        let event = json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": { "name": format!("e{event}"), "namespace": namespace, "uid": format!("uid-{event}"), "resourceVersion": format!("{}", event + 1) },
            "involvedObject": regarding, "type": numbers.of(&["Normal", "Warning"]), "reason": numbers.of(&["BackOff", "Killing", "Pulled"]),
            "message": numbers.of(&["all is well", "token=abc was refused"]), "count": numbers.below(8),
            "lastTimestamp": "2026-01-01T00:00:00Z", "source": { "component": "kubelet" }
        });
        writeln!(text, "{event}").unwrap();
    }
    let path = folder.join("events.jsonl");
    std::fs::write(&path, text).unwrap();
    path
}

fn start(folder: &Path, task: &[&str], hook: &Hook, second: &str) -> Start {
    let start = task.iter().fold(
        Start::new(Path::new(PROGRAM), folder, "log"),
        |start, word| start.flag(word),
    );
    let start = start
        .with("--event-storage", "webhook")
        .with("--event-storage", second)
        .env("WEBHOOK_URL", hook.url())
        .env("WEBHOOK_MODE", "batch");
    let select = [
        format!("webhook={WARNINGS}"),
        format!("{second}={REPEATED}"),
    ];
    select
        .iter()
        .fold(start, |start, select| start.with("--select", select))
        .with("--redact", r"token=token=\w+")
}

fn posted(posted: &[Posted]) -> Vec<Value> {
    posted
        .iter()
        .flat_map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).unwrap())
        .map(|event| event["data"].clone())
        .collect()
}

fn identity(event: &Value) -> (String, String) {
    let text = |key: &str| event[key].as_str().unwrap().to_owned();
    (text("uid"), text("resourceVersion"))
}

/// Who gets what, by `explain`.
fn explained(folder: &Path, recording: &Path, hook: &Hook, second: &str) -> Vec<Value> {
    // The subcommand has no data folder, and its log says nothing.
    let sinks = testkit::program::sinks();
    let output = std::process::Command::new(PROGRAM)
        .env_clear()
        .current_dir(folder)
        .env("WEBHOOK_URL", hook.url())
        .args([
            "explain",
            recording.to_str().unwrap(),
            "--format",
            "json",
            "--shipped-sinks",
            sinks.to_str().unwrap(),
        ])
        .args([
            "--event-storage",
            "webhook",
            "--event-storage",
            second,
            "--redact",
            r"token=token=\w+",
        ])
        .args([
            "--select",
            &format!("webhook={WARNINGS}"),
            "--select",
            &format!("{second}={REPEATED}"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn those(explained: &[Value], sink: &str) -> Identities {
    explained
        .iter()
        .filter(|account| account["sinks"][sink]["gets"] == true)
        .map(identity)
        .collect()
}

#[test]
fn each_sink_gets_what_explain_says_and_nothing_that_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let recording = recording(folder.path());
    let (status, out, log) = start(folder.path(), &["--once"], &hook, "stdout")
        .with("--from", &recording)
        .with("--timeout", "120s")
        .run()
        .unwrap();
    assert!(status.success(), "{log}");
    let accounts = explained(folder.path(), &recording, &hook, "stdout");
    assert_eq!(accounts.len() as u64, EVENTS);

    let printed: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let posted = posted(&hook.wait(Duration::ZERO, |_| true).unwrap());
    for (sink, got) in [("stdout", &printed), ("webhook", &posted)] {
        let identities: Identities = got.iter().map(identity).collect();
        assert_eq!(identities.len(), got.len(), "{sink} got each once");
        assert_eq!(identities, those(&accounts, sink), "{sink}");
        assert!(
            !got.is_empty() && (got.len() as u64) < EVENTS,
            "{sink} got {} of {EVENTS}",
            got.len()
        );
    }
    let all = format!("{printed:?}{posted:?}");
    assert!(all.contains("[redacted:token]") && !all.contains("token=abc"));
    let rules: BTreeSet<&str> = accounts
        .iter()
        .map(|account| account["rule"].as_str().unwrap())
        .collect();
    assert_eq!(
        rules,
        BTreeSet::from(["controlled", "kubedl-object", "not-kubedl", "pod-gone"]),
        "the events are of all sorts"
    );
    assert!(
        accounts
            .iter()
            .any(|account| account["hidden"]["token"] == 1)
    );
}

#[test]
fn a_sink_whose_destination_is_down_does_not_hold_up_another() {
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let recording = recording(folder.path());
    let wanted = those(
        &explained(folder.path(), &recording, &hook, "graphite"),
        "webhook",
    );
    // Nobody listens at port 1.
    let program = start(folder.path(), &[], &hook, "graphite")
        .env("GRAPHITE_URL", "http://127.0.0.1:1")
        .with("--from", &recording)
        .start()
        .unwrap();
    let got = hook.wait(Duration::from_secs(120), |so_far| {
        posted(so_far).len() >= wanted.len()
    });
    let got: Identities = posted(&got.unwrap_or_else(|so_far| so_far))
        .iter()
        .map(identity)
        .collect();
    let log = program.log().unwrap_or_default();
    program.terminate().unwrap();
    assert_eq!(got, wanted, "{log}");
}
