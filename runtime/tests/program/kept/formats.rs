//! Is each usual form of a file read, by `--from` and by `explain` alike?

use std::io::Write;

use serde_json::{Value, json};

use super::{Desk, bare, event, lines};

fn pod(api_version: &str) -> Value {
    let owner = json!({"apiVersion": "training.kubedl.io/v1alpha1", "kind": "PyTorchJob", "name": "mnist", "uid": "j", "controller": true});
    json!({"apiVersion": api_version, "kind": "Pod", "metadata": {"name": "p1", "namespace": "lab", "uid": "pod-1", "ownerReferences": [owner]}})
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let units = mark
        .then_some(0xfeff)
        .into_iter()
        .chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

const YAML: &str = "apiVersion: v1
items:
- apiVersion: v1
  kind: Event
  metadata:
    name: e1
    namespace: lab
    uid: 00000000-0000-4000-8000-000000000001
    resourceVersion: 1001
    creationTimestamp: 2026-03-01T10:00:00Z
  involvedObject: {kind: Pod, name: p1, uid: pod-1}
  message: |-
    message 1: with a colon,
    and a second line
  count: 3
  lastTimestamp: null
- apiVersion: v1
  kind: Event
  metadata:
    name: e2
    namespace: lab
    uid: \"00000000-0000-4000-8000-000000000002\"
    resourceVersion: \"1002\"
    labels: {version: 1.30}
  message: yes
  count: 4
kind: List
metadata:
  resourceVersion: \"\"
";

/// An object as YAML in one line, without quotes at its keys.
fn flow(object: &Value) -> String {
    let mut text = object.to_string();
    for key in ["apiVersion", "kind", "metadata", "involvedObject"] {
        text = text.replace(&format!("\"{key}\":"), &format!("{key}: "));
    }
    text
}

/// An event as a YAML document.
fn block(number: u32) -> String {
    let members = event(number);
    let members = members
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("{key}: {value}\n"));
    let (first, rest): (Vec<String>, Vec<String>) =
        members.partition(|line| line.starts_with("apiVersion"));
    [first, rest].concat().concat()
}

#[test]
fn the_same_two_events_are_read_from_each_form() {
    // Long: one story, told in its order.
    let two = [event(1), event(2)];
    let list = json!({"kind": "List", "apiVersion": "v1", "items": two});
    let (json, ndjson, pretty) = (list.to_string(), lines(&two), format!("{list:#}"));
    let watch = lines(&[
        json!({"type": "ADDED", "object": event(1)}),
        json!({"type": "MODIFIED", "object": event(2)}),
        json!({"type": "DELETED", "object": event(3)}),
        json!({"type": "BOOKMARK", "object": {"kind": "Event", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}}),
        json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "code": 410}}),
    ]);
    let router = lines(&[
        json!({"verb": "ADDED", "event": bare(1)}),
        json!({"verb": "UPDATED", "event": bare(2), "old_event": bare(1)}),
    ]);
    let mut regarding = json!({"metadata": event(2)["metadata"], "regarding": event(2)["involvedObject"], "note": "message 2"});
    let documents = format!(
        "---\n{YAML}---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n...\n"
    );
    let anchored = YAML
        .replace(
            "namespace: lab\n    uid: 0",
            "namespace: &lab lab\n    uid: 0",
        )
        .replace(
            "namespace: lab\n    uid: \"",
            "namespace: *lab\n    uid: \"",
        );
    regarding["apiVersion"] = json!("events.k8s.io/v1");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("list", json.clone().into()),
        ("list over many lines", pretty.clone().into()),
        ("one a line", ndjson.clone().into()),
        ("one a line, CRLF", ndjson.replace('\n', "\r\n").into()),
        ("without line ends", ndjson.replace('\n', "").into()),
        ("JSON text sequence", format!("\x1e{}\n\x1e{}\n", two[0], two[1]).into()),
        ("commas", format!("{},\n{},\n", two[0], two[1]).into()),
        ("documents of JSON", format!("---\n{}\n---\n{}\n", two[0], two[1]).into()),
        ("mark of UTF-8", [b"\xef\xbb\xbf", ndjson.as_bytes()].concat()),
        ("UTF-16 LE with mark", utf16(&pretty, false, true)),
        ("UTF-16 BE with mark", utf16(&json, true, true)),
        ("UTF-16 LE", utf16(&ndjson, false, false)),
        ("UTF-16 BE", utf16(&ndjson, true, false)),
        ("gzip", gzip(json.as_bytes())),
        ("gzip in parts", [gzip(format!("{}\n", two[0]).as_bytes()), gzip(two[1].to_string().as_bytes())].concat()),
        ("gzip of UTF-16", gzip(&utf16(&json, false, true))),
        ("array", json!(two).to_string().into()),
        ("array over many lines", format!("{:#}", json!(two)).into()),
        ("array of arrays", json!([[two[0]], [[two[1]]]]).to_string().into()),
        ("lists in a list", json!({"kind": "List", "items": [{"kind": "EventList", "items": [bare(1)]}, list_of(&[bare(2)])]}).to_string().into()),
        ("array of lists", json!([list_of(&[event(1)]), list_of(&[event(2)])]).to_string().into()),
        ("items alone", json!({"items": two}).to_string().into()),
        ("watch", watch.clone().into()),
        ("array of a watch", json!([{"type": "ADDED", "object": event(1)}, {"type": "ADDED", "object": event(2)}]).to_string().into()),
        ("eventrouter", router.into()),
        (
            "container's log",
            format!("2026-03-01T10:00:00Z stdout F {}\n2026-03-01T10:00:00Z stdout F {}\n", json!({"verb": "ADDED", "event": bare(1)}), event(2))
                .into(),
        ),
        ("container's log in parts, of two streams", in_parts_of_cri(&two)),
        ("Docker's log in parts", in_parts_of_docker(&two)),
        ("no kind", lines(&[bare(1), regarding]).into()),
        ("YAML list", YAML.into()),
        ("YAML documents", documents.into()),
        ("YAML, gzip", gzip(YAML.as_bytes())),
        ("YAML, UTF-16", utf16(YAML, false, true)),
        ("YAML, CRLF", YAML.replace('\n', "\r\n").into()),
        (
            "YAML sequence",
            YAML.lines()
                .filter(|line| line.starts_with("- ") || line.starts_with("  "))
                .filter(|line| !line.contains("resourceVersion: \"\""))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
                .into(),
        ),
        ("YAML aliases", anchored.into()),
        ("YAML in one line each", format!("- {}\n- {}\n", flow(&two[0]), flow(&two[1])).into()),
        ("YAML mappings in one line", format!("{}\n{}\n", flow(&two[0]), flow(&two[1])).into()),
        (
            "YAML with keys in quotes",
            YAML.replace("apiVersion:", "\"apiVersion\":").replace("kind:", "'kind':").replace("metadata:", "\"metadata\" :").into(),
        ),
        ("JSON, then YAML", format!("{}\n---\n{}", two[0], block(2)).into()),
        ("YAML, then JSON", format!("{}---\n{}\n", block(1), two[1]).into()),
        ("under a name of its own", json!({"events": two, "note": "of a bundle"}).to_string().into()),
        ("by namespace", json!({"lab": two, "other": []}).to_string().into()),
        ("lists by namespace", json!({"kube-system": list_of(&[event(1)]), "lab": list_of(&[event(2)])}).to_string().into()),
        ("an array and a list by namespace", json!({"default": [event(1)], "empty": [], "lab": {"items": [bare(2)]}}).to_string().into()),
        ("an array and an event", json!({"a": [event(1)], "b": event(2)}).to_string().into()),
        ("by cluster and namespace", json!({"one": {"lab": [event(1)], "other": {}}, "two": {"lab": {"list": [event(2)]}}}).to_string().into()),
        ("items beside others", json!({"items": [event(1)], "zevents": [event(2)], "version": 1}).to_string().into()),
        (
            "Docker's log",
            lines(&two.clone().map(|event| json!({"log": format!("{event}\n"), "stream": "stdout", "time": "2026-03-01T10:00:00Z"}))).into(),
        ),
        ("kubectl logs --prefix", format!("[pod/router-0/main] {}\n[pod/router-0/main] {}\n", two[0], two[1]).into()),
        (
            "YAML of a watch",
            format!(
                "type: ADDED\nobject:\n{}",
                YAML.lines().skip(2).take(11).map(|line| format!("{}\n", line.replacen("- ", "  ", 1))).collect::<String>()
                    + &format!("---\n{}", event(2))
            )
            .into(),
        ),
    ];
    for (form, bytes) in cases {
        let desk = Desk::new();
        let file = desk.file("in", bytes);
        let run = desk.play(&file);
        assert_eq!(
            (run.code, run.names()),
            (0, vec!["e1".to_owned(), "e2".to_owned()]),
            "{form}: {}",
            run.log
        );
        assert_eq!(run.events()[0]["resourceVersion"], "1001", "{form}");
        let explained = desk.explain(&file);
        assert_eq!(
            (explained.code, explained.out.lines().count()),
            (0, 2),
            "{form}: {}{}",
            explained.out,
            explained.log
        );
    }
}

/// As CRI's log has long lines, those of one stream between those of the other.
fn in_parts_of_cri(events: &[Value; 2]) -> Vec<u8> {
    let parts = |event: &Value, stream: &str| -> Vec<String> {
        let text = event.to_string();
        let last = text.len().div_ceil(100) - 1;
        let part = |(place, part): (usize, &[u8])| {
            let tag = if place == last { "F" } else { "P" };
            format!(
                "2026-03-01T10:00:00.123456789Z {stream} {tag} {}\n",
                std::str::from_utf8(part).unwrap()
            )
        };
        text.as_bytes().chunks(100).enumerate().map(part).collect()
    };
    let (out, err) = (parts(&events[0], "stdout"), parts(&events[1], "stderr"));
    assert_eq!(out.len(), err.len());
    out.iter()
        .zip(&err)
        .map(|(out, err)| format!("{out}{err}"))
        .collect::<String>()
        .into()
}

fn in_parts_of_docker(events: &[Value]) -> Vec<u8> {
    let of = |event: &Value| {
        let text = format!("{event}\n");
        let parts = text.as_bytes().chunks(100).map(|part| json!({"log": std::str::from_utf8(part).unwrap(), "stream": "stdout", "time": "t"}));
        lines(&parts.collect::<Vec<_>>())
    };
    events.iter().map(of).collect::<String>().into()
}

fn list_of(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "items": items})
}

#[test]
fn texts_of_yaml_stay_as_they_are_written() {
    let desk = Desk::new();
    let run = desk.play(&desk.file("in.yaml", YAML));
    let events = run.events();
    assert_eq!(
        (&events[0]["message"], &events[1]["message"]),
        (
            &json!("message 1: with a colon,\nand a second line"),
            &json!("yes")
        )
    );
    assert_eq!(
        (
            &events[0]["count"],
            &events[1]["count"],
            &events[0]["lastTimestamp"]
        ),
        (&json!(3), &json!(4), &json!("2026-03-01T10:00:00Z"))
    );
}

#[test]
fn what_stands_in_a_foreign_group_is_no_event_and_no_owner() {
    let desk = Desk::new();
    let audit =
        json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "x", "verb": "list"});
    let mut foreign = event(9);
    foreign["apiVersion"] = json!("example.com/v1");
    let mut old = event(2);
    old["apiVersion"] = json!("events.k8s.io/v1beta1");
    let file = desk.file(
        "in.ndjson",
        lines(&[event(1), audit, foreign, old, pod("example.com/v1")]),
    );
    let run = desk.play(&file);
    assert_eq!(
        (run.code, run.names()),
        (0, vec!["e1".to_owned(), "e2".to_owned()]),
        "{}",
        run.log
    );
    for what in [
        "1 Event of audit.k8s.io/v1",
        "1 Event of example.com/v1",
        "1 Pod of example.com/v1",
    ] {
        assert!(run.log.contains(what), "{what}: {}", run.log);
    }
    assert!(run.events()[0]["job"].is_null(), "{}", run.out);
    let file = desk.file("in.ndjson", lines(&[event(1), pod("v1")]));
    let run = desk.play(&file);
    assert_eq!(run.events()[0]["job"]["name"], "mnist", "{}", run.log);
    assert!(run.log.contains("1 Pod"), "{}", run.log);
}

#[test]
fn a_pod_counts_as_far_as_it_can_be_read() {
    let desk = Desk::new();
    let mut odd = pod("v1");
    odd["metadata"]["creationTimestamp"] = json!("");
    odd["metadata"]["labels"] = json!(5);
    odd["metadata"]["ownerReferences"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!("x"));
    let none = json!({"apiVersion": "v1", "kind": "Pod", "metadata": null});
    let run = desk.play(&desk.file("in.ndjson", lines(&[none, odd, event(1)])));
    assert_eq!(
        (run.code, &run.events()[0]["job"]["name"]),
        (0, &json!("mnist")),
        "{}",
        run.log
    );
}
