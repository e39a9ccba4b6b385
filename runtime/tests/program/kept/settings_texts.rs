//! Is a text of the settings file the text that is written there, whatever YAML takes it for?

use serde_json::{Value, json};

use super::{Desk, Run};

fn show(desk: &Desk, text: &str) -> Run {
    let file = desk.file("config.yaml", text);
    desk.run(&[
        "config",
        "show",
        "--format",
        "json",
        "--config",
        file.to_str().unwrap(),
    ])
}

const TEXTS: [&str; 4] = ["cluster", "region", "context", "kubeconfig"];
/// Only names of Kubernetes are taken for these.
const NAMES: [&str; 2] = ["lease-name", "lease-namespace"];

#[test]
fn a_text_is_as_it_is_written() {
    // Long: a table of cases.
    let desk = Desk::new();
    for written in [
        "1.30",
        "0123",
        "1e3",
        "no",
        "Yes",
        "off",
        "0x1F",
        "0o17",
        "1_000",
        "2026-03-01",
        "2026-03-01T10:00:00Z",
        "12:30:45",
        ".5",
        "+5",
        "-0",
        "true",
        "12345678901234567890",
        "1.",
        ".inf",
        ".nan",
        "y",
        "=",
        "a b",
    ] {
        let is_name = written
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        for name in TEXTS.iter().chain(NAMES.iter().filter(|_| is_name)) {
            let run = show(&desk, &format!("{name}: {written}\n"));
            let shown: Value = serde_json::from_str(&run.out)
                .unwrap_or_else(|_| panic!("{name}: {written}: {}", run.log));
            assert_eq!(shown[*name]["value"], json!(written), "{name}: {written}");
        }
        let as_namespaces = [
            format!("namespace: [{written}]"),
            format!("namespace:\n- {written}\n"),
            format!("namespace: {written}"),
        ];
        for namespaces in as_namespaces.iter().filter(|_| is_name) {
            let run = show(&desk, namespaces);
            let shown: Value = serde_json::from_str(&run.out)
                .unwrap_or_else(|_| panic!("{namespaces}: {}", run.log));
            assert_eq!(
                shown["namespace"]["value"],
                json!([written]),
                "{namespaces}"
            );
        }
    }
    for (written, text) in [
        ("\"null\"", "null"),
        ("'1.30'", "1.30"),
        ("|-\n  x\n", "x"),
        ("!!str null", "null"),
        ("\"\\u0041\"", "A"),
        ("&a prod", "prod"),
    ] {
        let shown: Value =
            serde_json::from_str(&show(&desk, &format!("cluster: {written}\n")).out).unwrap();
        assert_eq!(shown["cluster"]["value"], json!(text), "{written}");
    }
}

#[test]
fn truth_values_stay_truth_values() {
    let desk = Desk::new();
    for (written, value) in [
        ("true", "true"),
        ("yes", "true"),
        ("on", "true"),
        ("True", "true"),
        ("false", "false"),
        ("no", "false"),
        ("\"true\"", "true"),
    ] {
        let shown: Value =
            serde_json::from_str(&show(&desk, &format!("once: {written}\n")).out).unwrap();
        assert_eq!(shown["once"]["value"], json!(value), "{written}");
    }
}

#[test]
fn what_is_no_value_is_refused_in_our_words_with_the_name_of_the_setting() {
    let desk = Desk::new();
    for (text, words) in [
        ("cluster:\n", "cluster: it has no value"),
        ("cluster: null\n", "write it in quotes"),
        ("cluster: ~\n", "write it in quotes"),
        ("region: Null\n", "region: Null stands for no value"),
        (
            "namespace: [a, null]\n",
            "namespace: null stands for no value",
        ),
        ("namespace:\n-\n", "namespace: it has no value"),
        ("cluster: {a: b}\n", "cluster: a list or a single value"),
        ("cluster: [[a]]\n", "cluster: a list of texts"),
        ("namespace: [{a: b}]\n", "namespace: a list of texts"),
        ("once: maybe\n", "once: \"maybe\" is neither true nor false"),
        (
            "event-storage: [{name: w, select: }]\n",
            "select of an entry: it has no value",
        ),
        ("select: {stdout: }\n", "select: stdout: it has no value"),
        (
            "redact: [{name: a, pattern: [x]}]\n",
            "pattern of an entry: a text is asked for",
        ),
        ("cluster: a\ncluster: b\n", "cluster is set twice"),
        ("cluster: a\n---\ncluster: b\n", "2 documents"),
        ("just text\n", "no settings"),
        ("cluster: \"a\n", "line"),
        ("cluster: a\n\tregion: b\n", "found a tab"),
        ("cluster: a\nregion: [\n", "line"),
    ] {
        let run = show(&desk, text);
        assert_eq!(run.code, 2, "{text}: {}{}", run.out, run.log);
        assert!(
            run.log.contains(words) && run.log.contains("config.yaml"),
            "{text}: {}",
            run.log
        );
        for inner in [
            "untagged",
            "variant",
            "enum",
            "expected",
            "invalid type",
            "deserial",
        ] {
            assert!(!run.log.contains(inner), "{text}: {inner}: {}", run.log);
        }
    }
    let file = desk.file("config.yaml", b"cluster: caf\xe9\n");
    let run = desk.run(&["config", "show", "--config", file.to_str().unwrap()]);
    assert!(
        run.code == 2 && run.log.contains("line 1: it is not UTF-8"),
        "{}",
        run.log
    );
}

#[test]
fn an_editor_takes_what_the_program_takes() {
    let desk = Desk::new();
    let schema: Value = serde_json::from_str(&desk.run(&["config", "schema"]).out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for good in [
        json!({"cluster": 1.30}),
        json!({"region": false}),
        json!({"namespace": [1, "a"]}),
        json!({"namespace": 7}),
        json!({"redact": [{"name": 1, "pattern": "x"}]}),
    ] {
        assert!(validator.is_valid(&good), "{good}");
    }
    for bad in [
        json!({"cluster": null}),
        json!({"cluster": {}}),
        json!({"once": 5}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}
