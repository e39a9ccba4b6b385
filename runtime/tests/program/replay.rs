//! Does a recorded session play again, without its destination and without its secrets?

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testkit::hook::Hook;
use testkit::program::sinks;

use crate::PROGRAM;

const SECRETS: [(&str, &str); 2] = [
    ("WEBHOOK_TOKEN", "the-token-of-this-test"),
    ("WEBHOOK_SECRET", "whsec_dGhlLXNlY3JldC1vZi10aGlzLXRlc3Q="),
];

fn sink(arguments: &[&str], cast: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .arg("sink")
        .args(arguments)
        .arg(cast)
        .arg("--shipped-sinks")
        .arg(sinks());
    command
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Records the sample of a job's life into a hook, signed.
fn record(cast: &Path) -> Hook {
    let hook = Hook::start().unwrap();
    let mut run = sink(&["run", "webhook", "--record"], cast);
    let run = run
        .env(
            "WEBHOOK_URL",
            format!("{}/the-path-of-this-test", hook.url()),
        )
        .envs(SECRETS)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", said(&run));
    assert!(
        said(&run).contains("30 events stored, 0 refused"),
        "{}",
        said(&run)
    );
    hook
}

#[test]
fn the_same_component_does_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let cast = folder.path().join("session.cast");
    let hook = record(&cast);
    assert_eq!(
        hook.wait(Duration::from_secs(10), |posted| posted.len() >= 30)
            .unwrap()
            .len(),
        30
    );
    let replay = sink(&["replay", "webhook"], &cast).output().unwrap();
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    assert!(
        said(&replay).contains("2 calls of the component that was recorded: 0 differences"),
        "{}",
        said(&replay)
    );
}

#[test]
fn no_secret_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let cast = folder.path().join("session.cast");
    drop(record(&cast));
    let text = std::fs::read_to_string(&cast).unwrap();
    assert!(
        text.contains("webhook-signature") && text.contains("Bearer webhook-token-5f3a9c"),
        "{text}"
    );
    for secret in [
        "the-token-of-this-test",
        "dGhlLXNlY3JldC1vZi10aGlzLXRlc3Q",
        "the-secret-of-this-test",
        "the-path-of-this-test",
    ] {
        assert!(!text.contains(secret), "{secret} is in the recording");
    }
}

#[test]
fn another_component_differs_and_it_is_said_where() {
    let folder = tempfile::tempdir().unwrap();
    let cast = folder.path().join("session.cast");
    drop(record(&cast));
    // Another name in each event's subject, as a new build might have it.
    let text = std::fs::read_to_string(&cast).unwrap();
    let changed = text.replace(r#"\"subject\":\"PyTorchJob/"#, r#"\"subject\":\"TFJob/"#);
    assert_ne!(changed, text);
    std::fs::write(&cast, changed).unwrap();
    let replay = sink(&["replay", "webhook"], &cast).output().unwrap();
    assert_eq!(replay.status.code(), Some(9), "{}", said(&replay));
    assert!(
        said(&replay).contains(
            "body.subject is \"PyTorchJob/training/mnist\", recorded was \"TFJob/training/mnist\""
        ),
        "{}",
        said(&replay)
    );
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let cast = folder.path().join("session.cast");
    std::fs::write(&cast, "{\"form\":1}\n").unwrap();
    let replay = sink(&["replay", "webhook"], &cast).output().unwrap();
    assert_eq!(replay.status.code(), Some(2));
    assert!(
        said(&replay).contains("session.cast, line 1: not of a recording by `sink run --record`"),
        "{}",
        said(&replay)
    );
}
