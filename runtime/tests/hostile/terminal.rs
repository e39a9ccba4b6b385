//! Foreign text in whatever the program prints.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");

/// Escape sequences in both forms, a forged line, text that is turned around, and what nobody sees.
const HOSTILE: &str = "a\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}1A\r\n     1  2026-01-01T00:00:00Z  fine\u{202e}\u{2066}\u{200b}\u{e0041}\u{feff}\u{7f}z";

/// What would have an effect.
fn effects(text: &str) -> Vec<char> {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    text.chars()
        .filter(|c| (c.is_control() && *c != '\n') || hidden(*c))
        .collect()
}

fn event(number: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": HOSTILE, "reason": HOSTILE, "message": HOSTILE, "reportingComponent": HOSTILE,
        "metadata": {"name": format!("{HOSTILE}{number}"), "namespace": HOSTILE, "uid": format!("u{number}"), "resourceVersion": format!("{number}"), "creationTimestamp": "2026-03-01T10:00:00Z"},
        "involvedObject": {"apiVersion": HOSTILE, "kind": HOSTILE, "namespace": HOSTILE, "name": HOSTILE, "uid": HOSTILE, "fieldPath": HOSTILE},
    })
}

/// Runs the program; gives what it printed on both ways.
fn run(folder: &Path, line: &[&str]) -> String {
    let mut command = Command::new(PROGRAM);
    command.env_clear().current_dir(folder).args(line);
    let output = command.output().unwrap();
    // Bytes that are no UTF-8 are one kind of effect.
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// Tries: to steer the terminal of whoever looks: by events, recordings, components, grants,
/// settings and names, with escape sequences, forged lines, turned and invisible text
/// Ends: no subcommand, and no log in either format, prints a character that has an effect
#[test]
fn no_subcommand_prints_what_steers_a_terminal() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let sinks = testkit::program::sinks();
    let sinks = sinks.to_str().unwrap();
    let odd = json!({"kind": HOSTILE, "apiVersion": HOSTILE, "metadata": {"name": HOSTILE}});
    let without_uid = json!({"kind": "Event", "apiVersion": "v1", "metadata": {"name": HOSTILE, "resourceVersion": "3"}, "reason": HOSTILE});
    let watch = json!({"type": HOSTILE, "object": event(4)});
    let lines: Vec<String> = [event(1), event(2), odd, without_uid, watch]
        .iter()
        .map(Value::to_string)
        .collect();
    std::fs::write(
        folder.path().join("in.json"),
        format!("{}\n{HOSTILE}\n", lines.join("\n")),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("grant.yaml"),
        format!("http: [{}]\n", Value::from(HOSTILE)),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("kubeconfig"),
        json!({"current-context": HOSTILE, "contexts": [{"name": format!("x{HOSTILE}")}]})
            .to_string(),
    )
    .unwrap();
    std::fs::write(folder.path().join("x.wasm"), HOSTILE).unwrap();
    let reject = "--select";
    let plain = [
        "--shipped-sinks",
        sinks,
        "--event-storage",
        "webhook",
        "--data-dir",
        "data",
        "--objects",
        "all",
    ];
    for format in ["text", "json"] {
        let log = [
            "--from",
            "in.json",
            "--once",
            "--timeout",
            "3s",
            "--grace",
            "1s",
            "--log-level",
            "debug",
            "--log-format",
            format,
        ];
        let with = |more: &[&str]| -> String {
            let line: Vec<&str> = plain
                .iter()
                .chain(&log)
                .copied()
                .chain(more.iter().copied())
                .collect();
            let mut command = Command::new(PROGRAM);
            let output = command
                .env_clear()
                .env("WEBHOOK_URL", "http://localhost:9/")
                .current_dir(folder.path())
                .args(line)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
        };
        let told = with(&[]);
        assert!(told.contains("dead-letters list"), "{told}");
        assert!(effects(&told).is_empty(), "{told}");
        let told = with(&[reject, &format!("webhook={HOSTILE}")]);
        assert!(effects(&told).is_empty(), "{told}");
        for line in [
            &["dead-letters", "list", "--data-dir", "data"][..],
            &["dead-letters", "show", "1", "--data-dir", "data"],
            &["dead-letters", "show", "2", "--data-dir", "data"],
            &["dead-letters", "show", "3", "--data-dir", "data"],
            &["dead-letters", "drop", "99", "--data-dir", "data"],
            &["gaps", "--data-dir", "data"],
            &["status", "--data-dir", "data"],
            &[
                "explain",
                "in.json",
                "--shipped-sinks",
                sinks,
                "--event-storage",
                "stdout",
                "--objects",
                "all",
            ],
        ] {
            let told = run(folder.path(), &[line, &["--format", format]].concat());
            assert!(effects(&told).is_empty(), "{line:?}: {told}");
        }
    }
    for line in [
        &["sink", "inspect", "./x.wasm"][..],
        &["sink", "grant", "./x.wasm"],
        &[
            "sink",
            "run",
            "./x.wasm",
            "--grant",
            "grant.yaml",
            "--from",
            "in.json",
        ],
        &[
            "config",
            "check",
            "--shipped-sinks",
            sinks,
            "--event-storage",
            HOSTILE,
        ],
        &[
            "config",
            "check",
            "--shipped-sinks",
            sinks,
            "--event-storage",
            "stdout",
            "--kubeconfig",
            "kubeconfig",
        ],
        &["config", "show", "--event-storage", HOSTILE],
        &["--event-storage", HOSTILE, "--data-dir", "data"],
        &["audit", "--data-dir", HOSTILE],
        &["egress", "list", "--data-dir", HOSTILE],
        &["explain", HOSTILE],
    ] {
        let told = run(folder.path(), line);
        assert!(effects(&told).is_empty(), "{line:?}: {told}");
    }
}
