//! Is each event one line of JSON with the keys that the README names?

use serde_json::{Value, json};
use stdout::{Event, ObjectReference, Timestamp, print};

fn object(kind: &str, name: &str) -> ObjectReference {
    let [kind, name] = [kind, name].map(str::to_owned);
    ObjectReference {
        api_version: String::new(),
        kind,
        namespace: "train".to_owned(),
        name,
        uid: String::new(),
        field_path: String::new(),
    }
}

fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds,
    }
}

fn event() -> Event {
    Event {
        uid: "u".to_owned(),
        resource_version: "4711".to_owned(),
        namespace: "train".to_owned(),
        name: "p.17a".to_owned(),
        type_: "Warning".to_owned(),
        reason: "BackOff".to_owned(),
        action: String::new(),
        message: "two\nlines".to_owned(),
        count: 3,
        first_timestamp: at(1_795_429_966, 0),
        last_timestamp: at(1_795_429_966, 250_000_000),
        observed_at: at(1_795_429_966, 1),
        component: String::new(),
        host: String::new(),
        instance: String::new(),
        regarding: object("Pod", "p"),
        related: None,
        job: None,
        region: None,
        cluster: None,
        labels: Vec::new(),
        attributes: Vec::new(),
    }
}

fn lines(events: &[Event]) -> Vec<Value> {
    let mut out = Vec::new();
    print(events, &mut out).unwrap();
    String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_event_with_little_to_say_has_the_keys_that_are_always_there() {
    let expected = json!({
        "lastTimestamp": "2026-11-23T10:32:46.25Z", "firstTimestamp": "2026-11-23T10:32:46Z", "observedAt": "2026-11-23T10:32:46.000000001Z",
        "type": "Warning", "reason": "BackOff", "count": 3, "message": "two\nlines",
        "regarding": {"kind": "Pod", "namespace": "train", "name": "p"},
        "namespace": "train", "name": "p.17a", "uid": "u", "resourceVersion": "4711",
    });
    assert_eq!(lines(&[event()]), [expected]);
}

#[test]
fn an_event_with_more_to_say_has_more_keys() {
    let full = Event {
        action: "a".to_owned(),
        component: "c".to_owned(),
        host: "h".to_owned(),
        instance: "i".to_owned(),
        related: Some(object("Node", "n")),
        job: Some(object("TFJob", "j")),
        region: Some("r".to_owned()),
        cluster: Some("prod".to_owned()),
        labels: vec![("k".to_owned(), "v".to_owned())],
        ..event()
    };
    let line = lines(&[full]).remove(0);
    let keys = [
        "action",
        "component",
        "host",
        "instance",
        "region",
        "cluster",
    ]
    .map(|key| line[key].as_str().unwrap().to_owned());
    assert_eq!(keys, ["a", "c", "h", "i", "r", "prod"]);
    assert_eq!(
        (
            &line["related"]["name"],
            &line["job"]["kind"],
            &line["labels"]
        ),
        (&json!("n"), &json!("TFJob"), &json!({"k": "v"}))
    );
}

#[test]
fn every_event_is_one_line() {
    assert_eq!(lines(&[event(), event(), event()]).len(), 3);
    assert!(lines(&[]).is_empty());
}

#[test]
fn a_line_begins_with_what_a_person_reads_first() {
    let mut out = Vec::new();
    print(&[event()], &mut out).unwrap();
    let line = String::from_utf8(out).unwrap();
    assert!(line.starts_with(r#"{"lastTimestamp":"2026-11-23T10:32:46.25Z","type":"Warning","reason":"BackOff","regarding":"#), "{line}");
}
