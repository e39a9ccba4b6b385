//! Does KubeDL's own reader find what it wants in a log?

use crate::fixture::{NOW, at, event, log, object};
use aliyun_sls::Event;

const TWELVE: [&str; 12] = [
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

#[test]
fn the_twelve_keys_come_first_and_in_order() {
    let keys = log(Event {
        region: Some("eu".to_owned()),
        ..event("n", "m")
    })
    .keys();
    assert_eq!(keys[..12], TWELVE);
    let without = log(event("n", "m")).keys();
    assert_eq!(without[..11], TWELVE[..11]);
    assert!(!without.contains(&"Region".to_owned()));
    let empty = log(Event {
        region: Some(String::new()),
        ..event("n", "m")
    })
    .keys();
    assert!(!empty.contains(&"Region".to_owned()));
}

#[test]
fn values_are_in_kubedls_forms() {
    let log = log(event("node-1", "Back-off restarting"));
    let twelve: Vec<_> = TWELVE[..11]
        .iter()
        .map(|key| log.get(key).unwrap())
        .collect();
    let expected = [
        "2026-11-23T10:22:46Z",
        "2026-11-23T10:31:46Z",
        "3",
        "job-a-worker-0.17a",
        "Pod",
        "pod-uid",
        "train",
        "job-a-worker-0",
        "Warning",
        "BackOff",
        "Back-off restarting",
    ];
    assert_eq!(twelve, expected);
}

#[test]
fn empty_values_of_the_twelve_are_written_and_of_the_additions_not() {
    let bare = Event {
        type_: String::new(),
        reason: String::new(),
        message: String::new(),
        host: String::new(),
        ..event("", "")
    };
    let log = log(bare);
    assert_eq!(
        ["Type", "Reason", "Message"].map(|key| log.get(key)),
        [Some(""); 3]
    );
    assert_eq!(
        log.keys()[11..],
        ["EventUID", "ResourceVersion", "Component"]
    );
}

#[test]
fn a_count_is_within_int32() {
    assert_eq!(
        log(Event {
            count: u32::MAX,
            ..event("n", "m")
        })
        .get("Count"),
        Some("2147483647")
    );
}

#[test]
fn times_are_whole_seconds_of_four_digit_years() {
    let last = |seconds, nanoseconds| {
        let moment = aliyun_sls::Timestamp {
            seconds,
            nanoseconds,
        };
        log(Event {
            last_timestamp: moment,
            ..event("n", "m")
        })
        .get("LastTimestamp")
        .unwrap()
        .to_owned()
    };
    assert_eq!(last(NOW, 999_999_999), "2026-11-23T10:32:46Z");
    assert_eq!(last(951_782_399, 0), "2000-02-28T23:59:59Z");
    assert_eq!(last(951_782_400, 0), "2000-02-29T00:00:00Z");
    assert_eq!(last(i64::MAX, 0), "9999-12-31T23:59:59Z");
}

#[test]
fn a_zero_time_is_replaced_by_a_real_one() {
    let year_1 = at(-62_135_596_800);
    let zero_first = log(Event {
        first_timestamp: year_1,
        ..event("n", "m")
    });
    assert_eq!(
        zero_first.get("FirstTimestamp"),
        zero_first.get("LastTimestamp")
    );
    let zero_both = log(Event {
        first_timestamp: year_1,
        last_timestamp: at(0),
        ..event("n", "m")
    });
    assert_eq!(
        zero_both.get("FirstTimestamp"),
        Some("2026-11-23T10:31:47Z")
    );
    assert_eq!(zero_both.get("LastTimestamp"), Some("2026-11-23T10:31:47Z"));
}

#[test]
fn an_object_uid_is_never_empty() {
    let uid = |regarding| {
        log(Event {
            regarding,
            ..event("n", "m")
        })
        .get("ObjUID")
        .unwrap()
        .to_owned()
    };
    assert_eq!(uid(object("Pod", "train", "p", "")), "Pod/train/p");
    assert_eq!(uid(object("", "", "", "")), "event-uid");
    let nothing = log(Event {
        uid: String::new(),
        regarding: object("", "", "", ""),
        ..event("n", "m")
    });
    assert_eq!(nothing.get("ObjUID"), Some("unknown"));
}

#[test]
fn additions_follow_where_there_is_something_to_say() {
    let mut regarding = object("Pod", "train", "p", "u");
    regarding.field_path = "spec.containers{main}".to_owned();
    let full = Event {
        namespace: "default".to_owned(),
        action: "Pulling".to_owned(),
        instance: "i".to_owned(),
        regarding,
        job: Some(object("PyTorchJob", "train", "job-a", "job-uid")),
        related: Some(object("Node", "", "node-1", "")),
        cluster: Some("prod".to_owned()),
        labels: vec![
            ("a/b".to_owned(), "say \"hi\"".to_owned()),
            ("c".to_owned(), String::new()),
        ],
        ..event("node-1", "m")
    };
    let log = log(full);
    let additions: Vec<_> = log.contents[11..]
        .iter()
        .map(|content| {
            (
                content.key.as_deref().unwrap(),
                content.value.as_deref().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("EventUID", "event-uid"),
        ("ResourceVersion", "4711"),
        ("EventNamespace", "default"),
        ("ObjFieldPath", "spec.containers{main}"),
        ("Action", "Pulling"),
        ("Component", "kubelet"),
        ("Host", "node-1"),
        ("Instance", "i"),
        ("Job", "job-a"),
        ("JobKind", "PyTorchJob"),
        ("JobUID", "job-uid"),
        ("RelatedKind", "Node"),
        ("RelatedName", "node-1"),
        ("Cluster", "prod"),
        ("Labels", r#"{"a/b":"say \"hi\"","c":""}"#),
    ];
    assert_eq!(additions, expected);
}

#[test]
fn keys_are_such_as_sls_takes() {
    let full = Event {
        job: Some(object("k", "n", "j", "u")),
        related: Some(object("k", "n", "j", "u")),
        cluster: Some("c".to_owned()),
        ..event("n", "m")
    };
    for key in log(full).keys() {
        assert!(
            key.starts_with(|c: char| c.is_ascii_alphabetic())
                && key.chars().all(|c| c.is_ascii_alphanumeric()),
            "{key}"
        );
    }
}

#[test]
fn a_value_over_a_megabyte_is_cut_between_characters_and_named() {
    let log = log(event("n", &format!("x{}", "中".repeat(400_000))));
    assert_eq!(log.get("Message").unwrap().len(), 1 + 3 * 333_333);
    assert_eq!(log.get("Truncated"), Some("Message"));
    assert_eq!(self::log(event("n", "m")).get("Truncated"), None);
}
