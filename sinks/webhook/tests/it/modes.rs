//! What goes out in each mode and layout?

use crate::fixture::{URL, body, event, header, save};
use kubedl_events_sink::{Error, Event, Failure, ObjectReference};
use serde_json::json;

#[test]
fn by_default_each_event_is_a_structured_cloud_event() {
    let (saved, requests) = save(&[], &[event("u-1"), event("u-2")], &[202]);
    assert_eq!((saved, requests.len()), (Ok(vec![]), 2));
    assert_eq!(
        (requests[0].method.as_str(), requests[0].url.as_str()),
        ("POST", URL)
    );
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/cloudevents+json")
    );
    let mut expected = json!({
        "specversion": "1.0", "id": "u-1/4711", "source": "/clusters/default/namespaces/train/events/p.17a", "type": "io.k8s.event.v1",
        "subject": "Pod/train/p", "time": "2026-11-23T10:32:46Z", "datacontenttype": "application/json",
    });
    expected["data"] = body(&requests[0])["data"].clone();
    assert_eq!(body(&requests[0]), expected);
    assert_eq!(expected["data"]["message"], "m");
    assert_eq!(body(&requests[1])["id"], "u-2/4711");
}

#[test]
fn a_batch_of_cloud_events_is_one_request() {
    let (saved, requests) = save(
        &[("WEBHOOK_MODE", "batch")],
        &[event("u-1"), event("u-2")],
        &[200],
    );
    assert_eq!((saved, requests.len()), (Ok(vec![]), 1));
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/cloudevents-batch+json")
    );
    assert_eq!(
        (&body(&requests[0])[0]["id"], &body(&requests[0])[1]["id"]),
        (&json!("u-1/4711"), &json!("u-2/4711"))
    );
}

#[test]
fn a_binary_cloud_event_has_its_attributes_in_headers() {
    let regarding = ObjectReference {
        kind: "Pod".to_owned(),
        name: "a \"ü\" 5%".to_owned(),
        ..ObjectReference::default()
    };
    let (saved, requests) = save(
        &[("WEBHOOK_MODE", "binary")],
        &[Event {
            regarding,
            cluster: Some("eu 1".to_owned()),
            ..event("u-1")
        }],
        &[204],
    );
    assert_eq!(saved, Ok(vec![]));
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "u-1/4711"),
        // The space is escaped for the URI, and the % of that for the header.
        (
            "ce-source",
            "/clusters/eu%25201/namespaces/train/events/p.17a",
        ),
        ("ce-type", "io.k8s.event.v1"),
        ("ce-time", "2026-11-23T10:32:46Z"),
        ("ce-subject", "Pod/a%20%22%C3%BC%22%205%25"),
    ] {
        assert_eq!(header(&requests[0], name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(
        (
            &body(&requests[0])["reason"],
            &body(&requests[0])["specversion"]
        ),
        (&json!("BackOff"), &json!(null))
    );
}

#[test]
fn an_object_without_a_name_is_no_subject() {
    let (_, requests) = save(
        &[("WEBHOOK_MODE", "binary")],
        &[Event {
            regarding: ObjectReference::default(),
            ..event("u")
        }],
        &[200],
    );
    assert_eq!(header(&requests[0], "ce-subject"), None);
}

#[test]
fn plain_json_is_an_object_or_an_array_of_them() {
    let (_, requests) = save(&[("WEBHOOK_LAYOUT", "event")], &[event("u-1")], &[200]);
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(
        (
            &body(&requests[0])["uid"],
            body(&requests[0]).get("specversion")
        ),
        (&json!("u-1"), None)
    );
    let (_, requests) = save(
        &[("WEBHOOK_LAYOUT", "event"), ("WEBHOOK_MODE", "batch")],
        &[event("u-1"), event("u-2")],
        &[200],
    );
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(body(&requests[0])[1]["uid"], "u-2");
}

#[test]
fn lines_of_json_end_with_a_line_end() {
    let (_, requests) = save(
        &[("WEBHOOK_LAYOUT", "ndjson"), ("WEBHOOK_MODE", "batch")],
        &[event("u-1"), event("u-2")],
        &[200],
    );
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/x-ndjson")
    );
    let text = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert!(text.lines().count() == 2 && text.ends_with("}\n"), "{text}");
}

#[test]
fn events_that_go_one_by_one_fail_one_by_one() {
    let (saved, _) = save(&[], &[event("a"), event("b"), event("c")], &[202, 400, 503]);
    let expected = vec![
        Failure::refused(1, "the destination answered 400"),
        Failure::retry(2, "the destination answered 503"),
    ];
    assert_eq!(saved, Ok(expected));
}

#[test]
fn a_batch_fails_as_a_whole() {
    let batch = |status| {
        save(
            &[("WEBHOOK_MODE", "batch")],
            &[event("a"), event("b")],
            &[status],
        )
        .0
    };
    assert_eq!(
        batch(413),
        Err(Error::refused("the destination answered 413"))
    );
    assert_eq!(
        batch(500),
        Err(Error::retry("the destination answered 500"))
    );
    assert_eq!(
        batch(410),
        Err(Error::misconfigured("the destination answered 410"))
    );
}

#[test]
fn an_event_whose_names_fill_the_headers_is_refused_alone() {
    let regarding = ObjectReference {
        name: "ü".repeat(1 << 20),
        ..ObjectReference::default()
    };
    let (saved, requests) = save(
        &[("WEBHOOK_MODE", "binary")],
        &[
            event("a"),
            Event {
                regarding,
                ..event("b")
            },
            event("c"),
        ],
        &[200],
    );
    let failures = saved.unwrap_or_default();
    assert_eq!(
        (
            requests.len(),
            failures.len(),
            failures[0].index,
            failures[0].retryable
        ),
        (2, 1, 1, false)
    );
}
