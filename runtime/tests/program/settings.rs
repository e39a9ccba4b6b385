//! Do flags, environment and file set the same things, in the order that is documented?

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::program::Start;
use testkit::stage::Stage;

use crate::PROGRAM;

struct Run {
    code: i32,
    out: String,
    error: String,
}

fn run(line: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = Command::new(PROGRAM)
        .env_clear()
        .envs(variables.iter().copied())
        .args(line)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        error: text(output.stderr),
    }
}

fn shown(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}", run.error);
    serde_json::from_str(&run.out).unwrap()
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("config.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "retain: 1h\ngrace: 1s\nevent-ttl: 1h\nonce: true\nnamespace: [a, b]\nregion: file\n",
    );
    let line = [
        "config", "show", "--format", "json", "--config", &file, "--retain", "3h",
    ];
    let all = shown(&run(
        &line,
        &[
            ("KUBEDL_EVENTS_RETAIN", "2h"),
            ("KUBEDL_EVENTS_GRACE", "2s"),
            ("KUBEDL_EVENTS_HTTPS_PROXY", "http://u:p@h:1"),
        ],
    ));
    for (name, value, from) in [
        ("retain", "3h", "flag"),
        ("grace", "2s", "environment variable KUBEDL_EVENTS_GRACE"),
        ("event-ttl", "1h", file.as_str()),
        ("once", "true", &file),
        ("start", "oldest", "default"),
        (
            "https-proxy",
            "(secret)",
            "environment variable KUBEDL_EVENTS_HTTPS_PROXY",
        ),
        ("region", "file", &file),
    ] {
        assert_eq!(
            (all[name]["value"].as_str(), all[name]["from"].as_str()),
            (Some(value), Some(from)),
            "{name}"
        );
    }
    assert_eq!(all["namespace"]["value"], serde_json::json!(["a", "b"]));
    assert!(all["timeout"]["value"].is_null());
}

#[test]
fn the_variable_region_wins_over_its_flag() {
    let all = shown(&run(
        &["config", "show", "--format", "json", "--region", "flag"],
        &[("REGION", "env")],
    ));
    assert_eq!(
        (&all["region"]["value"], &all["region"]["from"]),
        (&"env".into(), &"environment variable REGION".into())
    );
}

#[test]
fn sinks_of_a_file_bring_their_selections_and_take_them_along() {
    let folder = tempfile::tempdir().unwrap();
    let text = "event-storage:\n- stdout\n- name: w\n  sink: stdout\n  select: |\n    type == \"Warning\" &&\n    count > 1\n";
    let file = written(folder.path(), text);
    let line = ["config", "show", "--format", "json", "--config", &file];
    let all = shown(&run(&line, &[]));
    assert_eq!(
        all["event-storage"]["value"],
        serde_json::json!(["stdout", "w=stdout"])
    );
    assert_eq!(
        all["select"]["value"],
        serde_json::json!(["w=type == \"Warning\" &&\ncount > 1\n"])
    );
    let other: Vec<&str> = line
        .into_iter()
        .chain(["--event-storage", "graphite"])
        .collect();
    let all = shown(&run(&other, &[]));
    assert_eq!(
        all["event-storage"]["value"],
        serde_json::json!(["graphite"])
    );
    assert_eq!(all["select"]["value"], serde_json::json!([]));
}

/// In a Pod, arguments and file are those of another process.
#[test]
fn show_and_explain_ask_the_service_that_runs_unless_they_are_given_settings() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let mut program = stage
        .start()
        .with("--select", "aliyun-sls=reason == \"Lost\"")
        .with("--retain", "7h")
        .start()
        .unwrap();
    program
        .wait_for_log("Watching events.", Duration::from_secs(120))
        .unwrap();
    let data = stage.folder.path().join("data");
    // The container's variable, which counts for nothing beside its arguments.
    let variables = [
        ("KUBEDL_EVENTS_DATA_DIR", data.to_str().unwrap()),
        ("KUBEDL_EVENTS_EVENT_STORAGE", "stdout"),
    ];
    let all = shown(&run(&["config", "show", "--format", "json"], &variables));
    assert_eq!(
        (&all["retain"]["value"], &all["event-storage"]["value"]),
        (&"7h".into(), &serde_json::json!(["aliyun-sls"]))
    );
    let all = shown(&run(
        &["config", "show", "--format", "json", "--retain", "8h"],
        &variables,
    ));
    assert_eq!(all["event-storage"]["value"], serde_json::json!(["stdout"]));
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/recordings/job.jsonl");
    let explained = run(&["explain", recording.to_str().unwrap()], &variables);
    assert!(
        explained
            .out
            .contains("aliyun-sls does not get it: reason == \"Lost\""),
        "{}{}",
        explained.out,
        explained.error
    );
    program.terminate().unwrap();
}

#[test]
fn sinks_of_a_file_that_do_not_count_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "event-storage: [graphite]\nonce: true\n");
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/recordings/job.jsonl");
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "stdout")
        .with("--config", &file);
    let (status, _, log) = start.with("--from", recording).run().unwrap();
    assert!(
        status.success() && log.contains("under event-storage does not count"),
        "{log}"
    );
}

#[test]
fn the_file_is_named_by_a_variable_too_and_holds_for_looking_subcommands() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing");
    let file = written(
        folder.path(),
        &format!("data-dir: {}\nretain: 1h\n", missing.display()),
    );
    let found = run(&["gaps"], &[("KUBEDL_EVENTS_CONFIG", &file)]);
    assert!(
        found.code != 0 && found.error.contains(missing.to_str().unwrap()),
        "{}",
        found.error
    );
}

#[test]
fn a_wrong_file_is_refused_with_its_name_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("retian: 1h\n", &["\"retian\"", "retain"][..]),
        ("retain: soon\n", &["soon", "retain is set in"]),
        ("on-full: maybe\n", &["maybe", "block", "on-full is set in"]),
        ("- a\n", &["config.yaml"]),
        (
            "from: x.jsonl\nnamespace: [a]\n",
            &["from", "namespace", "can't be used together"],
        ),
        (
            "leader-elect: true\nonce: true\n",
            &["leader-elect", "once"],
        ),
    ] {
        let file = written(folder.path(), text);
        let found = run(&["--event-storage", "stdout", "--config", &file], &[]);
        assert_eq!(found.code, 2, "{text}: {}", found.error);
        for word in words.iter().chain(&["config.yaml"]) {
            assert!(
                found.error.contains(word),
                "{text}: {word} is not in {}",
                found.error
            );
        }
    }
    let found = run(
        &["--event-storage", "stdout", "--config", "/nothing/c.yaml"],
        &[],
    );
    assert!(
        found.code == 2 && found.error.contains("/nothing/c.yaml"),
        "{}",
        found.error
    );
}

#[test]
fn without_a_sink_it_says_where_one_can_be_named() {
    let found = run(&[], &[]);
    assert!(
        found.code == 2 && found.error.contains("--event-storage"),
        "{}",
        found.error
    );
}

#[test]
fn a_selection_or_rule_that_can_not_be_meant_ends_the_start() {
    let sinks = testkit::program::sinks();
    let check = |more: &[&str]| {
        let line: Vec<&str> = [
            "config",
            "check",
            "--event-storage",
            "stdout",
            "--shipped-sinks",
            sinks.to_str().unwrap(),
        ]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
        run(&line, &[])
    };
    assert_eq!(
        check(&["--select", "stdout=count > 1", "--redact", "t=x+"]).code,
        0
    );
    for (more, words) in [
        (
            &["--select", "type == \"Warning\""][..],
            &["SINK=EXPRESSION", "stdout"][..],
        ),
        (
            &["--select", "sls=count > 1"],
            &["\"sls\"", "no sink", "stdout"],
        ),
        (
            &["--select", "stdout=cuont > 1"],
            &["character 1", "\"cuont\"", "count"],
        ),
        (
            &["--select", "stdout=true", "--select", "stdout=false"],
            &["two selections"],
        ),
        (&["--redact", "x+"], &["NAME=REGEX"]),
        (&["--redact", "t=("], &["\"t\"", "unclosed group"]),
    ] {
        let found = check(more);
        assert_eq!(found.code, 2, "{more:?}: {}", found.error);
        for word in words {
            assert!(
                found.error.contains(word),
                "{more:?}: {word} is not in {}",
                found.error
            );
        }
    }
}

#[test]
fn the_schema_takes_a_file_that_the_program_takes() {
    let schema: Value = serde_json::from_str(&run(&["config", "schema"], &[]).out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = serde_json::json!({
        "event-storage": ["stdout", { "name": "w", "sink": "graphite", "select": "count > 1" }],
        "select": { "stdout": "true" }, "redact": [{ "name": "t", "pattern": "x" }],
        "retain": "1h", "once": true, "namespace": ["a"], "on-full": "shed",
    });
    assert!(
        validator.is_valid(&good),
        "{:?}",
        validator
            .iter_errors(&good)
            .map(|e| e.to_string())
            .collect::<Vec<_>>()
    );
    for bad in [
        serde_json::json!({ "retian": "1h" }),
        serde_json::json!({ "on-full": "maybe" }),
        serde_json::json!({ "event-storage": [{ "nmae": "x" }] }),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
