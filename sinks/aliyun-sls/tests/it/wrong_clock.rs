//! Does the sink work on a machine whose clock is wrong?

use crate::fixture::{Group, NOW, Sls, at, event, header, response, settings, stored};
use aliyun_sls::moment::{http_date, parse_http_date};
use aliyun_sls::{Error, Event, HttpError, Request, Response, Sink};

/// Refuses a time that is over 15 minutes off, and says what time it is.
fn punctual(request: &Request, _: &Group) -> Result<Response, HttpError> {
    let date = parse_http_date(&header(request, "date").unwrap()).unwrap();
    if (date - NOW).abs() <= 900 {
        return stored();
    }
    let mut answer = response(400, "RequestTimeTooSkewed");
    answer
        .headers
        .push(("Date".to_owned(), http_date(NOW).into_bytes()));
    Ok(answer)
}

#[test]
fn the_time_of_sls_is_taken_over_and_kept() {
    for off in [-86_400, 3600, 400 * 86_400] {
        let mut sink = Sink::new(settings());
        let mut sls = Sls::new(punctual);
        let clock = || at(NOW + off);
        assert!(
            sink.save(&[event("a", "m"), event("b", "m")], &clock, &mut sls)
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            sls.requests(),
            3,
            "one request was refused, two were stored"
        );
        assert!(
            sink.save(&[event("a", "m")], &clock, &mut sls)
                .unwrap()
                .is_empty()
        );
        assert_eq!(sls.requests(), 4);
    }
}

#[test]
fn log_times_are_in_the_window_of_sls_and_not_of_the_machine() {
    let mut sls = Sls::new(punctual);
    let fresh = Event {
        last_timestamp: at(NOW - 5),
        ..event("a", "m")
    };
    Sink::new(settings())
        .save(&[fresh], &|| at(NOW - 30 * 86_400), &mut sls)
        .unwrap();
    assert_eq!(sls.groups()[1].logs[0].time, Some((NOW - 5) as u32));
}

#[test]
fn a_clock_that_was_set_right_meanwhile_is_followed() {
    let mut sink = Sink::new(settings());
    let mut sls = Sls::new(punctual);
    sink.save(&[event("a", "m")], &|| at(NOW - 86_400), &mut sls)
        .unwrap();
    assert!(
        sink.save(&[event("a", "m")], &|| at(NOW), &mut sls)
            .unwrap()
            .is_empty()
    );
    assert_eq!(sls.requests(), 4);
}

#[test]
fn a_clock_is_corrected_once_in_a_call() {
    let mut sls = Sls::new(|_: &Request, _: &Group| {
        let mut answer = response(400, "RequestTimeExpired");
        answer
            .headers
            .push(("date".to_owned(), http_date(NOW).into_bytes()));
        Ok(answer)
    });
    let result = Sink::new(settings()).save(&[event("a", "m")], &|| at(NOW), &mut sls);
    let Err(Error::Misconfigured(reason)) = result else {
        panic!("{result:?}")
    };
    assert!(
        reason.ends_with("set the clock of this machine"),
        "{reason}"
    );
    assert_eq!(sls.requests(), 2);
}

#[test]
fn without_a_date_in_the_answer_a_person_must_act() {
    let mut sls = Sls::new(|_: &Request, _: &Group| Ok(response(400, "InvalidRequestTime")));
    let result = Sink::new(settings()).save(&[event("a", "m")], &|| at(NOW), &mut sls);
    assert!(matches!(result, Err(Error::Misconfigured(_))));
    assert_eq!(sls.requests(), 1);
}

#[test]
fn a_date_is_read_as_it_is_written() {
    for seconds in [0, NOW, 951_782_400, 4_102_444_799] {
        assert_eq!(parse_http_date(&http_date(seconds)), Some(seconds));
    }
    for text in [
        "",
        "now",
        "Mon, 30 Feb 2026 10:00:00 GMT",
        "Mon, 23 Nov 2026 25:00:00 GMT",
        "Mon, 23 Nov 2026",
    ] {
        assert_eq!(parse_http_date(text), None, "{text}");
    }
}
