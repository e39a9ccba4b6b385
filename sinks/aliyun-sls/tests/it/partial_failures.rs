//! What does the host learn when a part of a call is stored?

use crate::fixture::{Group, NOW, Sls, at, event, response, save, settings, stored};
use aliyun_sls::{Error, HttpError, Request, Response, Retry, Sink};

/// Answers by host; "ok" is stored.
fn by_host(_: &Request, group: &Group) -> Result<Response, HttpError> {
    match group.source.as_deref().unwrap() {
        "kubelet/busy" => Ok(response(403, "ShardWriteQuotaExceed")),
        "kubelet/down" => Ok(response(500, "InternalServerError")),
        "kubelet/lost" => Err(HttpError::Timeout),
        "kubelet/key" => Ok(response(401, "Unauthorized")),
        _ => stored(),
    }
}

#[test]
fn events_of_failed_groups_are_named_and_those_of_stored_ones_not() {
    let events = ["ok", "busy", "ok", "busy", "fine"].map(|host| event(host, "m"));
    let mut sink = Sink::new(settings());
    sink.save(&events[..1], &|| at(NOW), &mut Sls::new(by_host))
        .unwrap();
    let failures = sink
        .save(&events, &|| at(NOW), &mut Sls::new(by_host))
        .unwrap();
    let told: Vec<_> = failures
        .iter()
        .map(|failure| (failure.index, failure.retryable, failure.after_ms))
        .collect();
    assert_eq!(told, [(1, true, Some(1000)), (3, true, Some(1000))]);
}

#[test]
fn a_group_that_was_not_tried_is_retryable_too() {
    let events = ["ok", "down", "fine"].map(|host| event(host, "m"));
    let mut sequential = |request: &Request| by_host(request, &crate::fixture::group(request));
    let mut sls = Sls::new(by_host);
    let failures = save(&events, &mut sls).unwrap();
    assert_eq!(
        failures
            .iter()
            .map(|failure| failure.index)
            .collect::<Vec<_>>(),
        [1]
    );
    let failures = save(
        &[event("ok", "m"), event("busy", "m"), event("fine", "m")],
        &mut sequential,
    )
    .unwrap();
    assert!(failures.iter().all(|failure| failure.retryable));
}

#[test]
fn with_nothing_stored_the_call_as_a_whole_is_told() {
    let call = |hosts: &[&str]| {
        save(
            &hosts
                .iter()
                .map(|host| event(host, "m"))
                .collect::<Vec<_>>(),
            &mut Sls::new(by_host),
        )
    };
    assert!(matches!(
        call(&["busy", "ok"]),
        Err(Error::Retry(Retry {
            after_ms: Some(1000),
            ..
        }))
    ));
    assert!(matches!(
        call(&["down"]),
        Err(Error::Retry(Retry { after_ms: None, .. }))
    ));
    assert!(matches!(call(&["lost"]), Err(Error::Retry(_))));
    assert!(matches!(call(&["key", "ok"]), Err(Error::Misconfigured(_))));
}

#[test]
fn a_wrong_key_costs_one_request() {
    let events: Vec<_> = (0..100)
        .map(|host: i32| event(&host.to_string(), "m"))
        .collect();
    let mut sls = Sls::new(|_: &Request, _: &Group| Ok(response(401, "SignatureNotMatch")));
    assert!(matches!(
        save(&events, &mut sls),
        Err(Error::Misconfigured(_))
    ));
    assert_eq!(sls.requests(), 1);
}

#[test]
fn a_lost_answer_is_told_as_such() {
    let Err(Error::Retry(retry)) = save(&[event("lost", "m")], &mut Sls::new(by_host)) else {
        panic!()
    };
    assert!(retry.reason.contains("may be stored"), "{}", retry.reason);
}

#[test]
fn answers_that_the_host_leaves_out_are_not_taken_for_success() {
    struct Silent;
    impl aliyun_sls::Transport for Silent {
        fn send(&mut self, _: &Request) -> Result<Response, HttpError> {
            stored()
        }
        fn send_all(&mut self, _: &[Request]) -> Vec<Result<Response, HttpError>> {
            Vec::new()
        }
    }
    let events = ["a", "b", "c"].map(|host| event(host, "m"));
    let failures = save(&events, &mut Silent).unwrap();
    assert_eq!(
        failures
            .iter()
            .map(|failure| failure.index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn one_after_another_stops_at_a_full_server() {
    use aliyun_sls::Transport;
    let request = aliyun_sls::request::put_logs(&settings(), b"", NOW);
    for stop in [
        Ok(response(429, "")),
        Ok(response(503, "ServerBusy")),
        Err(HttpError::Connect("x".to_owned())),
    ] {
        let mut sent = 0;
        let mut transport = |_: &Request| {
            sent += 1;
            if sent == 2 { stop.clone() } else { stored() }
        };
        let answers = transport.send_all(&[
            request.clone(),
            request.clone(),
            request.clone(),
            request.clone(),
        ]);
        assert!(matches!(
            answers[2..],
            [Err(HttpError::NotSent(_)), Err(HttpError::NotSent(_))]
        ));
        assert_eq!(sent, 2);
    }
}
