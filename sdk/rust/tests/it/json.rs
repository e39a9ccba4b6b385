//! Is an event as JSON what every language says it is?

use kubedl_events_sink::json::{moment, text};
use kubedl_events_sink::{Event, ObjectReference, Timestamp};

fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
    Timestamp {
        seconds,
        nanoseconds,
    }
}

fn object(kind: &str, name: &str) -> ObjectReference {
    ObjectReference {
        kind: kind.to_owned(),
        name: name.to_owned(),
        ..ObjectReference::default()
    }
}

#[test]
fn an_event_with_little_to_say_has_the_keys_that_are_always_there() {
    let event = Event {
        count: 1,
        ..Event::default()
    };
    let epoch = "1970-01-01T00:00:00Z";
    let expected = format!(
        r#"{{"lastTimestamp":"{epoch}","type":"","reason":"","regarding":{{}},"message":"","count":1,"firstTimestamp":"{epoch}","observedAt":"{epoch}","namespace":"","name":"","uid":"","resourceVersion":""}}"#
    );
    assert_eq!(text(&event), expected);
}

#[test]
fn an_event_with_more_to_say_has_more_keys_in_this_order() {
    let event = Event {
        uid: "u".to_owned(),
        resource_version: "4711".to_owned(),
        message: "two\nlines".to_owned(),
        count: u32::MAX,
        component: "c".to_owned(),
        host: "h".to_owned(),
        instance: "i".to_owned(),
        action: "a".to_owned(),
        regarding: ObjectReference {
            namespace: "n".to_owned(),
            api_version: "v1".to_owned(),
            field_path: "f".to_owned(),
            ..object("Pod", "p")
        },
        related: Some(object("Node", "n")),
        job: Some(ObjectReference {
            uid: "j".to_owned(),
            ..object("TFJob", "j")
        }),
        region: Some("r".to_owned()),
        cluster: Some("prod".to_owned()),
        labels: vec![
            ("b".to_owned(), "2".to_owned()),
            ("a".to_owned(), "1".to_owned()),
        ],
        ..Event::default()
    };
    let text = text(&event);
    let expected = concat!(
        r#""regarding":{"kind":"Pod","namespace":"n","name":"p","apiVersion":"v1","fieldPath":"f"},"message":"two\nlines","count":4294967295,"#,
        r#""firstTimestamp":"1970-01-01T00:00:00Z","observedAt":"1970-01-01T00:00:00Z","namespace":"","name":"","uid":"u","#,
        r#""resourceVersion":"4711","component":"c","host":"h","instance":"i","action":"a","related":{"kind":"Node","name":"n"},"#,
        r#""job":{"kind":"TFJob","name":"j","uid":"j"},"region":"r","cluster":"prod","labels":{"a":"1","b":"2"}}"#
    );
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_moment_has_the_digits_that_it_has() {
    assert_eq!(moment(&at(1_795_429_966, 0)), "2026-11-23T10:32:46Z");
    assert_eq!(
        moment(&at(1_795_429_966, 250_000_000)),
        "2026-11-23T10:32:46.25Z"
    );
    assert_eq!(
        moment(&at(1_795_429_966, 1)),
        "2026-11-23T10:32:46.000000001Z"
    );
    assert_eq!(moment(&at(-1, 0)), "1969-12-31T23:59:59Z");
    assert_eq!(moment(&at(-1, 500_000_000)), "1969-12-31T23:59:59.5Z");
}

// Seconds as `date --utc --date=TEXT +%s` of GNU coreutils tells them.
#[test]
fn leap_days_and_turns_of_centuries_are_right() {
    for (seconds, text) in [
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_799, "2000-02-29T23:59:59Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"),
        (-2_203_891_200, "1900-03-01T00:00:00Z"),
        (-2_208_988_800, "1900-01-01T00:00:00Z"),
        (-11_676_096_000, "1600-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(moment(&at(seconds, 0)), text);
    }
}

#[test]
fn moments_that_four_digits_of_a_year_cannot_say_become_the_nearest() {
    assert_eq!(moment(&at(i64::MAX, 0)), "9999-12-31T23:59:59Z");
    assert_eq!(moment(&at(i64::MIN, 0)), "0001-01-01T00:00:00Z");
    assert_eq!(moment(&at(0, u32::MAX)), "1970-01-01T00:00:00.999999999Z");
}
