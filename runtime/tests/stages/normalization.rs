//! Is every shape of an Event normalized as the table in `event` says?

use jiff::Timestamp;
use kubedl_events::cluster::Raw;
use kubedl_events::event::{Error, Event, Options, normalize};

const META: &str = r#""metadata":{"name":"e","namespace":"n","uid":"u","resourceVersion":"7","creationTimestamp":"2026-11-23T01:00:00Z"}"#;

fn event(fields: &str) -> Event {
    let (raw, _) = Raw::from_object(&format!("{{{META}{fields}}}")).unwrap();
    normalize(&raw, Timestamp::UNIX_EPOCH, &Options::default()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn times_are_taken_in_the_order_of_the_table() {
    let all = r#","firstTimestamp":"2026-01-01T00:00:01Z","eventTime":"2026-01-01T00:00:02.123456Z","lastTimestamp":"2026-01-01T00:00:03Z","series":{"count":3,"lastObservedTime":"2026-01-01T00:00:04.5Z"}"#;
    let cases = [
        (all, "2026-01-01T00:00:01Z", "2026-01-01T00:00:04.5Z"),
        (
            r#","firstTimestamp":"2026-01-01T00:00:01Z","lastTimestamp":"2026-01-01T00:00:03Z""#,
            "2026-01-01T00:00:01Z",
            "2026-01-01T00:00:03Z",
        ),
        (
            r#","firstTimestamp":null,"lastTimestamp":null,"eventTime":"2026-01-01T00:00:02.123456Z""#,
            "2026-01-01T00:00:02.123456Z",
            "2026-01-01T00:00:02.123456Z",
        ),
        (
            r#","lastTimestamp":"2026-01-01T00:00:03Z""#,
            "2026-01-01T00:00:03Z",
            "2026-01-01T00:00:03Z",
        ),
        (
            r#","firstTimestamp":"2026-01-01T00:00:01Z""#,
            "2026-01-01T00:00:01Z",
            "2026-01-01T00:00:01Z",
        ),
        (
            r#","series":{"count":2,"lastObservedTime":"2026-01-01T00:00:04Z"}"#,
            "2026-01-01T00:00:04Z",
            "2026-01-01T00:00:04Z",
        ),
        (
            r#","firstTimestamp":"0001-01-01T00:00:00Z","lastTimestamp":"""#,
            "2026-11-23T01:00:00Z",
            "2026-11-23T01:00:00Z",
        ),
        ("", "2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z"),
    ];
    for (fields, first, last) in cases {
        let event = event(fields);
        assert_eq!(
            (event.first_timestamp, event.last_timestamp),
            (at(first), at(last)),
            "{fields}"
        );
    }
}

#[test]
fn the_last_moment_that_can_be_written_is_read() {
    let event =
        event(r#","firstTimestamp":"9999-12-30T21:00:00Z","lastTimestamp":"9999-12-31T23:59:59Z""#);
    assert_eq!(
        (event.first_timestamp, event.last_timestamp),
        (at("9999-12-30T21:00:00Z"), Timestamp::MAX)
    );
}

#[test]
fn count_is_never_zero() {
    for (fields, count) in [
        (r#","count":5,"series":{"count":9}"#, 9),
        (r#","count":5"#, 5),
        (r#","count":0"#, 1),
        (r#","count":null"#, 1),
        (r#","count":-4"#, 1),
        (r#","count":99999999999"#, u32::MAX),
        ("", 1),
    ] {
        assert_eq!(event(fields).count, count, "{fields}");
    }
}

#[test]
fn reporter_comes_from_source_or_the_reporting_fields() {
    let old = event(
        r#","source":{"component":"kubelet","host":"node-1"},"reportingComponent":"x","reportingInstance":"""#,
    );
    assert_eq!(
        (
            old.component.as_str(),
            old.host.as_str(),
            old.instance.as_str()
        ),
        ("kubelet", "node-1", "")
    );
    let new = event(r#","source":{},"reportingComponent":"kubedl.io/c","reportingInstance":"c-0""#);
    assert_eq!(
        (
            new.component.as_str(),
            new.host.as_str(),
            new.instance.as_str()
        ),
        ("kubedl.io/c", "", "c-0")
    );
}

#[test]
fn both_apis_names_of_a_field_are_read() {
    let new = event(
        r#","note":"hello","regarding":{"kind":"Pod","name":"p"},"deprecatedCount":4,"deprecatedSource":{"component":"kubelet"},"deprecatedLastTimestamp":"2026-01-01T00:00:03Z","type":"Weird""#,
    );
    assert_eq!(
        (
            new.message.as_str(),
            new.regarding.name.as_str(),
            new.count,
            new.component.as_str(),
            new.kind.as_str()
        ),
        ("hello", "p", 4, "kubelet", "Weird")
    );
    assert_eq!(new.last_timestamp, at("2026-01-01T00:00:03Z"));
    let old = event(
        r#","message":"a \"b\" \u00e9\n","involvedObject":{"kind":"Pod","name":"p","fieldPath":"spec.containers{main}"}"#,
    );
    assert_eq!(
        (old.message.as_str(), old.regarding.field_path.as_str()),
        ("a \"b\" \u{e9}\n", "spec.containers{main}")
    );
    let cut = event(
        r#","message":"a\ud83d\ude00b\ud83d\n\ude00","involvedObject":{"kind":"Pod","name":"p"}"#,
    );
    assert_eq!(
        cut.message, "a\u{1f600}b\u{fffd}\n\u{fffd}",
        "half of a pair, where a tool cut a text"
    );
}

#[test]
fn what_has_no_identity_is_an_error_that_says_so() {
    let refuse = |json: &str| {
        normalize(
            &Raw::from_object(json).unwrap().0,
            Timestamp::UNIX_EPOCH,
            &Options::default(),
        )
        .unwrap_err()
    };
    assert!(matches!(
        refuse(r#"{"metadata":{"name":"e","resourceVersion":"1"}}"#),
        Error::NoIdentity { missing: "uid", .. }
    ));
    assert!(matches!(
        refuse(r#"{"metadata":{"name":"e","uid":"u"}}"#),
        Error::NoIdentity {
            missing: "resourceVersion",
            ..
        }
    ));
}

#[test]
fn what_has_no_time_happened_when_it_was_seen() {
    let (raw, _) = Raw::from_object(
        r#"{"metadata":{"name":"e","uid":"u","resourceVersion":"1"},"count":"many"}"#,
    )
    .unwrap();
    let event = normalize(&raw, at("2026-01-01T00:00:05Z"), &Options::default()).unwrap();
    assert_eq!(
        (event.first_timestamp, event.last_timestamp, event.count),
        (event.observed_at, event.observed_at, 1)
    );
}
