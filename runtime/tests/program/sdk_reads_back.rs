//! Can the vendor's own client library, and KubeDL's reader built on it, read what the sink wrote?

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::apiserver::binaries;
use testkit::program::Start;
use testkit::sls;

use crate::PROGRAM;

/// Three versions of events, in the shapes of both APIs, with what JSON and protobuf find hard.
/// Times are near now: SLS takes no others.
fn recording(now: jiff::Timestamp) -> String {
    let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let object = |kind: &str, name: &str, api: &str| {
        format!(
            r#"{{"apiVersion":"{api}","kind":"{kind}","namespace":"training","name":"{name}","uid":"uid-of-{name}"}}"#
        )
    };
    let meta = |name: &str, version: u32| {
        format!(
            r#""metadata":{{"name":"{name}","namespace":"training","uid":"u-{name}","resourceVersion":"{version}","creationTimestamp":"{seconds}"}}"#
        )
    };
    let job = object("PyTorchJob", "mnist", "training.kubedl.io/v1alpha1");
    let pod = object("Pod", "mnist-worker-0", "v1");
    let owner = r#"[{"apiVersion":"training.kubedl.io/v1alpha1","kind":"PyTorchJob","name":"mnist","uid":"uid-of-mnist","controller":true}]"#;
    [
        format!(r#"{{"kind":"Pod","metadata":{{"name":"mnist-worker-0","namespace":"training","uid":"uid-of-mnist-worker-0","ownerReferences":{owner}}}}}"#),
        format!(r#"{{"kind":"Event",{},"involvedObject":{job},"reason":"JobCreated","message":"PyTorchJob \"mnist\" \u00e4\u4e2d\ud83d\ude00\nline 2\ttab","type":"Normal","count":1,"firstTimestamp":"{seconds}","lastTimestamp":"{seconds}","source":{{"component":"pytorchjob-controller"}}}}"#, meta("e1", 11)),
        format!(r#"{{"kind":"Event",{},"involvedObject":{pod},"reason":"BackOff","message":"","type":"Warning","count":7,"firstTimestamp":"{seconds}","lastTimestamp":"{seconds}","source":{{"component":"kubelet","host":"node-1"}}}}"#, meta("e2", 12)),
        format!(r#"{{"kind":"Event",{},"involvedObject":{pod},"reason":"Scheduled","message":"assigned","type":"Normal","eventTime":"{}","firstTimestamp":null,"lastTimestamp":null,"source":{{}},"reportingComponent":"default-scheduler"}}"#, meta("e3", 13), now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")),
    ]
    .join("\n")
}

fn read(server: &sls::Server, now: jiff::Timestamp, name: &str, mode: &[&str]) -> Vec<Value> {
    let known = sls::Options::default();
    let (from, to) = (
        (now.as_second() - 3600).to_string(),
        (now.as_second() + 3600).to_string(),
    );
    let mut command = Command::new(binaries().join("kubedl-read"));
    command.args([
        &server.endpoint(),
        &known.project,
        &known.log_store,
        &known.access_key_id,
        &known.access_key_secret,
        "training",
        name,
        &from,
        &to,
    ]);
    let output = command
        .args(mode)
        .output()
        .expect("kubedl-read is built by `cargo xtask testkit`");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_vendors_library_reads_kubedls_twelve_keys_right_to_the_byte() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now();
    let file = folder.path().join("recording.jsonl");
    std::fs::write(&file, recording(now)).unwrap();
    let server = sls::Server::start(sls::Options::default()).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .to_sls(&server)
        .with("--region", "cn-zhangbei");
    let (status, _, log) = start
        .with("--from", &file)
        .flag("--once")
        .with("--timeout", "60s")
        .run()
        .unwrap();
    assert!(status.success(), "{log}");

    let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let twelve = [
        "FirstTimestamp",
        "LastTimestamp",
        "Count",
        "Name",
        "Kind",
        "ObjUID",
        "ObjNamespace",
        "ObjName",
        "Type",
        "Reason",
        "Message",
        "Region",
    ];
    let message = "PyTorchJob \"mnist\" \u{e4}\u{4e2d}\u{1f600}\nline 2\ttab";
    let expected = [
        [
            "1",
            "e1",
            "PyTorchJob",
            "uid-of-mnist",
            "training",
            "mnist",
            "Normal",
            "JobCreated",
            message,
        ],
        [
            "7",
            "e2",
            "Pod",
            "uid-of-mnist-worker-0",
            "training",
            "mnist-worker-0",
            "Warning",
            "BackOff",
            "",
        ],
        [
            "1",
            "e3",
            "Pod",
            "uid-of-mnist-worker-0",
            "training",
            "mnist-worker-0",
            "Normal",
            "Scheduled",
            "assigned",
        ],
    ];
    let mut logs = read(&server, now, "mnist", &["logs"]);
    logs.extend(read(&server, now, "mnist-worker-0", &["logs"]));
    for values in expected {
        let log = logs
            .iter()
            .find(|log| log["Name"] == values[1])
            .unwrap_or_else(|| panic!("{} is not there: {logs:?}", values[1]));
        let found: Vec<&str> = twelve
            .iter()
            .map(|key| log[*key].as_str().unwrap_or("(absent)"))
            .collect();
        let wanted: Vec<&str> = [seconds.as_str(), seconds.as_str()]
            .into_iter()
            .chain(values)
            .chain(["cn-zhangbei"])
            .collect();
        assert_eq!(found, wanted);
    }
    for log in server.stored() {
        let keys: Vec<&str> = log.contents.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys[..12], twelve, "in KubeDL's order, before ours");
        assert_eq!(log.topic, "");
    }
    assert_eq!(
        server
            .stored()
            .iter()
            .map(|log| log.source.as_str())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>(),
        [
            "default-scheduler/",
            "kubelet/node-1",
            "pytorchjob-controller/"
        ]
    );
}

#[test]
fn kubedls_own_reader_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now();
    let file = folder.path().join("recording.jsonl");
    std::fs::write(&file, recording(now)).unwrap();
    let server = sls::Server::start(sls::Options::default()).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log").to_sls(&server);
    let (status, _, log) = start
        .with("--from", &file)
        .flag("--once")
        .with("--timeout", "60s")
        .run()
        .unwrap();
    assert!(status.success(), "{log}");
    let events = read(&server, now, "mnist", &[]);
    let job = events
        .iter()
        .find(|event| event["ObjName"] == "mnist")
        .unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(
        (&job["Count"], &job["Reason"], &job["Region"]),
        (&1.into(), &"JobCreated".into(), &Value::Null)
    );
    // The job's name is in a key of its Pods' events too, so its list has them: by KubeDL's reader,
    // one for each object.
    assert!(
        events
            .iter()
            .any(|event| event["ObjName"] == "mnist-worker-0"),
        "{events:?}"
    );
}
