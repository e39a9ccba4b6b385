//! What `/livez` and `/readyz` say. It is known without a look at the disk, or at anything else
//! that could hang.
//!
//! `/livez` fails only for what a new start heals: a thread of ours that does not turn. No sink,
//! destination, API server or full disk is of that kind: a restart would not help, and would hurt
//! the other sinks.
//!
//! `/readyz` fails while this process can neither do the work nor take it over. A destination that
//! is down does not count: events wait for it in the journal, and a Pod that is not ready would
//! only hold up the very rollout that may mend it.

use std::fmt::Write;
use std::time::Duration;

use super::{Board, Role};
use crate::shown::shown;

/// A thread that waits for others still turns each second, so this is far more than a busy machine
/// can explain.
const STILL: Duration = Duration::from_secs(300);
/// The journal's writer does not turn while it saves what can be read of a large damaged file, or
/// while the disk hangs. A sink's thread may have the lowest priority (`sink/instance/clock.rs`).
const LONG_STILL: Duration = Duration::from_secs(900);
/// How long the API server may be away before this process counts as not ready: it is when that is
/// restarted, too.
const BLIND: Duration = Duration::from_secs(60);

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What, such as `sink graphite`.
    pub name: String,
    /// What is to be said if all is well, or why it isn't.
    pub result: Result<String, String>,
}

impl Check {
    fn new(name: impl Into<String>, result: Result<String, String>) -> Self {
        Self {
            name: name.into(),
            result,
        }
    }
}

fn turns(age: Duration, most: Duration) -> Result<String, String> {
    if age < most {
        return Ok(String::new());
    }
    Err(format!(
        "its thread has not turned for {} s, at most {} s are expected",
        age.as_secs(),
        most.as_secs()
    ))
}

/// A watch that is in trouble for some time, or is not there, and whether its list has been read to
/// the end.
fn sees(
    trouble: Option<(Duration, String)>,
    unwatched: Option<Duration>,
    whole: bool,
) -> Result<String, String> {
    match trouble {
        Some((since, why)) if since >= BLIND || !whole => {
            Err(format!("nothing is seen for {} s: {why}", since.as_secs()))
        }
        _ if !whole => Err("the list is being read".to_owned()),
        _ if unwatched.is_some_and(|since| since >= BLIND) => Err(format!(
            "no watch is open for {} s",
            unwatched.unwrap_or_default().as_secs()
        )),
        _ => Ok(String::new()),
    }
}

/// Whether the loops move.
pub fn live(board: &Board) -> Vec<Check> {
    let mut checks = vec![Check::new("pipeline", turns(board.pipeline.age(), STILL))];
    for (scope, sight) in board
        .cluster
        .scopes()
        .into_iter()
        .filter(|(_, sight)| sight.runs())
    {
        checks.push(Check::new(
            format!("watch {scope}"),
            turns(sight.pulse.age(), STILL),
        ));
    }
    if let Some(journal) = board.journal() {
        checks.push(Check::new(
            "journal",
            turns(journal.stats().pulse.age(), LONG_STILL),
        ));
    }
    for sink in board.sinks() {
        if let Some(ready) = sink.ready.filter(|ready| ready.runs) {
            checks.push(Check::new(
                format!("sink {}", sink.name),
                turns(ready.pulse.age(), LONG_STILL),
            ));
        }
    }
    checks
}

/// Whether the work can be done, or taken over.
pub fn ready(board: &Board) -> Vec<Check> {
    let mut checks = Vec::new();
    for sink in board.sinks() {
        let result = match sink.ready {
            None if sink.left_out.is_some() => Ok(
                "it is left out, and events wait for it: `kubedl-events status` says why"
                    .to_owned(),
            ),
            None => Err("compiling".to_owned()),
            Some(ready) => Ok(ready
                .progress
                .failing()
                .filter(|failing| !failing.over)
                // Not in whose words: they may have secrets in a form that is not searched for, and
                // this page is for everybody.
                .map_or_else(String::new, |_| {
                    "its destination is waited for: `kubedl-events status` says why".to_owned()
                })),
        };
        checks.push(Check::new(format!("sink {}", sink.name), result));
    }
    checks.push(Check::new(
        "journal",
        match board.journal() {
            None => Err("not open yet".to_owned()),
            Some(journal) => journal
                .stats()
                .trouble()
                .map_or_else(|| Ok(String::new()), Err),
        },
    ));
    let scopes = board.cluster.scopes();
    if scopes.is_empty() {
        checks.push(Check::new("watch", Err("not begun yet".to_owned())));
    }
    for (scope, sight) in scopes {
        let result = sees(sight.trouble(), sight.unwatched(), sight.is_whole());
        checks.push(Check::new(format!("watch {scope}"), result));
    }
    let role = match board.role() {
        Role::Starting => Err("it is not decided yet who delivers".to_owned()),
        Role::Unknown { reason } => Err(reason),
        Role::Standby { holder } => Ok(format!("standing by: {holder} delivers")),
        Role::Alone | Role::Leading => Ok(String::new()),
    };
    checks.push(Check::new("lead", role));
    if board.is_stopping() {
        checks.push(Check::new(
            "stop",
            Err("the process is stopping".to_owned()),
        ));
    }
    checks
}

/// A page in the form of Kubernetes' own, and whether all is well. `verbose` has what is well, too.
pub fn page(name: &str, checks: &[Check], verbose: bool) -> (bool, String) {
    let well = checks.iter().all(|check| check.result.is_ok());
    let mut page = String::new();
    if well && !verbose {
        return (true, "ok\n".to_owned());
    }
    for Check { name, result } in checks {
        let _ = match result {
            Ok(words) if words.is_empty() => writeln!(page, "[+]{name} ok"),
            Ok(words) => writeln!(page, "[+]{name} ok: {}", shown(words)),
            Err(why) => writeln!(page, "[-]{name} failed: {}", shown(why)),
        };
    }
    let _ = writeln!(
        page,
        "{name} check {}",
        if well { "passed" } else { "failed" }
    );
    (well, page)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn a_thread_is_taken_for_dead_after_the_documented_time_and_not_before() {
        for (most, said) in [
            (STILL, "for 300 s, at most 300 s"),
            (LONG_STILL, "for 900 s, at most 900 s"),
        ] {
            assert_eq!(turns(most - MOMENT, most), Ok(String::new()));
            assert!(turns(most, most).unwrap_err().contains(said));
        }
    }

    #[test]
    fn a_watch_counts_as_blind_after_a_minute_or_at_once_while_its_list_is_not_read() {
        let trouble = |since: Duration| Some((since, "refused".to_owned()));
        assert_eq!(sees(None, None, true), Ok(String::new()));
        assert_eq!(
            sees(trouble(BLIND - MOMENT), Some(BLIND - MOMENT), true),
            Ok(String::new())
        );
        assert_eq!(
            sees(trouble(BLIND), None, true),
            Err("nothing is seen for 60 s: refused".to_owned())
        );
        assert_eq!(
            sees(trouble(MOMENT), None, false),
            Err("nothing is seen for 0 s: refused".to_owned())
        );
        assert_eq!(
            sees(None, Some(BLIND), true),
            Err("no watch is open for 60 s".to_owned())
        );
        assert_eq!(
            sees(None, None, false),
            Err("the list is being read".to_owned())
        );
    }
}
