//! What goes out, and what answers mean: `cargo unit`.

use kubedl_events_sink::{Batch, Error, Event, EventSink, ObjectReference, Timestamp, env, http};
use serde_json::{Value, json};

use crate::Webhook;

const URL: &str = "https://hooks.example.com/in";

fn event() -> Event {
    Event {
        uid: "u-1".to_owned(),
        resource_version: "4711".to_owned(),
        namespace: "train".to_owned(),
        name: "p.17a".to_owned(),
        type_: "Warning".to_owned(),
        reason: "BackOff".to_owned(),
        message: "m".to_owned(),
        count: 3,
        last_timestamp: Timestamp {
            seconds: 1_795_429_966,
            nanoseconds: 0,
        },
        regarding: ObjectReference {
            kind: "Pod".to_owned(),
            namespace: "train".to_owned(),
            name: "p".to_owned(),
            ..ObjectReference::default()
        },
        ..Event::default()
    }
}

/// Opens the sink with these variables and saves these events.
fn save(variables: &[(&str, &str)], events: &[Event]) -> Result<usize, Error> {
    env::fake::set(variables);
    Webhook::open()?
        .save(&Batch::default(), events)
        .map(|failures| failures.len())
}

#[test]
fn a_batch_goes_out_as_one_request() {
    http::fake::answer([Ok(http::fake::response(202, &[], ""))]);
    assert_eq!(save(&[("WEBHOOK_URL", URL)], &[event(), event()]), Ok(0));
    let requests = http::fake::requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].url.as_str()),
        ("POST", URL)
    );
    assert_eq!(
        requests[0].headers,
        [(
            "content-type".to_owned(),
            b"application/cloudevents-batch+json".to_vec()
        )]
    );
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body.as_array().map(Vec::len), Some(2));
}

#[test]
fn an_event_is_a_cloud_event() {
    http::fake::answer([]);
    assert_eq!(save(&[("WEBHOOK_URL", URL)], &[event()]), Ok(0));
    let body: Value = serde_json::from_slice(&http::fake::requests()[0].body).unwrap();
    let mut expected = json!([{
        "specversion": "1.0", "id": "u-1/4711", "source": "/clusters/default/namespaces/train/events/p.17a", "type": "io.k8s.event.v1",
        "subject": "Pod/train/p", "time": "2026-11-23T10:32:46Z", "datacontenttype": "application/json",
    }]);
    expected[0]["data"] = body[0]["data"].clone();
    assert_eq!(body, expected);
    assert_eq!(
        (&body[0]["data"]["reason"], &body[0]["data"]["count"]),
        (&json!("BackOff"), &json!(3))
    );
}

#[test]
fn an_object_of_the_whole_cluster_has_no_namespace_in_its_subject() {
    let regarding = ObjectReference {
        kind: "Node".to_owned(),
        name: "n".to_owned(),
        ..ObjectReference::default()
    };
    http::fake::answer([]);
    assert_eq!(
        save(
            &[("WEBHOOK_URL", URL)],
            &[
                Event {
                    regarding,
                    ..event()
                },
                Event {
                    regarding: ObjectReference::default(),
                    ..event()
                }
            ]
        ),
        Ok(0)
    );
    let body: Value = serde_json::from_slice(&http::fake::requests()[0].body).unwrap();
    assert_eq!(
        (&body[0]["subject"], &body[1].get("subject")),
        (&json!("Node/n"), &None)
    );
}

#[test]
fn a_token_goes_along() {
    http::fake::answer([]);
    assert_eq!(
        save(&[("WEBHOOK_URL", URL), ("WEBHOOK_TOKEN", "t")], &[event()]),
        Ok(0)
    );
    assert!(
        http::fake::requests()[0]
            .headers
            .contains(&("authorization".to_owned(), b"Bearer t".to_vec()))
    );
}

#[test]
fn without_a_url_it_does_not_open() {
    assert_eq!(
        save(&[], &[event()]),
        Err(Error::misconfigured("the variable WEBHOOK_URL is not set"))
    );
}

#[test]
fn an_answer_decides_about_the_whole_batch() {
    let answered = |status| {
        http::fake::answer([Ok(http::fake::response(status, &[], "why"))]);
        save(&[("WEBHOOK_URL", URL)], &[event()])
    };
    assert_eq!(
        answered(503),
        Err(Error::retry("the destination answered 503: why"))
    );
    assert_eq!(
        answered(400),
        Err(Error::refused("the destination answered 400: why"))
    );
    assert_eq!(
        answered(401),
        Err(Error::misconfigured("the destination answered 401: why"))
    );
}
