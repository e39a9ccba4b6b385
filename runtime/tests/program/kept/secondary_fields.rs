//! Does a field that can't be read cost itself, and not its event?

use serde_json::{Value, json};

use super::{Desk, event, lines};

const CREATED: &str = "2026-03-01T10:00:00Z";

/// The first event with other members; null takes one away.
fn with(members: Value) -> Value {
    let mut event = event(1);
    for (key, value) in members.as_object().unwrap() {
        match (key.strip_prefix("metadata."), value) {
            (Some(key), _) => event["metadata"][key] = value.clone(),
            (None, Value::Null) => drop(event.as_object_mut().unwrap().remove(key)),
            (None, _) => event[key] = value.clone(),
        }
    }
    event
}

/// What the sink prints of each event.
fn printed(events: &[String]) -> Vec<Value> {
    let desk = Desk::new();
    // A uid each, so that none is known already.
    let text: String = (10..)
        .zip(events)
        .map(|(number, event)| {
            format!(
                "{}\n",
                event.replacen("000000000001\"", &format!("{number:012}\""), 1)
            )
        })
        .collect();
    let run = desk.play(&desk.file("in.ndjson", text));
    assert_eq!(
        (run.code, run.events().len()),
        (0, events.len()),
        "{}",
        run.log
    );
    run.events()
}

#[test]
fn a_count_is_a_number_however_it_is_written() {
    let cases = [
        ("\"51252\"", 51252),
        ("\" 3 \"", 3),
        ("\"3.0\"", 3),
        ("3.0", 3),
        ("3e2", 300),
        ("1e19", u32::MAX),
        ("99999999999999999999", u32::MAX),
        ("\"99999999999999999999\"", u32::MAX),
        ("1e400", u32::MAX),
        ("-3.5", 1),
        ("-99999999999999999999", 1),
        ("0.5", 1),
        ("\"many\"", 1),
        ("\"NaN\"", 1),
        ("\"\"", 1),
        ("true", 1),
        ("[3]", 1),
        ("{}", 1),
    ];
    // serde_json's own numbers don't hold all of these.
    let own: Vec<String> = cases
        .iter()
        .map(|(count, _)| {
            event(1)
                .to_string()
                .replace("\"count\":3", &format!("\"count\":{count}"))
        })
        .collect();
    let series: Vec<String> = cases
        .iter()
        .map(|(count, _)| {
            with(json!({"count": null})).to_string().replace(
                "\"type\":",
                &format!("\"series\":{{\"count\":{count}}},\"type\":"),
            )
        })
        .collect();
    for events in [own, series] {
        for (event, (count, expected)) in printed(&events).iter().zip(cases) {
            assert_eq!(event["count"], expected, "{count}");
        }
    }
}

#[test]
fn a_time_with_more_digits_than_a_nanosecond_has_is_that_time() {
    let event = with(
        json!({"lastTimestamp": "2026-03-01T10:05:00.123456789012Z", "firstTimestamp": "2026-03-01T11:05:00.1234567890+01:00"}),
    );
    let event = &printed(&[event.to_string()])[0];
    assert_eq!(event["lastTimestamp"], "2026-03-01T10:05:00.123456789Z");
    assert_eq!(event["firstTimestamp"], "2026-03-01T10:05:00.123456789Z");
}

#[test]
fn a_time_that_is_none_is_as_if_it_were_absent() {
    let never = [
        json!("2026-03-01 10:00:00 +0000 UTC"),
        json!("garbage"),
        json!(1_772_359_200),
        json!({"seconds": 5}),
        json!(true),
        json!(""),
        json!("0001-01-01T00:00:00Z"),
        json!("0001-01-01T08:05:43+08:05"),
        json!("0001-01-01T00:00:00+08:00"),
        json!("0000-12-31T16:00:00-08:00"),
    ];
    let events: Vec<String> = never
        .iter()
        .map(|time| with(json!({"firstTimestamp": time, "lastTimestamp": time, "eventTime": time, "series": {"lastObservedTime": time}})).to_string())
        .collect();
    for (event, time) in printed(&events).iter().zip(&never) {
        assert_eq!(
            (&event["firstTimestamp"], &event["lastTimestamp"]),
            (&json!(CREATED), &json!(CREATED)),
            "{time}"
        );
    }
    let beside: Vec<String> = never
        .iter()
        .map(|time| {
            with(json!({"lastTimestamp": time, "firstTimestamp": "2026-03-01T09:00:00Z"}))
                .to_string()
        })
        .collect();
    for (event, time) in printed(&beside).iter().zip(&never) {
        assert_eq!(event["lastTimestamp"], "2026-03-01T09:00:00Z", "{time}");
    }
}

#[test]
fn an_event_without_any_time_happened_when_it_was_seen() {
    let event = with(
        json!({"metadata.creationTimestamp": null, "firstTimestamp": null, "lastTimestamp": "soon"}),
    );
    let printed = printed(&[event.to_string()]);
    assert_eq!(printed[0]["lastTimestamp"], printed[0]["observedAt"]);
    assert_eq!(printed[0]["firstTimestamp"], printed[0]["observedAt"]);
}

#[test]
fn of_two_names_of_a_field_the_one_of_core_counts_where_it_says_something() {
    // Long: a table of cases.
    let about = |name: &str| json!({"kind": "Pod", "namespace": "lab", "name": name, "uid": name, "apiVersion": "v1"});
    let both = json!({
        "message": "core", "note": "new", "count": 4, "deprecatedCount": 9, "involvedObject": about("core"), "regarding": about("new"),
        "source": {"component": "core"}, "deprecatedSource": {"component": "new", "host": "new"}, "reportingComponent": "c", "reportingController": "d",
        "firstTimestamp": "2026-03-01T01:00:00Z", "deprecatedFirstTimestamp": "2026-03-01T02:00:00Z",
        "lastTimestamp": "2026-03-01T03:00:00Z", "deprecatedLastTimestamp": "2026-03-01T04:00:00Z",
    });
    let mut empty = both.clone();
    for (key, value) in [
        ("message", json!("")),
        ("count", json!(0)),
        ("involvedObject", json!({})),
        ("source", json!({})),
        ("reportingComponent", json!("")),
    ] {
        empty[key] = value;
    }
    for key in ["firstTimestamp", "lastTimestamp"] {
        empty[key] = Value::Null;
    }
    let mut nulls = with(both.clone());
    for key in [
        "message",
        "count",
        "involvedObject",
        "source",
        "reportingComponent",
        "firstTimestamp",
        "lastTimestamp",
    ] {
        nulls[key] = Value::Null;
    }
    let printed = printed(&[
        with(both).to_string(),
        with(empty).to_string(),
        nulls.to_string(),
    ]);
    let facts = |event: &Value| {
        json!([
            event["message"],
            event["count"],
            event["regarding"]["name"],
            event["component"],
            event["firstTimestamp"],
            event["lastTimestamp"]
        ])
    };
    assert_eq!(
        facts(&printed[0]),
        json!([
            "core",
            4,
            "core",
            "core",
            "2026-03-01T01:00:00Z",
            "2026-03-01T03:00:00Z"
        ])
    );
    for event in &printed[1..] {
        assert_eq!(
            facts(event),
            json!([
                "new",
                9,
                "new",
                "new",
                "2026-03-01T02:00:00Z",
                "2026-03-01T04:00:00Z"
            ])
        );
    }
}

#[test]
fn a_member_of_another_type_costs_itself() {
    let odd = [
        json!(5),
        json!("x"),
        json!(true),
        json!([1]),
        json!({"a": 1}),
        json!([]),
    ];
    for member in [
        "source",
        "related",
        "series",
        "message",
        "reason",
        "action",
        "type",
        "reportingComponent",
        "reportingInstance",
        "involvedObject",
        "metadata.name",
        "metadata.namespace",
    ] {
        let events: Vec<String> = odd
            .iter()
            .map(|value| with(json!({ member: value })).to_string())
            .collect();
        for (event, value) in printed(&events).iter().zip(&odd) {
            assert_eq!(
                (&event["resourceVersion"], &event["lastTimestamp"]),
                (&json!("1001"), &json!("2026-03-01T10:05:00Z")),
                "{member}: {value}"
            );
        }
    }
    let numbers =
        printed(&[
            with(json!({"message": 5, "involvedObject": {"kind": "Pod", "name": 7}})).to_string(),
        ]);
    assert_eq!(
        (&numbers[0]["message"], &numbers[0]["regarding"]["name"]),
        (&json!("5"), &json!("7"))
    );
}

#[test]
fn an_event_without_identity_is_kept_with_clear_words() {
    for (member, words) in [
        ("metadata.uid", "no metadata.uid"),
        ("metadata.resourceVersion", "no metadata.resourceVersion"),
    ] {
        for value in [json!(""), Value::Null, json!([1])] {
            let desk = Desk::new();
            let run = desk.play(&desk.file("in", lines(&[with(json!({ member: value }))])));
            assert_eq!(
                (run.code, desk.letters().len()),
                (3, 1),
                "{member}: {}",
                run.log
            );
            assert!(run.log.contains(words), "{member}: {}", run.log);
        }
    }
}
