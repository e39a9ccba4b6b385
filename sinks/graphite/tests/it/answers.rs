//! Settings, credentials, and what Graphite's answers mean.

use crate::fixture::{answer, event, header, save};
use graphite::Graphite;
use kubedl_events_sink::{Error, EventSink, Failure, env, http};

fn refusal(variables: &[(&str, &str)]) -> String {
    env::fake::set(variables);
    match Graphite::open() {
        Err(Error::Misconfigured(reason)) => reason,
        Err(other) => format!("{other:?}"),
        Ok(_) => "opened".to_owned(),
    }
}

#[test]
fn each_answer_is_about_its_event() {
    let answers = vec![
        answer(200, ""),
        answer(500, ""),
        answer(400, ""),
        Err(http::Error::NotSent("busy".to_owned())),
    ];
    let (saved, _) = save(&[], false, &["a", "b", "c", "d"].map(event), answers);
    let expected = [
        Failure::retry(1, "the destination answered 500"),
        Failure::refused(2, "the destination answered 400"),
        Failure::retry(3, "no answer from the destination: not sent: busy"),
    ];
    assert_eq!(saved, Ok(expected.to_vec()));
}

#[test]
fn where_nothing_is_stored_it_is_one_retry_or_a_persons_turn() {
    let saved = |status| save(&[], false, &["a", "b"].map(event), vec![answer(status, "")]).0;
    assert_eq!(
        saved(500),
        Err(Error::retry("the destination answered 500"))
    );
    assert_eq!(
        saved(404),
        Err(Error::misconfigured("the destination answered 404"))
    );
    assert_eq!(
        saved(302),
        Err(Error::misconfigured("the destination answered 302"))
    );
}

#[test]
fn credentials_go_along_with_every_request() {
    let sent = |variables: &[(&str, &str)]| {
        let (_, requests) = save(variables, true, &[event("u")], vec![answer(200, "[]")]);
        assert_eq!(requests.len(), 2);
        [0, 1].map(|place| header(&requests[place], "authorization"))
    };
    assert_eq!(sent(&[]), [None, None]);
    assert_eq!(
        sent(&[("GRAPHITE_TOKEN", "a-token\n")]),
        [
            Some("Bearer a-token".to_owned()),
            Some("Bearer a-token".to_owned())
        ]
    );
    // RFC 7617, section 2.
    let basic = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
    assert_eq!(
        sent(&[
            ("GRAPHITE_USER", "Aladdin"),
            ("GRAPHITE_PASSWORD", "open sesame")
        ]),
        [basic.clone(), basic]
    );
}

#[test]
fn settings_that_are_wrong_are_told_when_it_opens() {
    let url = ("GRAPHITE_URL", "https://graphite.example.com");
    assert_eq!(refusal(&[]), "the variable GRAPHITE_URL is not set");
    assert_eq!(
        refusal(&[("GRAPHITE_URL", "graphite:8080")]),
        "GRAPHITE_URL must begin with https:// or http://"
    );
    assert!(
        refusal(&[("GRAPHITE_URL", "http://graphite/a b")]).starts_with("GRAPHITE_URL has a space")
    );
    assert!(
        refusal(&[("GRAPHITE_URL", "http://graphite/?a=b")])
            .starts_with("GRAPHITE_URL must end with the base path")
    );
    assert_eq!(
        refusal(&[url, ("GRAPHITE_TAGS_AS_STRING", "yes")]),
        "GRAPHITE_TAGS_AS_STRING must be true or false, not \"yes\""
    );
    for half in [("GRAPHITE_USER", "u"), ("GRAPHITE_PASSWORD", "p")] {
        assert_eq!(
            refusal(&[url, half]),
            "GRAPHITE_USER and GRAPHITE_PASSWORD go together: one of them is not set"
        );
    }
    assert!(
        refusal(&[url, ("GRAPHITE_TOKEN", "t"), ("GRAPHITE_USER", "u")])
            .starts_with("GRAPHITE_TOKEN does not go with")
    );
    assert!(
        refusal(&[url, ("GRAPHITE_TOKEN", "a\nb")]).starts_with("GRAPHITE_TOKEN has a character")
    );
    assert!(
        refusal(&[url, ("GRAPHITE_USER", "a:b"), ("GRAPHITE_PASSWORD", "p")])
            .starts_with("GRAPHITE_USER must not")
    );
}

#[test]
fn slashes_at_the_end_of_the_url_are_dropped() {
    for url in ["http://graphite:8080", "http://graphite:8080//"] {
        env::fake::set(&[("GRAPHITE_URL", url)]);
        assert_eq!(
            graphite::Settings::from_env().map(|settings| settings.events_url),
            Ok("http://graphite:8080/events/".to_owned())
        );
    }
}

#[test]
fn every_variable_that_it_reads_is_described() {
    let described: Vec<String> = Graphite::describe()
        .env
        .into_iter()
        .map(|variable| variable.name)
        .collect();
    let grant = include_str!("../../graphite.yaml");
    for name in &described {
        assert!(
            grant.contains(&format!("  {name}: {{from: {name}")),
            "{name}"
        );
    }
    assert_eq!(described.len(), grant.matches("{from: ").count());
}
