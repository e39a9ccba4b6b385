//! Is what a rule matches gone from an event, and all else as it was?

use kubedl_events::cluster::Raw;
use kubedl_events::event::redact::{Error, Redaction};
use serde_json::{Value, json};

fn raw(event: &Value) -> Raw {
    Raw::stored(event.to_string())
}

fn value(raw: &Raw) -> Value {
    serde_json::from_str(raw.json()).unwrap()
}

fn event() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "secret",
        "metadata": {
            "name": "secret", "namespace": "secret", "uid": "secret", "resourceVersion": "secret", "creationTimestamp": "secret",
            "annotations": { "a": "my secret", "b": "plain" }, "labels": { "l": "secret" }
        },
        "involvedObject": { "kind": "secret", "namespace": "secret", "name": "secret", "uid": "secret", "fieldPath": "secret" },
        "related": { "name": "secret" },
        "series": { "lastObservedTime": "secret", "count": 3 },
        "message": "a secret and a secret, \"quoted\\secret\"", "note": "secret", "reason": "secret", "action": "secret",
        "source": { "component": "secret", "host": "secret" }, "reportingInstance": "secret",
        "lastTimestamp": "secret", "count": 2, "eventTime": null
    })
}

#[test]
fn every_text_is_searched_but_those_that_say_which_event_it_is() {
    let redaction = Redaction::new([("s", "secret")]).unwrap();
    let found = value(&redaction.apply(raw(&event())));
    let mut expected = event();
    for path in [
        "/metadata/annotations/a",
        "/metadata/labels/l",
        "/involvedObject/fieldPath",
        "/message",
        "/note",
        "/reason",
        "/action",
        "/source/component",
        "/source/host",
        "/reportingInstance",
    ] {
        let text = expected.pointer_mut(path).unwrap();
        *text = json!(text.as_str().unwrap().replace("secret", "[redacted:s]"));
    }
    assert_eq!(found, expected);
    assert_eq!(redaction.hidden().collect::<Vec<_>>(), [("s", 12)]);
}

#[test]
fn an_event_in_which_nothing_is_hidden_keeps_its_bytes() {
    let redaction = Redaction::new([("s", "no such thing")]).unwrap();
    let text = "{ \"message\" : \"\\u0041 secret\", \"a\": 1.0 }";
    assert_eq!(redaction.apply(Raw::stored(text.to_owned())).json(), text);
}

#[test]
fn a_secret_behind_escapes_is_found() {
    let redaction = Redaction::new([("t", "to<ken")]).unwrap();
    let found = redaction.apply(Raw::stored(r#"{"message":"to\u003cken"}"#.to_owned()));
    assert_eq!(value(&found)["message"], "[redacted:t]");
}

#[test]
fn rules_apply_in_their_order() {
    let redaction = Redaction::new([("first", "ab"), ("second", "b")]).unwrap();
    let found = redaction.apply(raw(&json!({ "message": "ab b" })));
    assert_eq!(
        value(&found)["message"],
        "[redacted:first] [redacted:second]"
    );
}

#[test]
fn what_is_no_json_is_searched_as_a_whole() {
    let redaction = Redaction::new([("s", "secret")]).unwrap();
    assert_eq!(
        redaction
            .apply(Raw::stored("{broken secret".to_owned()))
            .json(),
        "{broken [redacted:s]"
    );
}

#[test]
fn the_replacement_is_taken_as_it_is() {
    let redaction = Redaction::new([("s", "(a)(b)")]).unwrap();
    assert_eq!(
        value(&redaction.apply(raw(&json!({ "message": "ab $1" }))))["message"],
        "[redacted:s] $1"
    );
}

#[test]
fn a_rule_that_can_not_be_meant_is_refused() {
    let refused = |name: &str, expression: &str| Redaction::new([(name, expression)]).unwrap_err();
    assert!(matches!(refused("a b", "x"), Error::Name { .. }));
    assert!(matches!(refused("", "x"), Error::Name { .. }));
    assert!(matches!(refused("a", "("), Error::Expression { .. }));
    assert!(matches!(
        refused("a", "x{1000}{1000}"),
        Error::Expression { .. }
    ));
    assert!(matches!(refused("a", "x*"), Error::Empty { .. }));
    assert!(matches!(
        Redaction::new([("a", "x"), ("a", "y")]),
        Err(Error::Twice { .. })
    ));
}

#[test]
fn nothing_stays_of_a_key_that_is_there_twice() {
    let redaction = Redaction::new([("s", "secret")]).unwrap();
    let text = r#"{"metadata":{"name":"a:b","labels":{"x":"secret","x":"\":"}},"message":"a secret","message":"plain"}"#;
    assert_eq!(
        redaction.apply(Raw::stored(text.to_owned())).json(),
        r#"{"message":"plain","metadata":{"labels":{"x":"\":"},"name":"a:b"}}"#
    );
    let once = r#"{"metadata":{"name":"a:b","labels":{"x":"\\\":"}},"message":"pl\"ain:"}"#;
    assert_eq!(redaction.apply(Raw::stored(once.to_owned())).json(), once);
}
