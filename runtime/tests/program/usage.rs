//! Do mistakes end the start with a sentence that says what to do, and the right exit code?

use std::path::Path;

use testkit::program::Start;
use testkit::sls;

use crate::PROGRAM;

const EVENT: &str = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e","namespace":"n","uid":"u","resourceVersion":"1","creationTimestamp":"2026-11-23T01:00:00Z"},"message":"m","involvedObject":{"kind":"PyTorchJob","apiVersion":"training.kubedl.io/v1alpha1","name":"j","namespace":"n","uid":"ju"}}"#;

/// Exit code and log of a run of one recorded event.
fn run(change: impl FnOnce(Start) -> Start) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    std::fs::write(&recording, EVENT).unwrap();
    let start = change(
        Start::new(Path::new(PROGRAM), folder.path(), "log")
            .with("--from", &recording)
            .flag("--once"),
    );
    let (status, out, log) = start.run().unwrap();
    (status.code().unwrap(), out, log)
}

fn refused(code: i32, words: &[&str], change: impl FnOnce(Start) -> Start) {
    let (found, _, log) = run(change);
    for word in words {
        assert!(log.contains(word), "{word:?} is not in: {log}");
    }
    assert_eq!(found, code, "{log}");
}

#[test]
fn an_unknown_storage_lists_what_is_there_and_where_it_looked() {
    refused(
        2,
        &[
            "error: unknown event storage \"aliyun-sl\"",
            "aliyun-sls, graphite, stdout, webhook",
            "target/sinks",
            "--sink-dir",
        ],
        |start| start.with("--event-storage", "aliyun-sl"),
    );
}

#[test]
fn all_missing_variables_are_named_with_the_keys_of_the_secret() {
    let words = [
        "SLS_ENDPOINT from key endpoint",
        "SLS_KEY_SECRET from key accessSecret",
        "SLS_PROJECT from key project",
        "kubedl-sls-config",
    ];
    refused(2, &words, |start| {
        start
            .with("--event-storage", "aliyun-sls")
            .env("SLS_KEY_ID", "id")
            .env("SLS_LOG_STORE", "store")
    });
}

#[test]
fn a_file_that_is_missing_or_no_component_is_named() {
    refused(2, &["cannot read ./nothing.wasm"], |start| {
        start.with("--event-storage", "./nothing.wasm")
    });
    refused(2, &["/dev/null", "it is no file"], |start| {
        start.with("--event-storage", "/dev/null")
    });
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wasm");
    std::fs::write(&text, "no component").unwrap();
    refused(
        2,
        &["is not a WebAssembly component but something else"],
        |start| start.with("--event-storage", &text),
    );
}

#[test]
fn a_bad_flag_value_is_a_usage_error() {
    refused(2, &["90", "is not a time"], |start| {
        start
            .with("--event-storage", "stdout")
            .with("--grace", "90")
    });
    refused(2, &["--log-level"], |start| {
        start
            .with("--event-storage", "stdout")
            .with("--log-level", "a=b=c")
    });
    refused(2, &["--log-level", "loud"], |start| {
        start
            .with("--event-storage", "stdout")
            .with("--log-level", "loud")
    });
    refused(2, &["--event-storage"], |start| start);
}

#[test]
fn a_recording_that_can_not_be_read_to_its_end_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.jsonl");
    std::fs::write(&bad, format!("{EVENT}\n{{\"kind\":")).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "stdout")
        .with("--from", &bad)
        .flag("--once");
    let (status, _, log) = start.run().unwrap();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("bad.jsonl") && log.contains("line 2"), "{log}");
}

#[test]
fn stdout_gets_one_line_of_json_an_event() {
    let (code, out, log) = run(|start| {
        start
            .with("--event-storage", "stdout")
            .with("--cluster", "c1")
            .with("--region", "flag")
            .env("REGION", "env")
    });
    assert_eq!(code, 0, "{log}");
    let line: serde_json::Value =
        serde_json::from_str(out.trim()).unwrap_or_else(|why| panic!("{why}: {out}"));
    assert_eq!(
        (&line["cluster"], &line["region"], &line["message"]),
        (&"c1".into(), &"env".into(), &"m".into()),
        "{line}"
    );
}

#[test]
fn once_tells_stored_from_not_stored_and_from_too_late() {
    let server = sls::Server::start(sls::Options::default()).unwrap();
    let (code, _, log) = run(|start| start.to_sls(&server));
    assert_eq!((code, server.count()), (0, 1), "{log}");
    server.order(sls::Order::answer(503, "ServerBusy", "Server is busy."));
    let (code, _, log) = run(|start| {
        start
            .to_sls(&server)
            .with("--timeout", "1s")
            .with("--grace", "1s")
    });
    assert_eq!((code, server.count()), (4, 1), "{log}");
    server.clear_orders();
    server.order(sls::Order::refuse_logs_with("Message", "m"));
    let (code, _, log) = run(|start| start.to_sls(&server));
    assert_eq!((code, server.count()), (3, 1), "{log}");
    assert!(log.contains("dead letters"), "{log}");
}

#[test]
fn the_data_folder_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.jsonl");
    std::fs::write(&recording, EVENT).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--from", &recording)
        .flag("--once");
    let (status, _, log) = start.with("--event-storage", "stdout").run().unwrap();
    assert!(status.success(), "{log}");
    assert_eq!(
        std::fs::metadata(folder.path().join("data"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
}
