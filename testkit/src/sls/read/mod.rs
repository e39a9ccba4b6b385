//! Reading back: which logs a request wants, and the three forms of the answer.

mod answer;
mod record;

pub(super) use answer::{histograms, logs_v1, logs_v3};

use super::StoredLog;
use super::call::Call;
use super::query::Query;
use super::refusal::Refusal;
use super::store::Store;

/// No page is longer: doc "GetLogs".
const MAX_LINES: usize = 100;

/// What all three calls have in common.
struct Selection {
    /// Unix seconds, inclusive.
    from: i64,
    /// Unix seconds, exclusive.
    to: i64,
    topic: String,
    query: Query,
}

impl Selection {
    fn new(from: i64, to: i64, topic: &str, query: &str) -> Result<Self, Refusal> {
        if from > to {
            return Err(Refusal::bad(
                "InvalidTimeRange",
                format!("from {from} is after to {to}."),
            ));
        }
        let query = Query::parse(query)
            .map_err(|cause| Refusal::bad("InvalidQueryString", cause.to_string()))?;
        Ok(Self {
            from,
            to,
            topic: topic.to_owned(),
            query,
        })
    }

    fn of_params(call: &Call) -> Result<Self, Refusal> {
        let (from, to) = (number_param(call, "from")?, number_param(call, "to")?);
        Self::new(
            from,
            to,
            call.param("topic").unwrap_or_default(),
            call.param("query").unwrap_or_default(),
        )
    }

    /// The chosen logs by time, those of one second by arrival.
    fn find(&self, store: &Store) -> Vec<StoredLog> {
        let mut found = store.logs(|log| {
            let time = i64::from(log.time);
            let is_in_time = self.from <= time && time < self.to;
            is_in_time
                && (self.topic.is_empty() || self.topic == log.topic)
                && self.query.finds(log)
        });
        found.sort_by_key(|log| (log.time, log.time_ns.unwrap_or(0)));
        found
    }
}

/// One page of a selection.
struct Page {
    offset: usize,
    lines: usize,
    reverse: bool,
}

impl Page {
    fn new(offset: i64, lines: i64, reverse: bool) -> Result<Self, Refusal> {
        let offset = usize::try_from(offset).map_err(|_| {
            Refusal::bad("InvalidOffset", format!("The offset {offset} is below 0."))
        })?;
        let lines = usize::try_from(lines)
            .ok()
            .filter(|lines| *lines <= MAX_LINES);
        let lines = lines.ok_or_else(|| {
            Refusal::bad(
                "InvalidLine",
                format!("line must be from 0 to {MAX_LINES}."),
            )
        })?;
        Ok(Self {
            offset,
            lines,
            reverse,
        })
    }

    fn cut(&self, mut found: Vec<StoredLog>) -> Vec<StoredLog> {
        if self.reverse {
            found.reverse();
        }
        found
            .into_iter()
            .skip(self.offset)
            .take(self.lines)
            .collect()
    }
}

fn number_param(call: &Call, name: &str) -> Result<i64, Refusal> {
    let text = call.param(name).unwrap_or_default();
    text.parse().map_err(|_| {
        Refusal::bad(
            "ParameterInvalid",
            format!("{name} is {text:?}, which is no number."),
        )
    })
}
