//! Does each check of `sink test` find the sink that does just that thing wrong, and for that
//! reason?

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::PROGRAM;

/// What stands before the fault in the component, and the room for its name.
const MARK: &str = "the fault of this sink: ";
const ROOM: usize = 16;

/// Checks, each with words of what is seen when it fails.
const FAULTS: [(&str, &str); 22] = [
    ("describe", "but not for the variable FAULTY_HOST"),
    ("open-without-env", "open ended with a trap"),
    ("open", "it sent 2 requests"),
    (
        "no-loss",
        "of a batch of 17, the destination did not get e7e7-",
    ),
    ("large-batch", "save-events ended with a trap"),
    (
        "odd-events",
        "control characters in the message: its body says application/json, but is not JSON",
    ),
    (
        "answer-429",
        "429 with Retry-After: 7: retry: it answered 429",
    ),
    ("answer-5xx", "502: refused"),
    ("answer-4xx", "400: retry"),
    ("answer-401", "401: refused"),
    ("answer-404", "404: stored"),
    ("redirect", "302: stored"),
    ("cut", "a connection closed without an answer: stored"),
    ("slow", "no answer until the time was up: refused"),
    ("unreachable", "a refused connection: refused"),
    (
        "strange-answers",
        "200 with bytes that are no text, said to be JSON: the sink crashed: save-events ended with a trap, and said last",
    ),
    (
        "partial",
        "events are stored which the destination did not take",
    ),
    (
        "again",
        "events are stored which the destination did not take",
    ),
    ("close", "close ended with a trap"),
    ("memory", "it uses up its 64 MiB again and again"),
    ("secrets", "the token is (secret FAULTY_TOKEN)"),
    ("hosts", "https://elsewhere.example.com is not in the grant"),
];

/// The sink with a fault.
fn component(fault: &str, folder: &Path) -> std::path::PathBuf {
    let mut bytes = std::fs::read(testkit::apiserver::binaries().join("faulty.wasm"))
        .expect("`cargo xtask testkit` builds the faulty sink");
    let place = bytes
        .windows(MARK.len())
        .position(|window| window == MARK.as_bytes())
        .expect("the component has the mark")
        + MARK.len();
    bytes[place..place + ROOM].copy_from_slice(format!("{fault:ROOM$}").as_bytes());
    let path = folder.join("faulty.wasm");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// What `sink test` finds, and its exit code.
fn findings(fault: &str) -> (Vec<(String, String, String)>, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = component(fault, folder.path());
    let output = Command::new(PROGRAM)
        .args(["sink", "test", "--format", "json", "--batches", "200"])
        .arg(path)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter();
    (
        found
            .map(|finding| {
                (
                    text(finding, "check"),
                    text(finding, "verdict"),
                    text(finding, "seen"),
                )
            })
            .collect(),
        output.status.code(),
    )
}

#[test]
fn each_faulty_sink_fails_the_check_meant_for_it_and_no_other() {
    // Two at a time: each compiles a component.
    let wrong: Vec<String> = FAULTS
        .chunks(2)
        .flat_map(|pair| {
            std::thread::scope(|scope| {
                let running: Vec<_> = pair
                    .iter()
                    .map(|(fault, words)| scope.spawn(|| complaint(fault, words)))
                    .collect();
                running
                    .into_iter()
                    .filter_map(|running| running.join().unwrap())
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the suite's view of a faulty sink.
fn complaint(fault: &str, words: &str) -> Option<String> {
    let (found, code) = findings(fault);
    let failed: Vec<_> = found
        .into_iter()
        .filter(|(_, verdict, _)| verdict == "failed")
        .collect();
    let right = matches!(&failed[..], [(check, _, seen)] if check == fault && seen.contains(words))
        && code == Some(8);
    (!right).then(|| format!("{fault}, which should say {words:?}: {code:?}, {failed:?}"))
}

#[test]
fn there_is_a_faulty_sink_for_every_check_and_without_a_fault_all_pass() {
    let (found, code) = findings("none");
    assert_eq!(
        found
            .iter()
            .map(|(check, ..)| check.as_str())
            .collect::<Vec<_>>(),
        FAULTS.map(|(fault, _)| fault)
    );
    let failed: Vec<_> = found
        .iter()
        .filter(|(_, verdict, _)| verdict == "failed")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(code, Some(0));
}
