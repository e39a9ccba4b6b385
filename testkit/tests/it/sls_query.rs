//! Which logs does a query find?

use std::time::Instant;

use testkit::sls::StoredLog;
use testkit::sls::query::Query;

fn event() -> StoredLog {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    StoredLog {
        request: 1,
        log_store: "events".into(),
        hash_key: None,
        time: 0,
        time_ns: None,
        topic: "ack".into(),
        source: "kubelet/node-7".into(),
        tags: vec![pair(("__pack_id__", "AB-0"))],
        contents: [
            ("ObjNamespace", "kubedl"),
            ("ObjName", "my-job-worker-0"),
            ("Type", "Warning"),
            (
                "Message",
                "Failed to pull image \"example.org/train:v1.2\": and so on",
            ),
            ("Region", ""),
        ]
        .map(pair)
        .to_vec(),
        arrived: Instant::now(),
        arrived_ns: 0,
    }
}

#[test]
fn queries_that_find_the_event() {
    let queries = [
        "",
        " ",
        "*",
        "kubedl AND my-job-worker-0",
        "kubedl and MY-JOB-WORKER-0",
        "kubedl my-job-worker-0",
        "absent or warning",
        "not absent",
        "kubedl not absent",
        "(absent or kubedl) and (warning)",
        "Type: warning",
        "Type:Warning",
        "ObjName: my-job-*",
        "ObjName: my-job-worker-?",
        "*-worker-0",
        "\"image pull\"",
        "#\"pull image\"",
        "\"example.org/train:v1.2\"",
        "Message: \"image failed\"",
        "Message: #\"failed to pull\"",
        "\"and\"",
        "Region: *",
        "__topic__: ack",
        "__source__: node-7",
        "__tag__:__pack_id__: AB-0",
        "ObjNamespace",
        "absent and absent or kubedl",
        "not (absent and kubedl)",
        "not not kubedl",
    ];
    for query in queries {
        assert!(Query::parse(query).unwrap().finds(&event()), "{query}");
    }
}

#[test]
fn queries_that_do_not() {
    let queries = [
        "absent",
        "kubedl AND absent",
        "my-job",
        "job",
        "worker",
        "not kubedl",
        "Type: kubedl",
        "Absent: *",
        "#\"image pull\"",
        "Message: \"image absent\"",
        "kubedl and not warning",
        "ObjName: my-job-worker-??",
        "\"my-job-*\"",
        "(absent or kubedl) and absent",
        "__topic__: kubelet",
        "__tag__:other: AB-0",
    ];
    for query in queries {
        assert!(!Query::parse(query).unwrap().finds(&event()), "{query}");
    }
}

#[test]
fn texts_that_are_no_queries() {
    let texts = [
        "and",
        "a and",
        "or b",
        "(a",
        "a)",
        "not",
        "\"a",
        "Type:",
        ":a",
        "* | select count(1)",
        "Count > 3",
    ];
    for text in texts {
        assert!(Query::parse(text).is_err(), "{text}");
    }
    assert!(Query::parse(&"(".repeat(5000)).is_err());
}
