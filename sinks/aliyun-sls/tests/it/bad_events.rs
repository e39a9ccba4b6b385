//! Does an event that SLS never takes cost itself alone?

use crate::fixture::{Group, NOW, Sls, at, event, response, save, settings, stored};
use aliyun_sls::{Error, Event, Failure, HttpError, Request, Response, Sink};

/// Refuses a group with a bad event, as SLS does: all or nothing.
fn strict(_: &Request, group: &Group) -> Result<Response, HttpError> {
    if group.messages().contains(&"bad") {
        Ok(response(400, "PostBodyInvalid"))
    } else {
        stored()
    }
}

fn events(count: usize, bad: &[usize]) -> Vec<Event> {
    (0..count)
        .map(|index| event("a", if bad.contains(&index) { "bad" } else { "good" }))
        .collect()
}

fn indices(failures: &[Failure], retryable: bool) -> Vec<usize> {
    failures
        .iter()
        .filter(|failure| failure.retryable == retryable)
        .map(|failure| failure.index as usize)
        .collect()
}

#[test]
fn bad_events_are_found_and_the_others_stored_once() {
    for (count, bad) in [
        (2, &[0][..]),
        (100, &[0, 57]),
        (101, &[100]),
        (4096, &[1234]),
    ] {
        let mut sls = Sls::new(strict);
        let failures = save(&events(count, bad), &mut sls).unwrap();
        assert_eq!(indices(&failures, false), bad);
        assert_eq!(failures.len(), bad.len());
        assert!(
            failures[0].reason.contains("PostBodyInvalid: words"),
            "{}",
            failures[0].reason
        );
        let good: usize = sls
            .groups()
            .iter()
            .filter(|group| !group.messages().contains(&"bad"))
            .map(|group| group.logs.len())
            .sum();
        assert_eq!(good, count - bad.len());
    }
}

#[test]
fn one_bad_event_among_4096_takes_25_requests() {
    let mut sls = Sls::new(strict);
    save(&events(4096, &[1234]), &mut sls).unwrap();
    assert_eq!(sls.requests(), 25);
}

#[test]
fn a_bad_event_alone_is_refused_as_the_whole_call() {
    assert!(matches!(
        save(&events(1, &[0]), &mut Sls::new(strict)),
        Err(Error::Refused(_))
    ));
    assert!(matches!(
        save(&events(2, &[0, 1]), &mut Sls::new(strict)),
        Err(Error::Refused(_))
    ));
}

#[test]
fn a_group_of_bad_events_costs_a_limited_number_of_requests() {
    let all: Vec<usize> = (0..1000).collect();
    let mut sls = Sls::new(strict);
    assert!(matches!(
        save(&events(1000, &all), &mut sls),
        Err(Error::Refused(_))
    ));
    assert!(sls.requests() <= 65, "{}", sls.requests());
}

#[test]
fn call_by_call_every_event_ends_stored_or_refused() {
    let all: Vec<usize> = (0..300).step_by(7).collect();
    let mut sink = Sink::new(settings());
    let mut pending = events(300, &all);
    let (mut good_stored, mut refused) = (0, 0);
    while pending.len() > 1 {
        let failures = sink
            .save(&pending, &|| at(NOW), &mut Sls::new(strict))
            .unwrap();
        assert!(failures.len() < pending.len(), "a call without progress");
        refused += indices(&failures, false).len();
        good_stored += pending.len() - failures.len();
        pending = indices(&failures, true)
            .into_iter()
            .map(|index| pending[index].clone())
            .collect();
    }
    assert_eq!((refused, good_stored), (43, 257));
}

#[test]
fn a_bad_event_is_found_among_many_sources_and_bad_neighbours() {
    let mut events: Vec<Event> = (0..200)
        .map(|host: i32| event(&host.to_string(), "good"))
        .collect();
    events.extend((0..1000).map(|index| event("x", if index % 2 == 0 { "bad" } else { "good" })));
    let failures = save(&events, &mut Sls::new(strict)).unwrap();
    assert!(!indices(&failures, false).is_empty());
    assert!(
        indices(&failures, false)
            .iter()
            .all(|index| events[*index].message == "bad")
    );
}

#[test]
fn a_request_that_is_too_large_is_split() {
    for too_large in [Err(HttpError::RequestTooLarge(1000)), Ok(response(413, ""))] {
        let mut sls = Sls::new(|_: &Request, group: &Group| {
            if group.logs.len() > 3 {
                too_large.clone()
            } else {
                stored()
            }
        });
        assert!(save(&events(10, &[]), &mut sls).unwrap().is_empty());
    }
}

#[test]
fn events_of_other_sources_are_untouched() {
    let events = [event("a", "good"), event("b", "bad"), event("c", "good")];
    let failures = save(&events, &mut Sls::new(strict)).unwrap();
    assert_eq!(indices(&failures, false), [1]);
    assert_eq!(failures.len(), 1);
}
