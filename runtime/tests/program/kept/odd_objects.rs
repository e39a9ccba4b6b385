//! Does an odd thing among events cost itself alone, and is it told and kept?

// Long: one question, with all of its cases.

use serde_json::{Value, json};

use super::{Desk, event, lines};

/// The second event with something done to its text.
fn spoilt(change: impl Fn(String) -> Vec<u8>) -> Vec<u8> {
    [
        format!("{}\n", event(1)).into_bytes(),
        change(event(2).to_string()),
        format!("\n{}\n", event(3)).into_bytes(),
    ]
    .concat()
}

fn list_with(item: &str, pretty: bool) -> Vec<u8> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [event(1), "HERE", event(3)], "metadata": {"resourceVersion": ""}});
    let text = if pretty {
        format!("{list:#}")
    } else {
        list.to_string()
    };
    text.replace("\"HERE\"", item).into_bytes()
}

fn latin1(text: String) -> Vec<u8> {
    let (before, after) = text.split_once("message 2").unwrap();
    [before.as_bytes(), b"caf\xe9", after.as_bytes()].concat()
}

#[test]
fn one_odd_thing_between_two_events_is_kept_and_the_events_are_stored() {
    // Long: one story, told in its order.
    let cut = |keep: usize| move |text: String| text.into_bytes()[..keep].to_vec();
    let yaml = |middle: &str| {
        let item = |number: u32| {
            format!(
                "- apiVersion: v1\n  kind: Event\n  metadata: {{name: e{number}, uid: u{number}, resourceVersion: \"{number}\"}}\n  message: m\n"
            )
        };
        format!(
            "apiVersion: v1\nitems:\n{}{middle}{}kind: List\n",
            item(1),
            item(3)
        )
        .into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "line of a log",
            spoilt(|_| b"I0301 10:00:00 main.go:1] starting {\"a\": 1}".to_vec()),
            "line 2",
        ),
        (
            "kind that is a number",
            spoilt(|text| text.replace("\"Event\"", "5").into_bytes()),
            "kind is no text",
        ),
        (
            "kind that is a list",
            spoilt(|text| text.replace("\"Event\"", "[\"Event\"]").into_bytes()),
            "kind is no text",
        ),
        (
            "line of a log that begins as YAML does",
            spoilt(|_| b"kind: of a log line".to_vec()),
            "line 2",
        ),
        (
            "the same first",
            [
                b"event: started\n".to_vec(),
                lines(&[event(1), event(3)]).into_bytes(),
            ]
            .concat(),
            "line 1",
        ),
        (
            "one of server-sent events",
            format!("event: ADDED\ndata: {}\n\ndata: {}\n\n", event(1), event(3)).into_bytes(),
            "line 1",
        ),
        (
            "the same before lists",
            format!(
                "metadata: foo\n{}\n",
                json!({"kind": "List", "items": [event(1), event(3)]})
            )
            .into_bytes(),
            "line 1",
        ),
        (
            "YAML that is no object between",
            spoilt(|_| b"metadata:\n  x: [1]\nitems:\n".to_vec()),
            "line 2",
        ),
        ("number", spoilt(|_| b"42".to_vec()), "line 2"),
        ("text", spoilt(|_| b"\"hello\"".to_vec()), "line 2"),
        ("null", spoilt(|_| b"null".to_vec()), "line 2"),
        (
            "no metadata",
            spoilt(|_| br#"{"apiVersion":"v1","kind":"Event","reason":"x"}"#.to_vec()),
            "no metadata",
        ),
        (
            "null metadata",
            spoilt(|_| br#"{"apiVersion":"v1","kind":"Event","metadata":null}"#.to_vec()),
            "no metadata",
        ),
        (
            "metadata of another type",
            spoilt(|_| br#"{"apiVersion":"v1","kind":"Event","metadata":"x"}"#.to_vec()),
            "no metadata",
        ),
        (
            "no kind, about nothing",
            spoilt(|_| br#"{"metadata":{"name":"x"}}"#.to_vec()),
            "object 2 (line 2)",
        ),
        (
            "line of a structured log",
            spoilt(|_| br#"{"level":"info","msg":"x"}"#.to_vec()),
            "object 2 (line 2)",
        ),
        (
            "no uid",
            spoilt(|text| {
                text.replace("\"uid\":\"0000", "\"uuid\":\"0000")
                    .into_bytes()
            }),
            "object 2 (line 2): the Event \"e2\" has no metadata.uid",
        ),
        (
            "byte that is not UTF-8",
            spoilt(latin1),
            "0xe9 is not UTF-8",
        ),
        (
            "cut in a text",
            spoilt(|text| text.split("essage 2").next().unwrap().as_bytes().to_vec()),
            "line 2",
        ),
        ("cut after a brace", spoilt(cut(1)), "line 2"),
        (
            "cut after a colon",
            spoilt(|text| {
                text.split_inclusive("\"metadata\":")
                    .next()
                    .unwrap()
                    .as_bytes()
                    .to_vec()
            }),
            "line 2",
        ),
        (
            "cut in an object",
            spoilt(|text| {
                text.split_inclusive("\"namespace\":\"lab\"")
                    .next()
                    .unwrap()
                    .as_bytes()
                    .to_vec()
            }),
            "line 2",
        ),
        (
            "comma too many",
            spoilt(|text| text.replace(",\"type\"", ",,\"type\"").into_bytes()),
            "line 2",
        ),
        (
            "NaN",
            spoilt(|text| text.replace("\"count\":3", "\"count\":NaN").into_bytes()),
            "line 2",
        ),
        (
            "unknown type of a watch",
            spoilt(|text| format!("{{\"type\":\"NEWS\",\"object\":{text}}}").into_bytes()),
            "NEWS",
        ),
        (
            "comma too many in a list of many lines",
            format!(
                "{{\"kind\": \"List\", \"items\": [\n{},\n{},\n]}}\n",
                event(1),
                event(3)
            )
            .into_bytes(),
            "line 1: it is no JSON: expected value at line 4 column 1",
        ),
        ("null in a list", list_with("null", false), "item 2"),
        (
            "no metadata in a bundle",
            json!({"a": [event(1)], "b": [{"kind": "Event", "reason": "x"}], "c": [event(3)]})
                .to_string()
                .into(),
            "no metadata",
        ),
        (
            "about something in a bundle",
            json!({"a": [event(1)], "b": {"involvedObject": {}}, "c": [event(3)]})
                .to_string()
                .into(),
            "object 1",
        ),
        (
            "number in an array of a bundle",
            json!({"a": [event(1), 5, event(3)]}).to_string().into(),
            "item 2",
        ),
        ("text in a list", list_with("\"x\"", true), "item 2"),
        (
            "no metadata in a list",
            list_with(r#"{"kind":"Event"}"#, false),
            "item 2",
        ),
        (
            "no JSON in a list",
            list_with(r#"{"kind":"Event","metadata":{"name":}}"#, false),
            "line 1",
        ),
        (
            "no JSON in a list of many lines",
            list_with("{\"kind\": \"Event\"\n \"metadata\": {}}", true),
            "no JSON",
        ),
        (
            "line of a log in a list",
            list_with(
                &format!(
                    "{},\nE0301 lost connection\n{}",
                    json!({"kind":"Pod","metadata":{}}),
                    json!({"kind":"Pod","metadata":{}})
                ),
                true,
            ),
            "line",
        ),
        ("byte in a list", Vec::new(), "0xe9 is not UTF-8"),
        (
            "byte in a list of many lines",
            latin1(String::from_utf8(list_with(&format!("{:#}", event(2)), true)).unwrap()),
            "0xe9 at line",
        ),
        (
            "YAML item",
            yaml("- apiVersion: v1\n  kind: Event\n\tmetadata: {\n"),
            "no YAML",
        ),
        ("YAML item that is no object", yaml("- 5\n"), "item 2"),
        (
            "YAML document",
            [yaml(""), b"---\nkind: Event\n  x: [\n".to_vec()].concat(),
            "no YAML",
        ),
        (
            "text before YAML",
            [b"Now the events, at last\n".to_vec(), yaml("")].concat(),
            "line 1",
        ),
    ];
    for (what, bytes, words) in cases {
        let bytes = if what == "byte in a list" {
            let text = String::from_utf8(list_with(&event(2).to_string(), false)).unwrap();
            latin1(text)
        } else {
            bytes
        };
        let desk = Desk::new();
        let file = desk.file("in", bytes);
        let run = desk.play(&file);
        assert_eq!(
            (run.code, run.names()),
            (3, vec!["e1".to_owned(), "e3".to_owned()]),
            "{what}: {}",
            run.log
        );
        let letters = desk.letters();
        assert_eq!(letters.len(), 1, "{what}: {letters:?}");
        let reason = letters[0]["reason"].as_str().unwrap();
        assert!(
            letters[0]["sink"] == "" && reason.contains(words),
            "{what}: {reason}"
        );
        assert!(
            run.log.contains("dead-letters list --data-dir")
                && run.log.contains("kept as a dead letter of no sink"),
            "{what}: {}",
            run.log
        );
        let explained = desk.explain(&file);
        let told: Vec<Value> = explained
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let odd = told
            .iter()
            .filter(|account| account["unreadable"].is_string())
            .count();
        assert_eq!(
            (explained.code, told.len(), odd),
            (3, 3, 1),
            "{what}: {}{}",
            explained.out,
            explained.log
        );
    }
}

#[test]
fn what_is_whole_before_the_end_of_a_cut_file_is_stored() {
    let (one, list) = (
        lines(&[event(1), event(2)]),
        json!({"kind": "List", "items": [event(1), event(2), event(3)]}),
    );
    let third = list.to_string().find("\"e3\"").unwrap();
    let pretty = format!("{list:#}");
    for (what, text) in [
        ("lines", format!("{one}{}", &event(3).to_string()[..200])),
        ("list", list.to_string()[..third].to_owned()),
        (
            "list over many lines",
            pretty[..pretty.find("\"e3\"").unwrap()].to_owned(),
        ),
        (
            "between two items",
            format!("{{\"kind\":\"List\",\"items\":[{},{}", event(1), event(2)),
        ),
        (
            "after the items",
            format!("{{\"kind\":\"List\",\"items\":[{},{}]", event(1), event(2)),
        ),
        ("array", format!("[{},{},", event(1), event(2))),
        (
            "watch",
            format!(
                "{}{}",
                lines(&[
                    json!({"type": "ADDED", "object": event(1)}),
                    json!({"type": "ADDED", "object": event(2)})
                ]),
                "{\"type\":\"ADDED\",\"obj"
            ),
        ),
    ] {
        let desk = Desk::new();
        let run = desk.play(&desk.file("in", text));
        assert_eq!(
            (run.code, run.names()),
            (3, vec!["e1".to_owned(), "e2".to_owned()]),
            "{what}: {}",
            run.log
        );
        let letters = desk.letters();
        assert!(
            letters.len() == 1
                && letters[0]["reason"]
                    .as_str()
                    .unwrap()
                    .contains("ends in the middle"),
            "{what}: {letters:?}"
        );
    }
}

#[test]
fn an_event_that_may_be_half_of_one_is_not_stored() {
    let item = |number: u32| {
        format!(
            "- apiVersion: v1\n  kind: Event\n  metadata: {{name: e{number}, uid: u{number}, resourceVersion: \"1\"}}\n  reason: Pulled"
        )
    };
    for (what, text) in [
        (
            "a list without its kind",
            format!(
                "apiVersion: v1\nitems:\n{}\n{}\n{}\n",
                item(1),
                item(2),
                item(3)
            ),
        ),
        (
            "a list without a line end",
            format!("kind: List\nitems:\n{}\n{}\n{}", item(1), item(2), item(3)),
        ),
        (
            "documents",
            format!("{0}\n---\n{1}\n---\n{2}", item(1), item(2), item(3))
                .replace("\n  ", "\n")
                .replace("- ", ""),
        ),
    ] {
        let desk = Desk::new();
        let run = desk.play(&desk.file("in.yaml", text));
        assert_eq!(
            (run.code, run.names()),
            (3, vec!["e1".to_owned(), "e2".to_owned()]),
            "{what}: {}",
            run.log
        );
        let letters = desk.letters();
        assert!(
            letters.len() == 1
                && letters[0]["reason"]
                    .as_str()
                    .unwrap()
                    .contains("may be half of one"),
            "{what}: {letters:?}"
        );
    }
}

#[test]
fn a_key_that_is_there_twice_has_its_last_value() {
    for (first, both, field, value) in [
        (
            "\"reason\":\"Pulled\"",
            "\"reason\":\"Old\",\"reason\":\"Pulled\"",
            "reason",
            "Pulled",
        ),
        (
            "\"kind\":\"Event\"",
            "\"kind\":\"Pod\",\"kind\":\"Event\"",
            "name",
            "e1",
        ),
        (
            "\"message\":\"message 1\"",
            "\"message\":5,\"message\":\"last\"",
            "message",
            "last",
        ),
        (
            "\"name\":\"e1\"",
            "\"name\":\"e0\",\"name\":\"e1\"",
            "name",
            "e1",
        ),
        (
            "\"resourceVersion\":\"1001\"",
            "\"resourceVersion\":\"9\",\"resourceVersion\":\"1001\"",
            "resourceVersion",
            "1001",
        ),
    ] {
        let desk = Desk::new();
        let text = event(1).to_string();
        assert!(text.contains(first), "{first} in {text}");
        let run = desk.play(&desk.file("in", text.replacen(first, both, 1)));
        assert_eq!(
            (run.code, &run.events()[0][field]),
            (0, &json!(value)),
            "{both}: {}",
            run.log
        );
    }
}

#[test]
fn each_kind_of_reason_is_said() {
    let desk = Desk::new();
    let mut no_uid = event(2);
    no_uid["metadata"].as_object_mut().unwrap().remove("uid");
    let mut no_version = event(3);
    no_version["metadata"]["resourceVersion"] = json!("");
    let text = format!(
        "{}a line\n{}\nanother line\n",
        lines(&[event(1), no_uid, no_version]),
        json!({"kind": "Event"})
    );
    let run = desk.play(&desk.file("in", text));
    assert_eq!((run.code, desk.letters().len()), (3, 5), "{}", run.log);
    for words in [
        "no metadata.uid",
        "no metadata.resourceVersion",
        "line 4",
        "it has no metadata",
    ] {
        assert!(run.log.contains(words), "{words}: {}", run.log);
    }
    assert!(
        !run.log.contains("another line"),
        "of a kind one is said: {}",
        run.log
    );
}

#[test]
fn a_file_without_any_event_is_never_stored_and_is_named_for_what_it_is() {
    let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": [], "rows": []});
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "events is forbidden", "code": 403});
    for (what, bytes, words) in [
        ("empty", Vec::new(), "empty"),
        ("white space", b" \n\n".to_vec(), "empty"),
        ("empty list", b"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"items\":[]}".to_vec(), "without items"),
        ("null list", b"{\"kind\":\"EventList\",\"apiVersion\":\"v1\",\"items\":null}".to_vec(), "without items"),
        ("empty array", b"[]".to_vec(), "without items"),
        ("table", table.to_string().into_bytes(), "a Table"),
        ("status", status.to_string().into_bytes(), "events is forbidden"),
        (
            "kubectl's table",
            b"LAST SEEN   TYPE      REASON    OBJECT      MESSAGE\n5m          Normal    Pulled    pod/a       x\n".to_vec(),
            "kubectl get events",
        ),
        ("kubectl's error", b"Error from server (Forbidden): events is forbidden\n".to_vec(), "kubectl said"),
        ("page", b"<!DOCTYPE html>\n<html><script>\n{\"a\":1}\n</script></html>\n".to_vec(), "HTML"),
        ("binary", vec![7, 0, 0, 1, 2, 3, 0xff, 0xfe, 0, 0], "binary"),
        ("UTF-32", "{\"kind\":\"List\"}".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32"),
        ("described", b"Name:         e1\nNamespace:    lab\nEvents:\n  Type  Reason\n".to_vec(), "kubectl describe"),
        ("zip", b"PK\x03\x04xxxx".to_vec(), "zip"),
        ("text", b"hello\nworld\n".to_vec(), "text"),
        ("only others", lines(&[json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}})]).into_bytes(), "1 Pod"),
        ("only deletions", lines(&[json!({"type": "DELETED", "object": event(1)})]).into_bytes(), "DELETED"),
    ] {
        let desk = Desk::new();
        let file = desk.file("in", bytes);
        let run = desk.play(&file);
        let error = run.log.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(run.code == 1 && error.contains(words) && error.contains("/in"), "{what}: {} {}", run.code, run.log);
        let explained = desk.explain(&file);
        assert!(explained.code != 0 && explained.log.contains(words), "{what}: {}", explained.log);
        assert_eq!(desk.left(), Vec::<std::path::PathBuf>::new(), "{what}");
    }
}

#[test]
fn what_is_hidden_is_hidden_also_where_only_its_beginning_is_shown() {
    let secret = format!("token={}", "0123456789abcdef".repeat(8));
    let rule = r"t=token=[0-9a-f]{128}";
    let before = "x".repeat(80);
    let odd = format!(
        "{}\n{before} {secret}\n\"{before} {secret}\"\n{{\"type\":\"{before}{secret}\",\"object\":{{}}}}\n",
        event(1)
    );
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "message": format!("{before} {secret}")}).to_string();
    for (what, text) in [
        ("odd things", odd),
        ("a Status", status),
        ("text", format!("{before} {secret}\n")),
    ] {
        let desk = Desk::new();
        let file = desk.file("in", text);
        let run = desk.play_with(&file, &["--redact", rule]);
        assert!(
            run.code != 0 && !run.log.contains("token="),
            "{what}: {}",
            run.log
        );
        let listed = desk
            .run(&[
                "dead-letters",
                "list",
                "--data-dir",
                desk.data().to_str().unwrap(),
            ])
            .out;
        assert!(!listed.contains("token="), "{what}: {listed}");
    }
}

#[test]
fn what_is_cut_off_in_a_compressed_file_is_told_beside_other_odd_things() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let many: Vec<Value> = (1..=400).map(event).collect();
    std::io::Write::write_all(
        &mut encoder,
        format!("a line of text\n{}", lines(&many)).as_bytes(),
    )
    .unwrap();
    let whole = encoder.finish().unwrap();
    let desk = Desk::new();
    let run = desk.play(&desk.file("in", &whole[..whole.len() / 2]));
    assert!(run.code == 3 && !run.names().is_empty(), "{}", run.log);
    let reasons: Vec<String> = desk
        .letters()
        .iter()
        .map(|letter| letter["reason"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("compressed with gzip")),
        "{reasons:?}"
    );
}

#[test]
fn what_is_hidden_in_events_is_hidden_in_what_can_not_be_read() {
    let desk = Desk::new();
    let text = format!(
        "{}\nI0301 login token=abc now\n{{\"kind\":\"Event\",\"x\":\"token=abc\"}}\n",
        event(1)
    );
    let run = desk.play_with(&desk.file("in", text), &["--redact", r"t=token=\w+"]);
    assert_eq!((run.code, desk.letters().len()), (3, 2), "{}", run.log);
    let shown: String = (1..=2)
        .map(|id| {
            desk.run(&[
                "dead-letters",
                "show",
                &id.to_string(),
                "--data-dir",
                desk.data().to_str().unwrap(),
            ])
            .out
        })
        .collect();
    assert!(
        !run.log.contains("token=abc")
            && !shown.contains("token=abc")
            && shown.contains("[redacted:t]"),
        "{shown}{}",
        run.log
    );
}
