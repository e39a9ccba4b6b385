//! Does the log have a line for each change of state, and none for each event or try?

use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use testkit::hook::Hook;
use testkit::program::Start;
use testkit::scrape::Scrape;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

/// A recording of so many events about one Pod of nobody.
fn recording(folder: &Path, events: usize) -> std::path::PathBuf {
    let mut lines = String::new();
    for number in 0..events {
        writeln!(
            lines,
            r#"{{"apiVersion":"v1","kind":"Event","metadata":{{"name":"e{number}","namespace":"default","uid":"u{number}","resourceVersion":"{}","creationTimestamp":"2026-11-23T11:31:42Z"}},"involvedObject":{{"apiVersion":"v1","kind":"Node","name":"n"}},"reason":"R","message":"m","type":"Normal"}}"#,
            number + 1
        )
        .unwrap();
    }
    let path = folder.join("events.jsonl");
    std::fs::write(&path, lines).unwrap();
    path
}

fn count(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_destination_that_is_down_is_said_when_it_begins_and_when_it_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "webhook")
        .with("--objects", "all");
    let start = start
        .env(
            "WEBHOOK_URL",
            format!("http://localhost:{}", address.port()),
        )
        .env("WEBHOOK_MODE", "batch");
    let start = start
        .with("--from", recording(folder.path(), 1_000))
        .with("--listen-address", "127.0.0.1:0");
    let mut program = start.start().unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    Scrape::wait(server, PATIENCE, |scrape| {
        scrape.sum("kubedl_events_retries_total") >= 5.0
    })
    .unwrap();
    let log = program.log().unwrap();
    assert_eq!(
        count(&log, "\"level\":\"WARN\"") + count(&log, "\"level\":\"ERROR\""),
        1,
        "{log}"
    );
    assert_eq!(count(&log, "Not stored, trying again"), 1, "{log}");

    let _hook = Hook::start_at(address).unwrap();
    // Then the recording is at its end.
    program
        .wait_for_log("\"delivered\":1000", PATIENCE)
        .unwrap();
    let log = program.log().unwrap();
    assert_eq!(
        (
            count(&log, "\"level\":\"WARN\""),
            count(&log, "stores events again")
        ),
        (1, 1),
        "{log}"
    );
}

#[test]
fn events_that_are_all_filtered_are_said_once_with_the_way_to_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "stdout")
        .flag("--once");
    let (status, stored, log) = start
        .with("--from", recording(folder.path(), 1_000))
        .run()
        .unwrap();
    assert!(status.success() && stored.is_empty(), "{log}");
    assert_eq!(count(&log, "--objects all takes them"), 1, "{log}");
    assert!(log.contains("\"others\":1000"), "{log}");
    assert!(log.lines().count() < 20, "{log}");
}
