//! Does a sink reach only what was granted, and hurt only itself?

use std::time::Duration;

use kubedl_events::relay::Outcome;

use crate::{run, save, sink};

/// The log of the program with this grant, when its own environment has secrets.
fn said(grant: &str, messages: &[&str]) -> String {
    let (status, log) = run(grant, messages, |start| {
        start
            .env("SLS_KEY_SECRET", "the-secret")
            .env("SECRET_B", "hidden-value")
    });
    assert!(status.success(), "{status}: {log}");
    log
}

/// Tries: to read a variable that it was not granted, and to list all of them
/// Ends: it sees the granted one alone, and no value is in the log
#[test]
fn a_variable_that_was_not_granted_can_not_be_seen() {
    let log = said(
        "env:\n  GRANTED: {from: SECRET_B}\n",
        &["env SLS_KEY_SECRET", "env GRANTED", "environment"],
    );
    assert!(log.contains("env SLS_KEY_SECRET absent"), "{log}");
    assert!(log.contains("env GRANTED seen"), "{log}");
    assert!(log.contains(r#"environment [\"GRANTED\"]"#), "{log}");
    assert!(
        !log.contains("the-secret") && !log.contains("hidden"),
        "{log}"
    );
}

/// Tries: to send a request to a host that was not granted, or by another scheme
/// Ends: `denied`; the log names sink, host and the line that would allow it
#[test]
fn a_host_that_was_not_granted_is_denied_and_the_log_names_sink_host_and_the_line_to_add() {
    let log = said(
        "http: [\"https://sls.example.com\"]\n",
        &[
            "get https://evil.example.com:8443/x",
            "get http://sls.example.com/",
        ],
    );
    assert!(log.contains("Error::Denied"), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("WARN") && line.contains("evil"))
        .unwrap();
    for words in [
        r#""sink":"probe""#,
        r#""host":"evil.example.com""#,
        "probe.yaml:   - https://evil.example.com:8443",
    ] {
        assert!(line.contains(words), "{line}");
    }
    assert!(
        log.contains("http://sls.example.com is not in the grant"),
        "{log}"
    );
}

/// Tries: to open a file, a folder or a socket; and, as it may, to read Kubernetes' own JSON
/// Ends: an error for each of the first; the JSON is there
#[test]
fn files_and_sockets_are_not_there() {
    let log = said(
        "",
        &[
            "file /etc/passwd",
            "file .",
            "connect 127.0.0.1:1",
            "connect example.com:80",
            "raw",
        ],
    );
    assert!(!log.contains("Ok("), "{log}");
    assert_eq!(log.matches("Err(").count(), 4, "{log}");
    assert!(
        log.contains("raw 2") || log.contains("raw 3"),
        "Kubernetes' own JSON is there: {log}"
    );
}

/// Tries: to reach a metadata address that a grant names, by odd URLs and with headers of the
/// host's
/// Ends: each is refused; a loopback address that the grant names is tried
#[test]
fn metadata_addresses_and_odd_urls_are_refused_even_if_granted() {
    let grant =
        "http: [\"http://169.254.169.254\", \"http://example.com\", \"http://127.0.0.1:1\"]\n";
    let log = said(
        grant,
        &[
            "get http://169.254.169.254/latest",
            "get http://me@example.com/",
            "get http://0x7f.1/",
            "get ftp://example.com/",
            "header Host http://example.com/",
            "header Proxy-X http://example.com/",
            "get http://127.0.0.1:1/",
        ],
    );
    let answers: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(r#""stream":"stdout""#) && !line.contains("closed"))
        .collect();
    let expected = [
        "Denied",
        "InvalidRequest",
        "InvalidRequest",
        "InvalidRequest",
        "InvalidRequest",
        "InvalidRequest",
        "Connect",
    ];
    assert_eq!(answers.len(), expected.len(), "{log}");
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.contains(expected), "{answer} should be {expected}");
    }
}

/// Tries: to trap
/// Ends: a fresh instance serves the next batch
#[tokio::test]
async fn a_trap_costs_the_instance_and_nothing_else() {
    let mut sink = sink("").await;
    assert!(matches!(
        save(&mut sink, &["trap"]).await,
        Outcome::Broken {
            maybe_sent: false,
            ..
        }
    ));
    assert_eq!(
        save(&mut sink, &["hello", "again"]).await,
        Outcome::Stored(vec![])
    );
}

/// Tries: to compute or to sleep for ever while events are handed over
/// Ends: the call is ended at its limit, and a fresh instance serves the next batch
#[tokio::test]
async fn a_call_that_computes_or_waits_for_ever_is_ended() {
    for word in ["loop", "sleep"] {
        let mut sink = sink("limits: {call: 300ms}\n").await;
        let outcome = tokio::time::timeout(Duration::from_secs(30), save(&mut sink, &[word]))
            .await
            .expect("it is ended");
        assert!(
            matches!(&outcome, Outcome::Broken { reason, .. } if reason.contains("300 ms")),
            "{word}: {outcome:?}"
        );
        assert_eq!(
            save(&mut sink, &["hello"]).await,
            Outcome::Stored(vec![]),
            "{word}"
        );
    }
}

/// Tries: to take four times the memory of its limit, then less
/// Ends: the first breaks the instance, the second is given
#[tokio::test]
async fn memory_over_the_limit_is_not_given() {
    let mut sink = sink("limits: {memory: 16MiB}\n").await;
    assert!(matches!(
        save(&mut sink, &["grow 64"]).await,
        Outcome::Broken { .. }
    ));
    assert_eq!(save(&mut sink, &["grow 4"]).await, Outcome::Stored(vec![]));
    assert!(sink.memory() <= 16 << 20, "{}", sink.memory());
}

/// Tries: to name an event that it was not given, one that it was, and to refuse the batch
/// Ends: the first is not believed; the others are taken at their word
#[tokio::test]
async fn a_garbage_answer_is_not_believed() {
    let mut sink = sink("").await;
    assert!(matches!(
        save(&mut sink, &["index"]).await,
        Outcome::Broken { .. }
    ));
    assert!(
        matches!(save(&mut sink, &["x", "fail"]).await, Outcome::Stored(failures) if failures.len() == 1 && failures[0].index == 1 && !failures[0].retryable)
    );
    assert!(matches!(
        save(&mut sink, &["x", "refuse"]).await,
        Outcome::Refused { .. }
    ));
}
