//! Do `dead-letters`, `gaps` and `audit` tell the truth about a service at work, and change what
//! they say they change?

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::sls::Order;
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

fn stage() -> Stage {
    Stage::set(PROGRAM, &std::env::temp_dir()).unwrap()
}

/// A subcommand's exit code and JSON.
fn ask(stage: &Stage, words: &[&str]) -> (i32, Value) {
    let output = Command::new(PROGRAM)
        .args(words)
        .arg("--data-dir")
        .arg(stage.folder.path().join("data"))
        .args(["--format", "json"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    (
        output.status.code().unwrap(),
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{words:?} printed {text:?} and {error}")),
    )
}

fn audit(stage: &Stage) -> (i32, Value) {
    ask(
        stage,
        &[
            "audit",
            "--kubeconfig",
            stage.server.kubeconfig.to_str().unwrap(),
            "--wait",
            "20s",
        ],
    )
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_stored_after_a_retry_by_the_running_service() {
    // Long: one story, told in its order.
    let stage = stage();
    stage
        .sls
        .order(Order::refuse_logs_with("Reason", "JobSucceeded"));
    let program = stage.program(PATIENCE).unwrap();
    let mut life = stage.life("one").await.unwrap();
    life.train("job").await.unwrap();
    let belong = life.written().iter().filter(|event| event.belongs).count();
    let refused = life
        .written()
        .iter()
        .filter(|event| event.belongs && event.reason == "JobSucceeded")
        .count();
    assert!(refused > 0, "{:?}", life.written());
    stage.sls.wait_for(belong - refused, PATIENCE).unwrap();
    let until = Instant::now() + PATIENCE;
    let letters = loop {
        let (_, letters) = ask(&stage, &["dead-letters", "list"]);
        if letters.as_array().unwrap().len() == refused {
            break letters;
        }
        assert!(Instant::now() < until, "{letters}");
    };
    assert_eq!(letters[0]["sink"], "aliyun-sls");
    let (code, told) = audit(&stage);
    assert_eq!(
        (
            code,
            told["sinks"]["aliyun-sls"]["dead_letters"]["count"].as_u64()
        ),
        (3, Some(refused as u64)),
        "{told}"
    );

    let id = letters[0]["id"].to_string();
    let (_, letter) = ask(&stage, &["dead-letters", "show", &id]);
    assert_eq!(letter["raw"]["reason"], "JobSucceeded");
    // While the destination still refuses, the letter comes back.
    assert_eq!(ask(&stage, &["dead-letters", "retry", &id]).1["retried"], 1);
    let until = Instant::now() + PATIENCE;
    while ask(&stage, &["dead-letters", "list"]).1[0]["attempts"] == letters[0]["attempts"] {
        assert!(Instant::now() < until);
    }
    stage.sls.clear_orders();
    assert_eq!(
        ask(&stage, &["dead-letters", "retry", "--sink", "aliyun-sls"]).1["retried"].as_u64(),
        Some(refused as u64)
    );
    stage.sls.wait_for(belong, PATIENCE).unwrap();
    let (code, told) = audit(&stage);
    assert_eq!(
        (
            code,
            told["sinks"]["aliyun-sls"]["stored"]["count"].is_u64()
        ),
        (0, true),
        "{told}"
    );
    assert!(program.terminate().unwrap().success());
    assert_eq!(
        ask(&stage, &["dead-letters", "list"]).1,
        Value::Array(vec![])
    );
    assert_eq!(ask(&stage, &["gaps"]).1, Value::Array(vec![]));
}

#[tokio::test]
async fn an_audit_finds_one_event_that_was_taken_out_of_the_journal_and_says_which() {
    let stage = stage();
    let program = stage.program(PATIENCE).unwrap();
    let mut life = stage.life("one").await.unwrap();
    life.train("job").await.unwrap();
    let belong = life.written().iter().filter(|event| event.belongs).count();
    stage.sls.wait_for(belong, PATIENCE).unwrap();
    assert_eq!(audit(&stage).0, 0);
    assert!(program.terminate().unwrap().success());

    let journal =
        rusqlite::Connection::open(stage.folder.path().join("data/journal.sqlite")).unwrap();
    // Of the events that still exist in this version, the last.
    let victim: i64 = journal
        .query_row("SELECT max(position) FROM events", [], |row| row.get(0))
        .unwrap();
    let raw: String = journal
        .query_row(
            "SELECT raw FROM events WHERE position = ?1",
            [victim],
            |row| row.get(0),
        )
        .unwrap();
    journal
        .execute("DELETE FROM identities WHERE position = ?1", [victim])
        .unwrap();
    journal
        .execute("DELETE FROM events WHERE position = ?1", [victim])
        .unwrap();
    drop(journal);
    let event: Value = serde_json::from_str(&raw).unwrap();
    let uid = event["metadata"]["uid"].as_str().unwrap();

    let (code, told) = ask(
        &stage,
        &[
            "audit",
            "--kubeconfig",
            stage.server.kubeconfig.to_str().unwrap(),
            "--wait",
            "1s",
        ],
    );
    assert_eq!(code, 5, "{told}");
    // The stopped service's sink is parked or not; the journal is judged all the same.
    let sink = told["sinks"].as_object().unwrap().values().next().unwrap();
    assert_eq!(sink["missing"]["count"], 1, "{told}");
    assert!(
        sink["missing"]["examples"][0]
            .as_str()
            .unwrap()
            .contains(uid),
        "{told}"
    );
}

#[tokio::test]
async fn what_was_delivered_before_a_lost_journal_is_not_taken_for_missing() {
    let stage = stage();
    let program = stage.program(PATIENCE).unwrap();
    let mut life = stage.life("one").await.unwrap();
    life.train("before").await.unwrap();
    let before = life.written().iter().filter(|event| event.belongs).count();
    stage.sls.wait_for(before, PATIENCE).unwrap();
    // When it ends, the Lease has all of it.
    assert!(program.terminate().unwrap().success());
    std::fs::remove_dir_all(stage.folder.path().join("data")).unwrap();
    let mut program = stage.start().start().unwrap();
    program
        .wait_for_log("Going on where the Lease", PATIENCE)
        .unwrap();
    life.train("after").await.unwrap();
    let all = life.written().iter().filter(|event| event.belongs).count();
    stage.sls.wait_for(all, PATIENCE).unwrap();
    let (code, told) = audit(&stage);
    let sink = &told["sinks"]["aliyun-sls"];
    assert_eq!(code, 0, "{told}");
    assert!(
        sink["settled_before"]["count"].as_u64() > Some(0)
            && sink["stored"]["count"].as_u64() > Some(0)
            && sink["missing"].is_null(),
        "{told}"
    );
}

#[tokio::test]
async fn an_audit_looks_at_what_the_running_service_watches() {
    let stage = stage();
    let mut program = stage.start().with("--namespace", "one").start().unwrap();
    program.wait_for_log("Watching events.", PATIENCE).unwrap();
    let (mut one, mut other) = (
        stage.life("one").await.unwrap(),
        stage.life("other").await.unwrap(),
    );
    other.train("job").await.unwrap();
    one.train("job").await.unwrap();
    stage
        .sls
        .wait_for(
            one.written().iter().filter(|event| event.belongs).count(),
            PATIENCE,
        )
        .unwrap();
    let (code, told) = audit(&stage);
    assert_eq!(code, 0, "{told}");
    // Nor is the whole cluster asked for when it has ended.
    assert!(program.terminate().unwrap().success());
    let (code, told) = audit(&stage);
    assert_eq!(code, 0, "{told}");
}

#[test]
fn a_sink_that_the_journal_does_not_know_is_not_one_without_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    let journal = kubedl_events::journal::Journal::open_inline(
        &kubedl_events::journal::Options::new(folder.path()),
    )
    .unwrap();
    drop(journal);
    let words = ["dead-letters", "retry", "--sink", "nope", "--data-dir"];
    let output = Command::new(PROGRAM)
        .args(words)
        .arg(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && error.contains("no sink nope: it knows none"),
        "{error}"
    );
}

#[test]
fn a_reader_that_goes_ends_the_program_in_silence() {
    let mut child = Command::new(PROGRAM)
        .args(["config", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        (Some(141), "")
    );
}

#[test]
fn a_folder_without_a_journal_is_told_apart_from_one_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["gaps"][..],
        &["dead-letters", "list"],
        &["dead-letters", "drop", "1"],
    ] {
        let output = Command::new(PROGRAM)
            .args(words)
            .arg("--data-dir")
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains("journal") && error.contains("--data-dir"),
            "{words:?}: {error}"
        );
    }
}
