//! Is an event in Graphite what it should be, and what Graphite can store and find?

use crate::fixture::{URL, event, header, object, posted, save};
use kubedl_events_sink::{Event, ObjectReference, Timestamp};
use serde_json::{Value, json};

fn tags(event: &Event) -> Vec<String> {
    serde_json::from_value(posted(event)["tags"].clone()).unwrap_or_default()
}

fn at(seconds: i64, nanoseconds: u32) -> Value {
    posted(&Event {
        last_timestamp: Timestamp {
            seconds,
            nanoseconds,
        },
        ..event("u")
    })["when"]
        .clone()
}

#[test]
fn an_event_is_posted_to_the_events_below_the_base_path() {
    let (saved, requests) = save(&[], false, &[event("u-1"), event("u-2")], vec![]);
    assert_eq!((saved, requests.len()), (Ok(vec![]), 2));
    assert_eq!(
        (requests[0].method.as_str(), requests[0].url.clone()),
        ("POST", format!("{URL}/events/"))
    );
    assert_eq!(
        header(&requests[0], "content-type").as_deref(),
        Some("application/json")
    );
    let expected = json!({
        "what": "BackOff: Pod/p",
        "tags": ["Warning", "BackOff", "Pod", "ns:train", "name:p", "job:mnist", "kubelet", "cluster:prod", "uid:u-1", "rv:4711"],
        "when": 1_795_429_966,
        "data": "m",
    });
    assert_eq!(posted(&event("u-1")), expected);
}

#[test]
fn graphite_0_9_gets_its_tags_as_one_text() {
    let (_, requests) = save(
        &[("GRAPHITE_TAGS_AS_STRING", "true")],
        false,
        &[Event {
            job: None,
            cluster: None,
            ..event("u-1")
        }],
        vec![],
    );
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap_or_default();
    assert_eq!(
        body["tags"],
        "Warning BackOff Pod ns:train name:p kubelet uid:u-1 rv:4711"
    );
}

#[test]
fn what_is_empty_is_left_out() {
    let bare = Event {
        uid: "u".to_owned(),
        resource_version: "1".to_owned(),
        name: "n".to_owned(),
        ..Event::default()
    };
    assert_eq!(
        posted(&bare),
        json!({"what": "n", "tags": ["uid:u", "rv:1"], "when": 0, "data": ""})
    );
    let node = Event {
        regarding: ObjectReference {
            kind: "Node".to_owned(),
            ..ObjectReference::default()
        },
        ..event("u")
    };
    assert_eq!(posted(&node)["what"], "BackOff: Node");
}

#[test]
fn what_would_take_a_tag_apart_is_replaced() {
    let odd = Event {
        reason: "a b,c\"d\te\u{a0}f\0g".to_owned(),
        regarding: object("Größe/x=1", "p"),
        ..event("u")
    };
    assert_eq!(tags(&odd)[1..3], ["a_b_c_d_e_f_g", "Größe/x=1"]);
}

#[test]
fn a_tag_has_fifty_characters_at_most() {
    let long = Event {
        regarding: object("Pod", &"ü".repeat(253)),
        ..event("u")
    };
    assert_eq!(tags(&long)[4], format!("name:{}", "ü".repeat(45)));
}

#[test]
fn tags_that_are_too_long_together_lose_the_least_useful_but_not_the_identity() {
    let uid = "0123456789abcdef0123456789abcdef0123";
    let long = |letter: &str| letter.repeat(60);
    let all_long = Event {
        type_: long("t"),
        reason: long("r"),
        component: long("c"),
        regarding: ObjectReference {
            namespace: long("n"),
            ..object(&long("k"), &long("o"))
        },
        job: Some(object("TFJob", &long("j"))),
        ..event(uid)
    };
    let kept = tags(&all_long);
    let cut = |letter: &str| letter.repeat(50);
    assert_eq!(
        kept,
        [
            cut("t"),
            cut("r"),
            cut("k"),
            format!("ns:{}", "n".repeat(47)),
            format!("uid:{uid}"),
            "rv:4711".to_owned()
        ]
    );
    assert!(kept.join(" ").chars().count() <= 255);
}

#[test]
fn equal_tags_are_one() {
    let same = Event {
        reason: "Pod".to_owned(),
        component: "Pod".to_owned(),
        ..event("u")
    };
    assert_eq!(tags(&same).iter().filter(|tag| *tag == "Pod").count(), 1);
}

#[test]
fn what_is_255_characters_at_most_on_one_line() {
    let long = Event {
        reason: format!("a\nb{}", "ü".repeat(300)),
        ..event("u")
    };
    let what = posted(&long)["what"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        what.chars().count() == 255 && what.starts_with("a b"),
        "{what}"
    );
}

#[test]
fn a_message_is_text_not_html_and_not_endless() {
    let data = |message: &str| {
        posted(&Event {
            message: message.to_owned(),
            ..event("u")
        })["data"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(data("<b>1 & 2 > 0</b>"), "&lt;b>1 & 2 > 0&lt;/b>");
    assert_eq!(data("a\0b\n"), "a\u{fffd}b\n");
    assert_eq!(data(&"m".repeat(100_000)), "m".repeat(100_000));
    assert_eq!(
        data(&"m".repeat(1 << 20)),
        "m".repeat(100_000) + " ... (cut)"
    );
}

#[test]
fn the_largest_event_is_under_what_django_takes() {
    for message in ["\u{1}", "<", "\u{1F600}", "\""] {
        let (_, requests) = save(
            &[],
            false,
            &[Event {
                message: message.repeat(1 << 20),
                ..event("u")
            }],
            vec![],
        );
        assert!(
            requests[0].body.len() < 2_621_440,
            "{}",
            requests[0].body.len()
        );
    }
}

#[test]
fn a_moment_is_in_seconds_with_a_fraction_where_there_is_one() {
    assert_eq!(at(1_795_429_966, 0), json!(1_795_429_966));
    assert_eq!(at(1_795_429_966, 250_000_000), json!(1_795_429_966.25));
    assert_eq!(
        at(1_795_429_966, u32::MAX).as_f64().map(f64::floor),
        Some(1_795_429_967.0)
    );
}

#[test]
fn moments_that_graphite_cannot_say_become_the_nearest() {
    assert_eq!(at(-1, 500_000_000), json!(0));
    assert_eq!(at(i64::MIN, 1), json!(0));
    assert_eq!(at(i64::MAX, 999_999_999), json!(253_402_214_399_i64));
}
