//! Every metric: its name, what it means, and where its value is read. The pages and their tests
//! are made from this table.
//!
//! Values are read from a [`Status`] when Prometheus asks, so nothing is counted twice and nothing
//! before it happened. A label has only values from the operator's configuration, or from a fixed
//! list: never a namespace, a job or a destination's words.

// Long: one table.

use crate::relay::Counted;

use super::Status;
use super::status::states;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows, and begins anew at 0 with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// As Prometheus writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Where values go: those of the labels, and the number.
type Put<'a> = dyn FnMut(&[&str], Value<'_>) + 'a;

/// What a sample says.
pub(super) enum Value<'a> {
    /// A counter's or a gauge's number.
    Number(f64),
    /// A histogram.
    Counted(&'a Counted),
}

/// One metric.
pub struct Metric {
    /// With the prefix.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, with the unit.
    pub help: &'static str,
    pub(super) read: fn(&Status, &mut Put<'_>),
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Status, &mut Put<'_>),
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
        read,
    }
}

use Kind::{Counter, Gauge, Histogram};

/// A number without labels.
fn one(put: &mut Put<'_>, number: impl Into<Option<f64>>) {
    if let Some(number) = number.into() {
        put(&[], Value::Number(number));
    }
}

macro_rules! scopes {
    ($read:expr) => {
        |status, put| {
            for scope in &status.scopes {
                let read: fn(&super::ScopeStatus) -> Option<f64> = $read;
                read(scope)
                    .into_iter()
                    .for_each(|number| put(&[&scope.scope], Value::Number(number)));
            }
        }
    };
}

macro_rules! journal {
    ($read:expr) => {
        |status, put| {
            let read: fn(&super::JournalStatus) -> Option<f64> = $read;
            one(put, status.journal.as_ref().and_then(read));
        }
    };
}

macro_rules! sinks {
    ($read:expr) => {
        |status, put| {
            for sink in &status.sinks {
                let read: fn(&super::SinkStatus) -> Option<f64> = $read;
                read(sink)
                    .into_iter()
                    .for_each(|number| put(&[&sink.sink], Value::Number(number)));
            }
        }
    };
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// All metrics, in the order of the pages.
pub const METRICS: &[Metric] = &[
    // The process.
    metric(
        "kubedl_events_build_info",
        Gauge,
        &["version"],
        "1; the version of the program is in the label",
        |status, put| {
            put(&[&status.version], Value::Number(1.0));
        },
    ),
    metric(
        "kubedl_events_uptime_seconds",
        Gauge,
        &[],
        "Seconds since the process began",
        |status, put| one(put, status.uptime_seconds),
    ),
    metric(
        "kubedl_events_ready",
        Gauge,
        &[],
        "1 while /readyz says ok, else 0",
        |status, put| one(put, flag(status.not_ready.is_empty())),
    ),
    metric(
        "kubedl_events_leader",
        Gauge,
        &[],
        "1 while this process delivers: alone, or as the holder of the Lease",
        |status, put| {
            one(put, flag(status.delivers));
        },
    ),
    // The watch.
    metric(
        "kubedl_events_seen_total",
        Counter,
        &["scope"],
        "Events that the watch handed over, those seen before included",
        scopes!(|scope| Some(scope.events as f64)),
    ),
    metric(
        "kubedl_events_watch_up",
        Gauge,
        &["scope"],
        "1 while the watch works, 0 while the API server can't be reached or refuses",
        scopes!(|scope| Some(flag(scope.trouble.is_none()))),
    ),
    metric(
        "kubedl_events_watch_restarts_total",
        Counter,
        &["scope", "cause"],
        "Watches that ended and were opened again; of cause `ended` in the ordinary course, after four minutes",
        |status, put| {
            for scope in &status.scopes {
                scope.endings.iter().for_each(|(cause, count)| {
                    put(&[&scope.scope, cause], Value::Number(*count as f64))
                });
            }
        },
    ),
    metric(
        "kubedl_events_watch_relists_total",
        Counter,
        &["scope"],
        "Times that sight was lost, and the list was read again",
        scopes!(|scope| Some(scope.losses as f64)),
    ),
    metric(
        "kubedl_events_checkpoint_age_seconds",
        Gauge,
        &["scope"],
        "Seconds since it was last proven that everything was seen; up to about 250 in a silent cluster",
        scopes!(|scope| scope.checkpoint_age_seconds),
    ),
    // What became of events.
    metric(
        "kubedl_events_journalled_total",
        Counter,
        &[],
        "Events that are in the journal since, on disk",
        journal!(|journal| Some(journal.stored as f64)),
    ),
    metric(
        "kubedl_events_filtered_total",
        Counter,
        &["rule"],
        "Events that were dropped, by the rule that said so",
        |status, put| {
            let Some(journal) = &status.journal else {
                return;
            };
            journal
                .dropped
                .iter()
                .for_each(|(rule, count)| put(&[rule], Value::Number(*count as f64)));
        },
    ),
    metric(
        "kubedl_events_redactions_total",
        Counter,
        &["rule"],
        "Places in events that a redaction rule (--redact) hid",
        |status, put| {
            status
                .hidden
                .iter()
                .for_each(|(rule, count)| put(&[rule], Value::Number(*count as f64)));
        },
    ),
    metric(
        "kubedl_events_known_total",
        Counter,
        &[],
        "Events that were seen again, as after a list, and are stored or dropped already",
        journal!(|journal| Some(journal.known as f64)),
    ),
    metric(
        "kubedl_events_unreadable_total",
        Counter,
        &[],
        "Objects that could not be read as events, and are kept as dead letters of no sink",
        journal!(|journal| Some(journal.unreadable as f64)),
    ),
    metric(
        "kubedl_events_gaps_total",
        Counter,
        &["kind"],
        "Intervals in which events may be missing (possible), or are (certain), in this journal since it was made",
        |status, put| {
            let Some(file) = status
                .journal
                .as_ref()
                .and_then(|journal| journal.file.as_ref())
            else {
                return;
            };
            put(&["possible"], Value::Number(file.gaps_possible as f64));
            put(&["certain"], Value::Number(file.gaps_certain as f64));
        },
    ),
    metric(
        "kubedl_events_shed_total",
        Counter,
        &[],
        "Events that sinks lost to the journal's size limit (--on-full shed), counted for each sink",
        journal!(|journal| Some(journal.shed as f64)),
    ),
    // Each sink.
    metric(
        "kubedl_events_sink_info",
        Gauge,
        &["sink", "version", "digest"],
        "1; version and SHA-256 of the component that serves",
        |status, put| {
            for sink in status.sinks.iter().filter(|sink| !sink.digest.is_empty()) {
                put(
                    &[&sink.sink, &sink.version, &sink.digest],
                    Value::Number(1.0),
                );
            }
        },
    ),
    metric(
        "kubedl_events_sink_state",
        Gauge,
        &["sink", "state"],
        "1 for the state that the sink is in, 0 for the others",
        |status, put| {
            for sink in &status.sinks {
                states().iter().for_each(|state| {
                    put(
                        &[&sink.sink, state],
                        Value::Number(flag(sink.state == *state)),
                    )
                });
            }
        },
    ),
    metric(
        "kubedl_events_delivered_total",
        Counter,
        &["sink"],
        "Events that the sink has stored",
        sinks!(|sink| Some(sink.delivered as f64)),
    ),
    metric(
        "kubedl_events_unselected_total",
        Counter,
        &["sink"],
        "Events that the selection (--select) kept from the sink",
        sinks!(|sink| Some(sink.unselected as f64)),
    ),
    metric(
        "kubedl_events_undecided_total",
        Counter,
        &["sink"],
        "Events on which the selection failed, and which the sink therefore got",
        sinks!(|sink| Some(sink.undecided as f64)),
    ),
    metric(
        "kubedl_events_retries_total",
        Counter,
        &["sink"],
        "Tries to deliver that were not the first",
        sinks!(|sink| Some(sink.retried as f64)),
    ),
    metric(
        "kubedl_events_dead_lettered_total",
        Counter,
        &["sink"],
        "Events that the sink will never store, and that became dead letters",
        sinks!(|sink| Some(sink.dead as f64)),
    ),
    metric(
        "kubedl_events_dead_letters",
        Gauge,
        &["sink"],
        "Dead letters that lie in the journal",
        sinks!(|sink| sink.dead_letters.map(|letters| letters as f64)),
    ),
    metric(
        "kubedl_events_held_back_events",
        Gauge,
        &["sink"],
        "Events that the sink does not store while it stores others, and that it tries again until --give-up-after; they count in no other gauge",
        sinks!(|sink| sink.held_back.map(|events| events as f64)),
    ),
    metric(
        "kubedl_events_unreadable_objects",
        Gauge,
        &[],
        "Objects that could not be read as events, and lie in the journal",
        journal!(|journal| journal
            .file
            .as_ref()
            .map(|file| file.unreadable_objects as f64)),
    ),
    metric(
        "kubedl_events_backlog_events",
        Gauge,
        &["sink"],
        "Events in the journal that the sink has still to get",
        sinks!(|sink| sink.backlog.map(|backlog| backlog as f64)),
    ),
    metric(
        "kubedl_events_lag_seconds",
        Gauge,
        &["sink"],
        "Seconds since the oldest of these was seen; 0: there is none",
        sinks!(|sink| sink.lag_seconds),
    ),
    metric(
        "kubedl_events_call_events",
        Histogram,
        &["sink"],
        "Events of each call of the sink",
        |status, put| {
            status
                .sinks
                .iter()
                .for_each(|sink| put(&[&sink.sink], Value::Counted(&sink.sizes)));
        },
    ),
    metric(
        "kubedl_events_call_duration_seconds",
        Histogram,
        &["sink"],
        "Seconds that each call of the sink took",
        |status, put| {
            status
                .sinks
                .iter()
                .for_each(|sink| put(&[&sink.sink], Value::Counted(&sink.times)));
        },
    ),
    // HTTP.
    metric(
        "kubedl_events_http_requests_total",
        Counter,
        &["sink", "result"],
        "Requests of the sink by the status of the answer, or why there was none: denied, invalid, too-large, dns, connect, tls, proxy, not-sent, timeout, interrupted, protocol, other",
        |status, put| {
            for sink in &status.sinks {
                sink.requests.iter().for_each(|(result, count)| {
                    put(&[&sink.sink, result], Value::Number(*count as f64))
                });
            }
        },
    ),
    metric(
        "kubedl_events_http_over_budget_total",
        Counter,
        &["sink"],
        "Requests that were not sent, since the sink had sent what its grant gives it for a minute",
        sinks!(|sink| Some(sink.over_budget as f64)),
    ),
    // The cage.
    metric(
        "kubedl_events_sink_instances_total",
        Counter,
        &["sink"],
        "Instances of the component that were opened",
        sinks!(|sink| Some(sink.instances as f64)),
    ),
    metric(
        "kubedl_events_sink_traps_total",
        Counter,
        &["sink"],
        "Calls that ended with a trap",
        sinks!(|sink| Some(sink.traps as f64)),
    ),
    metric(
        "kubedl_events_sink_timeouts_total",
        Counter,
        &["sink"],
        "Calls that were ended since their time was over",
        sinks!(|sink| Some(sink.timeouts as f64)),
    ),
    metric(
        "kubedl_events_sink_recycles_total",
        Counter,
        &["sink"],
        "Instances that were replaced since they had served for long or had grown",
        sinks!(|sink| Some(sink.recycles as f64)),
    ),
    metric(
        "kubedl_events_sink_memory_bytes",
        Gauge,
        &["sink"],
        "Bytes of memory of the instance that serves",
        sinks!(|sink| Some(sink.memory_bytes as f64)),
    ),
    metric(
        "kubedl_events_sink_memory_limit_bytes",
        Gauge,
        &["sink"],
        "Bytes of memory that it may have, by its grant",
        sinks!(|sink| Some(sink.memory_limit_bytes as f64)),
    ),
    metric(
        "kubedl_events_sink_reloads_total",
        Counter,
        &["sink", "result"],
        "Versions that took over (ok), or were refused",
        |status, put| {
            for sink in &status.sinks {
                put(&[&sink.sink, "ok"], Value::Number(sink.reloads as f64));
                put(
                    &[&sink.sink, "refused"],
                    Value::Number(sink.reloads_refused as f64),
                );
            }
        },
    ),
    // The journal.
    metric(
        "kubedl_events_journal_writable",
        Gauge,
        &[],
        "1 while events can be stored, 0 while the journal or the disk is full or fails",
        journal!(|journal| Some(flag(journal.trouble.is_none()))),
    ),
    metric(
        "kubedl_events_journal_size_bytes",
        Gauge,
        &[],
        "Bytes in use of the data folder: rows, write-ahead log, reserve, compiled and kept sinks, damaged files that were set aside",
        journal!(|journal| journal.file.as_ref().map(|file| file.size_bytes as f64)),
    ),
    metric(
        "kubedl_events_journal_limit_bytes",
        Gauge,
        &[],
        "The most bytes that the data folder may take (--max-size)",
        journal!(|journal| journal.limit_bytes.map(|limit| limit as f64)),
    ),
    metric(
        "kubedl_events_journal_full_in_seconds",
        Gauge,
        &[],
        "Seconds until events that are not delivered fill the journal, by the last half an hour; absent while they don't get more",
        journal!(|journal| journal.file.as_ref()?.full_in_seconds),
    ),
    metric(
        "kubedl_events_journal_commits_total",
        Counter,
        &[],
        "Transactions",
        journal!(|journal| Some(journal.commits as f64)),
    ),
    metric(
        "kubedl_events_journal_salvages_total",
        Counter,
        &[],
        "Damaged files that were replaced by what could be read of them",
        journal!(|journal| Some(journal.salvaged as f64)),
    ),
];
