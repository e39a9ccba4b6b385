//! Inputs that are known: what is right, and what once broke something.

use std::path::Path;

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// What lies in a folder of the corpus: what an earlier run found.
fn found(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hostile/fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

pub fn grants() -> Vec<Vec<u8>> {
    let mut inputs = all(&[
        "env:\n  A: {from: A}\n  B: {file: /etc/x, optional: true}\n  C: {value: \"x\", secret: true}\nhttp:\n  - https://${A}.example.com:8443\n  - http://*.example.com\n",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\nstdout: inherit\ntls: {client-certificate: {cert: /a, key: /b}}\n",
        "private: [10.0.0.0/8, \"fd00::/8\"]\nlimits: {memory: 64MiB, call: 60s, http-width: 8, batch-events: 1, batch-bytes: 1MiB, requests-per-minute: 3, bytes-per-minute: 1KiB}\n",
        "# nothing\n",
        "http: [\"https://[::1]:80\", \"${A}\"]\nenv: {A: {from: A}}\nprivate: true\n",
    ]);
    inputs.extend(found("grants"));
    inputs
}

pub fn urls() -> Vec<Vec<u8>> {
    let mut inputs = all(&[
        "https://granted.example.com/a?b=c#d",
        "http://granted.example.com:8080/",
        "https://GRANTED.example.com./%2e%2e/",
        "https://granted.example.com@evil.example/",
        "https://evil.example#@granted.example.com/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f.1/",
        "https://granted.example.com\\.evil.example/",
    ]);
    inputs.extend(found("urls"));
    inputs
}

pub fn parts() -> Vec<Vec<u8>> {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let index = format!(
        r#"{{"component":"{digest}","encoding":"zstd","parts":[{{"name":"x.wasm.9f86d081884c7d65.000","sha256":"{digest}"}}]}}"#
    );
    let mut inputs = all(&[
        &index,
        &index.replace("zstd", "gzip").replace("x.wasm", "../x.wasm"),
        "{}",
    ]);
    inputs.extend(found("parts"));
    inputs
}

pub fn texts() -> Vec<Vec<u8>> {
    let mut inputs = all(&[
        "plain text",
        "hunter2-hunter2 and https://user:hunter2-hunter2@example.com/path?token=hunter2-hunter2",
        "[104, 117, 110] 68:75:6e \\x68\\u0075\\u{6e} &#104;&#x75;&amp; %68%2575",
        "a\u{1b}[2J\u{9b}1A\u{202e}\u{200b}\u{e0041}\r\n\t",
        "{\"k\":\"\\\"v\\\"\",\"n\":[1,2]}",
        "X-Key: abcdefgh\nk=v;Password=hunter2-hunter2",
    ]);
    inputs.extend(found("texts"));
    inputs
}

pub fn events() -> Vec<Vec<u8>> {
    let core = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"e","namespace":"n","uid":"u","resourceVersion":"7","creationTimestamp":"2026-03-01T10:00:00Z","managedFields":[{"a":1}]},"message":"m","reason":"R","type":"Normal","count":3,"firstTimestamp":"2026-03-01T10:00:00Z","lastTimestamp":"2026-03-01T10:00:00.123456Z","eventTime":null,"series":{"count":2,"lastObservedTime":"2026-03-01T10:00:00Z"},"source":{"component":"kubelet","host":"h"},"involvedObject":{"kind":"Pod","apiVersion":"v1","name":"p","namespace":"n","uid":"x","fieldPath":"spec"}}"#;
    let new = r#"{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"name":"e","uid":"u","resourceVersion":7},"note":"m","regarding":{"kind":"Pod"},"related":{"kind":"Node","name":"n"},"deprecatedCount":"3","deprecatedFirstTimestamp":"0001-01-01T00:00:00Z","reportingController":"c","reportingInstance":"i","action":"A"}"#;
    let mut inputs = all(&[core, new]);
    inputs.extend(found("events"));
    inputs
}

pub fn recordings() -> Vec<Vec<u8>> {
    let event = String::from_utf8(events().remove(0)).unwrap();
    let list = format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{event},{event}]}}");
    let yaml = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Event\n  metadata: {name: e, uid: u, resourceVersion: \"7\"}\n  involvedObject: &o {kind: Pod, name: p}\n- kind: Pod\n  metadata:\n    name: p\n";
    let mut inputs = all(&[
        &event,
        &list,
        yaml,
        &format!("{event}\n---\n{yaml}"),
        &format!(
            "{{\"type\":\"ADDED\",\"object\":{event}}}\n{{\"verb\":\"ADDED\",\"event\":{event}}}\n"
        ),
        &format!(
            "2026-03-01T10:00:00.123456789Z stdout P {}\n2026-03-01T10:00:00.123456789Z stdout F {}\n",
            &event[..100],
            &event[100..]
        ),
        &format!(
            "{{\"log\":{},\"stream\":\"stdout\"}}\n",
            serde_json::Value::from(event.as_str())
        ),
        "LAST SEEN   TYPE   REASON   OBJECT   MESSAGE\n",
        "<!DOCTYPE html><html></html>",
    ]);
    inputs.extend(found("recordings"));
    inputs
}

pub fn watch_lines() -> Vec<Vec<u8>> {
    let event = String::from_utf8(events().remove(0)).unwrap();
    let line = format!("{{\"type\":\"ADDED\",\"object\":{event}}}");
    let mut inputs = all(&[
        &line,
        &format!("{line}{line}"),
        r#"{"type":"BOOKMARK","object":{"kind":"Event","metadata":{"resourceVersion":"9"}}}"#,
        r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"m","reason":"Expired","details":{"retryAfterSeconds":1}}}"#,
        r#"{"type":"DELETED","object":{"metadata":{"uid":"u","resourceVersion":"9"}}}"#,
    ]);
    inputs.extend(found("watch_lines"));
    inputs
}

pub fn selections() -> Vec<Vec<u8>> {
    let mut inputs = all(&[
        "type == 'Warning' && reason in ['A', 'B']",
        "has(job.name) ? message.startsWith('x') : count > 3",
        "labels.exists(k, k == 'team') || message.matches('^a+$')",
        "lastTimestamp - firstTimestamp > duration('60s')",
        "[1, 2, 3].map(n, n * 2).size() == 3 && !(1.0 / 0.0 > 2.0)",
        "timestamp('2026-03-01T10:00:00Z').getHours('Europe/Berlin') == 11",
    ]);
    inputs.extend(found("selections"));
    inputs
}

/// Bytes that decide what is generated.
pub fn noise() -> Vec<Vec<u8>> {
    let mut random = super::mutation::Random::new(7);
    let mut inputs: Vec<Vec<u8>> = (0..32)
        .map(|n| (0..512 + n * 64).map(|_| random.below(256) as u8).collect())
        .collect();
    inputs.extend(found("generated"));
    inputs
}

pub fn components() -> Vec<Vec<u8>> {
    let mut inputs = vec![
        wat::parse_str("(component)").unwrap(),
        wat::parse_str(r#"(component (import "wasi:io/poll@0.2.0" (instance)) (export "kubedl:events/event-sink@0.1.0" (instance 0)))"#).unwrap(),
        wat::parse_str(r#"(component (core module $m (memory (export "m") 1) (func (export "f") (loop (br 0)))) (core instance (instantiate $m)))"#)
            .unwrap(),
        wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (memory 1))"#).unwrap(),
        super::targets::guest(),
    ];
    inputs.extend(found("components"));
    inputs
}
