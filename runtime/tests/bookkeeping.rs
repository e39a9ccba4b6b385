//! Do `dead-letters`, `gaps` and `audit` tell the truth about a service at work, and change what they say they change?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::apiserver::ApiServer;
use testkit::life::Life;
use testkit::program::{Program, Start};
use testkit::sls::{self, Order};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

struct Stage {
    folder: tempfile::TempDir,
    server: ApiServer,
    sls: sls::Server,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
        Self { folder, server, sls: sls::Server::start(sls::Options::default()).unwrap() }
    }

    fn program(&self) -> Program {
        let start = Start::new(Path::new(PROGRAM), self.folder.path(), "log").to_sls(&self.sls).with("--kubeconfig", &self.server.kubeconfig);
        let mut program = start.start().unwrap();
        program.wait_for_log("Watching events.", PATIENCE).unwrap();
        program
    }

    async fn life(&self) -> Life {
        let file = kube::config::Kubeconfig::read_from(&self.server.kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.unwrap();
        Life::begin(kube::Client::try_from(config).unwrap(), "one").await.unwrap()
    }

    /// A subcommand's exit code and JSON.
    fn ask(&self, words: &[&str]) -> (i32, Value) {
        let output =
            Command::new(PROGRAM).args(words).arg("--data-dir").arg(self.folder.path().join("data")).args(["--format", "json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{words:?} printed {text:?} and {error}")))
    }

    fn audit(&self) -> (i32, Value) {
        self.ask(&["audit", "--kubeconfig", self.server.kubeconfig.to_str().unwrap(), "--wait", "20s"])
    }
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_stored_after_a_retry_by_the_running_service() {
    let stage = Stage::set();
    stage.sls.order(Order::refuse_logs_with("Reason", "JobSucceeded"));
    let program = stage.program();
    let mut life = stage.life().await;
    life.train("job").await.unwrap();
    let belong = life.written().iter().filter(|event| event.belongs).count();
    let refused = life.written().iter().filter(|event| event.belongs && event.reason == "JobSucceeded").count();
    assert!(refused > 0, "{:?}", life.written());
    stage.sls.wait_for(belong - refused, PATIENCE).unwrap();
    let until = Instant::now() + PATIENCE;
    let letters = loop {
        let (_, letters) = stage.ask(&["dead-letters", "list"]);
        if letters.as_array().unwrap().len() == refused {
            break letters;
        }
        assert!(Instant::now() < until, "{letters}");
    };
    assert_eq!(letters[0]["sink"], "aliyun-sls");
    let (code, audit) = stage.audit();
    assert_eq!((code, audit["sinks"]["aliyun-sls"]["dead_letters"]["count"].as_u64()), (3, Some(refused as u64)), "{audit}");

    let id = letters[0]["id"].to_string();
    let (_, letter) = stage.ask(&["dead-letters", "show", &id]);
    assert_eq!(letter["raw"]["reason"], "JobSucceeded");
    // While the destination still refuses, the letter comes back.
    assert_eq!(stage.ask(&["dead-letters", "retry", &id]).1["retried"], 1);
    let until = Instant::now() + PATIENCE;
    while stage.ask(&["dead-letters", "list"]).1[0]["attempts"] == letters[0]["attempts"] {
        assert!(Instant::now() < until);
    }
    stage.sls.clear_orders();
    assert_eq!(stage.ask(&["dead-letters", "retry", "--sink", "aliyun-sls"]).1["retried"].as_u64(), Some(refused as u64));
    stage.sls.wait_for(belong, PATIENCE).unwrap();
    let (code, audit) = stage.audit();
    assert_eq!((code, audit["sinks"]["aliyun-sls"]["stored"]["count"].is_u64()), (0, true), "{audit}");
    assert!(program.terminate().unwrap().success());
    assert_eq!(stage.ask(&["dead-letters", "list"]).1, Value::Array(vec![]));
    assert_eq!(stage.ask(&["gaps"]).1, Value::Array(vec![]));
}

#[tokio::test]
async fn an_audit_finds_one_event_that_was_taken_out_of_the_journal_and_says_which() {
    let stage = Stage::set();
    let program = stage.program();
    let mut life = stage.life().await;
    life.train("job").await.unwrap();
    let belong = life.written().iter().filter(|event| event.belongs).count();
    stage.sls.wait_for(belong, PATIENCE).unwrap();
    assert_eq!(stage.audit().0, 0);
    assert!(program.terminate().unwrap().success());

    let journal = rusqlite::Connection::open(stage.folder.path().join("data/journal.sqlite")).unwrap();
    // Of the events that still exist in this version, the last.
    let victim: i64 = journal.query_row("SELECT max(position) FROM events", [], |row| row.get(0)).unwrap();
    let raw: String = journal.query_row("SELECT raw FROM events WHERE position = ?1", [victim], |row| row.get(0)).unwrap();
    journal.execute("DELETE FROM identities WHERE position = ?1", [victim]).unwrap();
    journal.execute("DELETE FROM events WHERE position = ?1", [victim]).unwrap();
    drop(journal);
    let event: Value = serde_json::from_str(&raw).unwrap();
    let uid = event["metadata"]["uid"].as_str().unwrap();

    let (code, audit) = stage.ask(&["audit", "--kubeconfig", stage.server.kubeconfig.to_str().unwrap(), "--wait", "1s"]);
    assert_eq!(code, 5, "{audit}");
    // The stopped service's sink is parked or not; the journal is judged all the same.
    let sink = audit["sinks"].as_object().unwrap().values().next().unwrap();
    assert_eq!(sink["missing"]["count"], 1, "{audit}");
    assert!(sink["missing"]["examples"][0].as_str().unwrap().contains(uid), "{audit}");
}

#[test]
fn a_folder_without_a_journal_is_told_apart_from_one_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&["gaps"][..], &["dead-letters", "list"], &["dead-letters", "drop", "1"]] {
        let output = Command::new(PROGRAM).args(words).arg("--data-dir").arg(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("journal") && error.contains("--data-dir"), "{words:?}: {error}");
    }
}
