//! Does `status` tell a person what a running service does?

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

fn status(data: &Path, format: &str) -> Output {
    Command::new(PROGRAM)
        .env_clear()
        .args(["status", "--format", format, "--data-dir"])
        .arg(data)
        .output()
        .unwrap()
}

/// Asks until it says so.
fn wait_for(data: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let output = status(data, "json");
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        if wanted(&said) {
            return said;
        }
        assert!(Instant::now() < until, "{said:#}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_says_who_delivers_and_how_far_each_sink_is() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let data = stage.folder.path().join("data");
    let program = stage.program(PATIENCE).unwrap();
    let mut life = stage.life("jobs").await.unwrap();
    life.train("mnist").await.unwrap();
    let kept = life.written().len();
    let said = wait_for(&data, |said| {
        said["sinks"][0]["delivered"] == kept && said["sinks"][0]["state"] == "idle"
    });
    assert_eq!(
        (&said["role"], &said["delivers"]),
        (&Value::from("alone"), &Value::from(true))
    );
    assert_eq!(said["not_ready"], serde_json::json!({}));
    assert_eq!(
        (&said["sinks"][0]["sink"], &said["sinks"][0]["backlog"]),
        (&Value::from("aliyun-sls"), &Value::from(0))
    );
    assert_eq!(said["journal"]["stored"], kept);
    let output = status(&data, "text");
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "ready, delivering, up",
        "watch of all namespaces:",
        &format!("journal: {kept} kept"),
        "aliyun-sls  idle",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(program.terminate().unwrap().success());
    let output = status(&data, "text");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && words.contains("no service runs with the data folder"),
        "{words}"
    );
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = Command::new(PROGRAM)
            .env_clear()
            .args(["completions", shell])
            .output()
            .unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success()
                && script.contains("dead-letters")
                && script.contains("event-storage"),
            "{shell}: {script}"
        );
    }
}
