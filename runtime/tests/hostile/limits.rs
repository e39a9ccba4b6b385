//! How much a sink can cost.

use std::time::Duration;

use kubedl_events::relay::Outcome;

use crate::{run, said, save, sink};

/// Has the probe do something that ends its instance; the next batch must be stored. Gives the
/// reason.
async fn broken(grant: &str, word: &str) -> String {
    let mut sink = sink(grant).await;
    let outcome = tokio::time::timeout(Duration::from_secs(60), save(&mut sink, &[word]))
        .await
        .expect("the call is ended");
    let Outcome::Broken { reason, .. } = outcome else {
        panic!("{word}: {outcome:?}")
    };
    assert_eq!(
        save(&mut sink, &["hello"]).await,
        Outcome::Stored(vec![]),
        "after {word}"
    );
    reason
}

/// Tries: to have the host copy one body of its memory many times
/// Ends: a call may hand over as much as the memory limit; it traps
#[tokio::test]
async fn requests_that_share_a_body_are_copied_up_to_the_memory_limit_only() {
    // 17 MiB: a host without a limit of its own takes 128 MiB (wasmtime's default).
    let reason = broken("limits: {memory: 16MiB}\n", "alias 17 1").await;
    assert!(reason.contains("fuel allocated for hostcalls"), "{reason}");
    let mut sink = sink("limits: {memory: 16MiB}\n").await;
    assert_eq!(
        save(&mut sink, &["alias 15 1"]).await,
        Outcome::Stored(vec![])
    );
}

/// Tries: to send more requests at once than anyone needs
/// Ends: none is sent, and each answer says the limit
#[test]
fn more_than_a_thousand_requests_at_once_are_refused() {
    let (status, log) = run("", &["all 1001 https://example.com/"], |start| start);
    assert!(status.success(), "{log}");
    assert!(
        said(&log)[0].contains("1001 requests at once, at most 1000 are allowed"),
        "{log}"
    );
}

/// Tries: to hold more timers than a host should keep
/// Ends: the call traps when the host would keep more than 1,024 things for it
#[tokio::test]
async fn handles_are_counted() {
    let reason = broken("", "timers 1000").await;
    assert!(
        reason.contains("resource table has no free keys"),
        "{reason}"
    );
    let mut sink = sink("").await;
    assert_eq!(
        save(&mut sink, &["timers 400"]).await,
        Outcome::Stored(vec![])
    );
}

/// Tries: to wait for ever, asleep or in `poll`
/// Ends: the call ends at its time limit
#[tokio::test]
async fn every_wait_ends_with_the_call() {
    for word in ["sleep", "poll", "loop"] {
        let reason = broken("limits: {call: 400ms}\n", word).await;
        assert!(reason.contains("longer than 400 ms"), "{word}: {reason}");
    }
}

/// Tries: to grow its memory beyond the limit
/// Ends: it is not given, and the sink's own allocator gives up
#[tokio::test]
async fn memory_beyond_the_limit_is_not_given() {
    broken("limits: {memory: 16MiB}\n", "grow 20").await;
    let mut sink = sink("limits: {memory: 16MiB}\n").await;
    assert_eq!(save(&mut sink, &["grow 8"]).await, Outcome::Stored(vec![]));
    assert!(sink.memory() <= 16 << 20, "{}", sink.memory());
}

/// Tries: to name more failures than there are events
/// Ends: the answer is not believed, and a fresh instance takes its place
#[tokio::test]
async fn a_million_failures_of_one_event_are_not_believed() {
    let reason = broken("", "failures 200000").await;
    assert!(
        reason.contains("200000 failures of a batch of 1"),
        "{reason}"
    );
}

/// Tries: to give a reason of many megabytes
/// Ends: two thousand characters of it are kept
#[tokio::test]
async fn a_long_reason_is_cut() {
    let mut sink = sink("").await;
    let Outcome::Stored(failures) = save(&mut sink, &["reason 8"]).await else {
        panic!("the batch was not stored")
    };
    assert_eq!(failures[0].reason, "x".repeat(2_000));
}

/// Tries: to fill the log with lines
/// Ends: a burst of 500 and 50 a second pass; the rest is counted, and said once in a while
#[test]
fn a_flood_of_lines_is_cut_and_counted() {
    let (status, log) = run("", &["lines 100000"], |start| start);
    assert!(status.success(), "{log}");
    let passed = said(&log).len();
    // What passes beyond the burst depends on how long the machine takes.
    assert!((500..20_000).contains(&passed), "{passed} lines");
    let dropped: u64 = log
        .lines()
        .filter(|line| line.contains("more than the log takes"))
        .map(dropped)
        .sum();
    assert_eq!(
        dropped + passed as u64,
        100_001,
        "each line is said, or counted"
    );
}

fn dropped(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["lines"]
        .as_u64()
        .unwrap()
}

/// Tries: to have a line of many megabytes kept, or written
/// Ends: two thousand characters of it are in the log
#[test]
fn a_long_line_is_cut() {
    let (status, log) = run("", &["line 20000"], |start| start);
    assert!(status.success(), "{log}");
    let lines = said(&log);
    assert_eq!(lines.len(), 2, "the line, and the word at the end: {log}");
    assert_eq!(lines[0].len(), 2_000);
    assert_eq!(lines[1], "closed");
}
