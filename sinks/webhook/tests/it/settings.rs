//! Which settings are taken, and what is said about the others?

use crate::fixture::{event, header, open, save};
use kubedl_events_sink::{Error, EventSink, env, http};
use webhook::Webhook;

fn refusal(variables: &[(&str, &str)]) -> String {
    match open(variables) {
        Err(Error::Misconfigured(reason)) => reason,
        Err(other) => format!("{other:?}"),
        Ok(_) => "opened".to_owned(),
    }
}

#[test]
fn without_a_url_it_does_not_open() {
    env::fake::set(&[]);
    assert_eq!(
        Webhook::open().err(),
        Some(Error::misconfigured("the variable WEBHOOK_URL is not set"))
    );
    env::fake::set(&[("WEBHOOK_URL", "hooks.example.com/secret")]);
    assert_eq!(
        Webhook::open().err(),
        Some(Error::misconfigured(
            "WEBHOOK_URL must begin with https:// or http://"
        ))
    );
}

#[test]
fn a_url_that_no_request_may_have_is_told_when_it_opens() {
    for url in [
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\u{e4}",
        "https://hooks.example.com/a\\b",
        "https://hooks.example.com/a\nb",
    ] {
        env::fake::set(&[("WEBHOOK_URL", url)]);
        assert!(
            matches!(Webhook::open().err(), Some(Error::Misconfigured(why)) if why.starts_with("WEBHOOK_URL has a space")),
            "{url:?}"
        );
    }
}

#[test]
fn a_scheme_may_have_capital_letters() {
    for url in [
        "HTTP://hooks.example.com/in",
        " HttpS://hooks.example.com/in\n",
    ] {
        env::fake::set(&[("WEBHOOK_URL", url)]);
        assert!(Webhook::open().is_ok(), "{url}");
    }
}

#[test]
fn opening_sends_nothing() {
    http::fake::answer([]);
    assert!(open(&[]).is_ok());
    assert!(http::fake::requests().is_empty());
}

#[test]
fn unknown_words_are_refused_with_the_known_ones() {
    assert_eq!(
        refusal(&[("WEBHOOK_MODE", "bulk")]),
        r#"WEBHOOK_MODE must be one of structured, batch, binary, not "bulk""#
    );
    assert_eq!(
        refusal(&[("WEBHOOK_LAYOUT", "xml")]),
        r#"WEBHOOK_LAYOUT must be one of cloudevents, event, ndjson, not "xml""#
    );
    assert_eq!(
        refusal(&[("WEBHOOK_SIGNATURE", "md5")]),
        r#"WEBHOOK_SIGNATURE must be one of standard, github, not "md5""#
    );
}

#[test]
fn modes_and_layouts_that_do_not_go_together_are_refused() {
    assert_eq!(
        refusal(&[("WEBHOOK_LAYOUT", "ndjson")]),
        "WEBHOOK_LAYOUT ndjson goes with WEBHOOK_MODE batch"
    );
    for layout in ["event", "ndjson"] {
        assert!(
            refusal(&[("WEBHOOK_MODE", "binary"), ("WEBHOOK_LAYOUT", layout)])
                .starts_with("WEBHOOK_MODE binary goes with"),
            "{layout}"
        );
    }
}

#[test]
fn a_token_or_a_user_with_a_password_goes_along() {
    let sent = |variables: &[(&str, &str)]| {
        header(
            &save(variables, &[event("u")], &[200]).1[0],
            "authorization",
        )
    };
    assert_eq!(sent(&[]), None);
    assert_eq!(
        sent(&[("WEBHOOK_TOKEN", "a-token\n")]).as_deref(),
        Some("Bearer a-token")
    );
    // RFC 7617, section 2.
    assert_eq!(
        sent(&[
            ("WEBHOOK_USER", "Aladdin"),
            ("WEBHOOK_PASSWORD", "open sesame")
        ])
        .as_deref(),
        Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    );
}

#[test]
fn half_a_way_to_log_in_or_two_of_them_are_refused() {
    for half in [[("WEBHOOK_USER", "u")], [("WEBHOOK_PASSWORD", "p")]] {
        assert_eq!(
            refusal(&half),
            "WEBHOOK_USER and WEBHOOK_PASSWORD go together: one of them is not set"
        );
    }
    assert!(
        refusal(&[("WEBHOOK_TOKEN", "t"), ("WEBHOOK_USER", "u")])
            .starts_with("WEBHOOK_TOKEN does not go with")
    );
    assert_eq!(
        refusal(&[("WEBHOOK_USER", "a:b"), ("WEBHOOK_PASSWORD", "p")]),
        "WEBHOOK_USER must not have a colon in it"
    );
    assert!(
        refusal(&[("WEBHOOK_TOKEN", "a\r\nx-evil: 1")])
            .starts_with("WEBHOOK_TOKEN has a character")
    );
}

#[test]
fn further_headers_go_along() {
    let (_, requests) = save(
        &[("WEBHOOK_HEADERS", "X-Scope: prod\n\n  x-key:  a: b \n")],
        &[event("u")],
        &[200],
    );
    assert_eq!(header(&requests[0], "X-Scope").as_deref(), Some("prod"));
    assert_eq!(header(&requests[0], "x-key").as_deref(), Some("a: b"));
}

#[test]
fn a_bad_header_is_refused_by_its_line_not_by_its_words() {
    for (line, what) in [
        ("hunter2", "is not \"Name: value\""),
        ("a b: hunter2", "has a character that no header may hold"),
        (": hunter2", "has a character that no header may hold"),
        (
            "x: hunter2\u{7f}",
            "has a character that no header may hold",
        ),
        ("Content-Type: hunter2", "sets a header that is set already"),
        ("Host: hunter2", "sets a header that is set already"),
        ("CE-Id: hunter2", "sets a header that is set already"),
        (
            "Webhook-Signature: hunter2",
            "sets a header that is set already",
        ),
    ] {
        assert_eq!(
            refusal(&[("WEBHOOK_HEADERS", &format!("x-first: 1\n{line}"))]),
            format!("line 2 of WEBHOOK_HEADERS {what}")
        );
    }
    assert_eq!(
        refusal(&[("WEBHOOK_HEADERS", "Authorization: Custom x")]),
        "opened"
    );
    let twice = refusal(&[
        ("WEBHOOK_HEADERS", "Authorization: Custom x"),
        ("WEBHOOK_TOKEN", "t"),
    ]);
    assert_eq!(
        twice,
        "line 1 of WEBHOOK_HEADERS sets a header that is set already"
    );
}

#[test]
fn a_secret_that_is_none_is_refused() {
    assert!(
        refusal(&[("WEBHOOK_SECRET", "whsec_hunter2!")]).ends_with("what follows is not base64")
    );
    assert_eq!(
        refusal(&[("WEBHOOK_SECRET", "whsec_")]),
        "WEBHOOK_SECRET has no secret in it"
    );
    assert_eq!(
        refusal(&[("WEBHOOK_SIGNATURE", "github")]),
        "WEBHOOK_SIGNATURE is set, but WEBHOOK_SECRET is not"
    );
}

#[test]
fn every_variable_that_it_reads_is_described() {
    let described: Vec<String> = Webhook::describe()
        .env
        .into_iter()
        .map(|variable| variable.name)
        .collect();
    let grant = include_str!("../../webhook.yaml");
    for name in &described {
        assert!(
            grant.contains(&format!("  {name}: {{from: {name}")),
            "{name}"
        );
    }
    assert_eq!(described.len(), grant.matches("{from: ").count());
}
