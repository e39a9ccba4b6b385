//! Does it take an answer for what the receiver means?

use crate::fixture::{event, open};
use kubedl_events_sink::{Batch, Error, EventSink, Failure, http};

/// Saves one event by a destination that answers so; the sink's clock stands at Thu, 25 Feb 2021
/// 15:02:10 GMT.
fn save(
    variables: &[(&str, &str)],
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Vec<Failure>, Error> {
    http::fake::answer([Ok(http::fake::response(status, headers, body))]);
    open(variables)?.save(&Batch::default(), &[event("u-1")])
}

fn after(headers: &[(&str, &str)]) -> Option<u32> {
    match save(&[], 429, headers, "busy") {
        Err(Error::Retry(retry)) => retry.after_ms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_time_to_come_again_may_be_a_date() {
    assert_eq!(after(&[("Retry-After", "7")]), Some(7_000));
    assert_eq!(
        after(&[("Retry-After", "Thu, 25 Feb 2021 15:02:16 GMT")]),
        Some(6_000)
    );
    assert_eq!(
        after(&[("Retry-After", "Thursday, 25-Feb-21 15:02:16 GMT")]),
        Some(6_000)
    );
    assert_eq!(
        after(&[("Retry-After", "Thu, 25 Feb 2021 15:02:00 GMT")]),
        Some(0)
    );
    // By the receiver's clock, which may be another.
    assert_eq!(
        after(&[
            ("Retry-After", "Mon, 01 Jan 2024 00:00:09 GMT"),
            ("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
        ]),
        Some(9_000)
    );
    assert_eq!(after(&[("Retry-After", "soon")]), None);
}

#[test]
fn a_success_with_an_error_in_its_body_is_tried_again_where_that_is_asked_for() {
    let teams = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    assert_eq!(save(&[], 200, &[], teams), Ok(Vec::new()));
    let one = [("WEBHOOK_STORED_IF", "^1$")];
    assert_eq!(save(&one, 200, &[], "1"), Ok(Vec::new()));
    let Err(Error::Retry(retry)) = save(&one, 200, &[], teams) else {
        panic!("it was taken for stored")
    };
    assert!(
        retry.reason.contains("WEBHOOK_STORED_IF") && retry.reason.contains("HTTP error 429"),
        "{}",
        retry.reason
    );
    let batch = [
        ("WEBHOOK_STORED_IF", "(?i)\"ok\": *true"),
        ("WEBHOOK_MODE", "batch"),
    ];
    assert_eq!(save(&batch, 200, &[], "{\"OK\":true}"), Ok(Vec::new()));
    assert!(matches!(
        save(&batch, 200, &[], "{\"ok\":false}"),
        Err(Error::Retry(_))
    ));
    assert!(
        matches!(save(&one, 400, &[], "1"), Ok(failed) if failed.len() == 1),
        "a refusal stays one, whatever its body says"
    );
}

#[test]
fn what_is_no_expression_is_told_when_the_sink_opens() {
    let Err(Error::Misconfigured(why)) = save(&[("WEBHOOK_STORED_IF", "(")], 200, &[], "") else {
        panic!("it opened")
    };
    assert!(why.contains("WEBHOOK_STORED_IF \"(\""), "{why}");
    assert_eq!(
        save(&[("WEBHOOK_STORED_IF", "")], 200, &[], ""),
        Ok(Vec::new())
    );
}
