//! Is an event stored once, though a try before may have stored it?

use crate::fixture::{answer, event, save, save_as};
use kubedl_events_sink::{Batch, Error, Event, Failure, Timestamp, http};

/// As Graphite answers for an event with these tags.
fn found(tags: &str) -> http::Answer {
    answer(
        200,
        &format!(r#"[{{"when": 1795429966, "what": "w", "data": "", "tags": {tags}, "id": 1}}]"#),
    )
}

fn methods(requests: &[http::Request]) -> Vec<&str> {
    requests
        .iter()
        .map(|request| request.method.as_str())
        .collect()
}

#[test]
fn a_first_try_does_not_look() {
    let (_, requests) = save(&[], false, &[event("u-1")], vec![]);
    assert_eq!(methods(&requests), ["POST"]);
}

#[test]
fn a_further_try_looks_since_an_answer_may_have_been_lost() {
    let batch = Batch {
        attempt: 1,
        ..Batch::default()
    };
    let (_, requests) = save_as(
        batch,
        &[],
        &[event("u-1")],
        vec![answer(200, "[]"), answer(200, "")],
    );
    assert_eq!(methods(&requests), ["GET", "POST"]);
}

#[test]
fn only_what_is_not_there_is_sent_again() {
    let answers = vec![
        found(r#"["Warning", "uid:u-1", "rv:4711"]"#),
        answer(200, "[]"),
        answer(200, ""),
    ];
    let (saved, requests) = save(&[], true, &[event("u-1"), event("u-2")], answers);
    assert_eq!(
        (saved, methods(&requests)),
        (Ok(vec![]), vec!["GET", "GET", "POST"])
    );
    assert!(String::from_utf8_lossy(&requests[2].body).contains("uid:u-2"));
}

#[test]
fn it_looks_for_the_identity_around_the_moment() {
    let (_, requests) = save(&[], true, &[event("u-1")], vec![answer(200, "[]")]);
    let query = "tags=uid:u-1%20rv:4711&set=intersection&from=1795429965&until=1795429968";
    assert_eq!(
        requests[0].url,
        format!("https://graphite.example.com/base/events/get_data?{query}")
    );
}

#[test]
fn a_moment_that_graphite_could_read_as_a_date_is_looked_for_since_1970() {
    let old = Event {
        last_timestamp: Timestamp {
            seconds: 19_991_231,
            nanoseconds: 0,
        },
        ..event("u-1")
    };
    let (_, requests) = save(&[], true, &[old], vec![answer(200, "[]")]);
    assert!(
        requests[0].url.ends_with("&from=0&until=1000000002"),
        "{}",
        requests[0].url
    );
}

#[test]
fn another_version_of_the_event_is_not_the_event() {
    // Graphite 0.9 tells tags as one text, and finds what has one of those asked for.
    for tags in [
        r#"["uid:u-1", "rv:4710"]"#,
        r#"["uid:u-10", "rv:4711"]"#,
        r#""uid:u-1 rv:47110""#,
        "null",
    ] {
        let (_, requests) = save(
            &[],
            true,
            &[event("u-1")],
            vec![found(tags), answer(200, "")],
        );
        assert_eq!(methods(&requests), ["GET", "POST"], "{tags}");
    }
    let (_, requests) = save(
        &[],
        true,
        &[event("u-1")],
        vec![found(r#""Warning uid:u-1 rv:4711""#)],
    );
    assert_eq!(methods(&requests), ["GET"]);
}

#[test]
fn without_a_whole_identity_it_is_rather_sent_twice() {
    for uid in [
        "",
        "with space",
        "longer-than-the-fifty-characters-that-a-tag-can-have",
    ] {
        let (_, requests) = save(&[], true, &[event(uid)], vec![]);
        assert_eq!(methods(&requests), ["POST"], "{uid}");
    }
}

#[test]
fn what_could_not_be_looked_for_is_not_sent() {
    let answers = vec![answer(200, "[]"), answer(503, "busy"), answer(200, "")];
    let (saved, requests) = save(&[], true, &[event("u-1"), event("u-2")], answers);
    let reason =
        "cannot look whether the event is stored already: the destination answered 503: busy";
    assert_eq!(
        (saved, methods(&requests)),
        (
            Ok(vec![Failure::retry(1, reason)]),
            vec!["GET", "GET", "POST"]
        )
    );
}

#[test]
fn an_answer_that_is_not_graphites_is_for_a_person_to_mend() {
    for body in ["<html>log in</html>", "{}", "null"] {
        let (saved, requests) = save(&[], true, &[event("u-1")], vec![answer(200, body)]);
        let reason = "cannot look whether the event is stored already: the answer is not a list of Graphite's events";
        assert_eq!(
            (saved, requests.len()),
            (Err(Error::misconfigured(reason)), 1)
        );
    }
}

#[test]
fn an_empty_answer_has_nothing_in_it() {
    let (saved, requests) = save(&[], true, &[event("u-1")], vec![answer(200, "")]);
    assert_eq!(
        (saved, methods(&requests)),
        (Ok(vec![]), vec!["GET", "POST"])
    );
}

#[test]
fn a_refused_question_is_no_verdict_on_the_event() {
    let (saved, _) = save(&[], true, &[event("u-1")], vec![answer(400, "no")]);
    let reason =
        "cannot look whether the event is stored already: the destination answered 400: no";
    assert_eq!(saved, Err(Error::misconfigured(reason)));
}
