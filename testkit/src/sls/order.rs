//! What a test orders to go wrong.
//!
//! Orders concern writes only: reading back always works. Each write passes the standing orders
//! from the oldest on; delays, a skewed clock and refused logs add up, while of the faults that
//! decide the answer (an error, a page, a cut connection) only the oldest is used, so that ordered
//! errors come one after another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::wire::Log;

/// A fault, and how many writes it concerns.
///
/// As JSON: `{"fault": {"answer": {"status": 503, "code": "ServerBusy", "message": "Busy."}},
/// "times": 2}`; without `times`, until cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What happens.
    pub fault: Fault,
    /// To how many writes; `None` until cleared. Only writes to which it happened are counted.
    #[serde(default)]
    pub times: Option<u32>,
}

/// What can be ordered to happen to a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is checked or stored; the answer is this error.
    Answer {
        /// The HTTP status.
        status: u16,
        /// `errorCode`.
        code: String,
        /// `errorMessage`.
        message: String,
        /// More headers, such as `Retry-After`.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Nothing is checked or stored; the answer is a page, as a proxy in between would send.
    Page {
        /// The HTTP status.
        status: u16,
        /// The body, sent as `text/html`.
        html: String,
    },
    /// The connection is closed before the body is read.
    CutBeforeReading,
    /// The write is checked and stored as ever, but the connection is closed in place of an answer.
    LoseAnswer,
    /// The write is checked and stored as ever, but the connection is closed in the middle of the
    /// answer: after the headers, which promise a longer body, and a piece of it.
    BreakAnswer,
    /// The write is looked at only after a while; nothing is stored if the client has gone by then.
    Delay {
        /// How long.
        milliseconds: u64,
    },
    /// The write is checked and stored at once, but answered only after a while.
    DelayAnswer {
        /// How long.
        milliseconds: u64,
    },
    /// The server's clock is off: dates, the window of log times, and the answer's `Date`.
    SkewClock {
        /// How much it is fast; negative if slow.
        seconds: i64,
    },
    /// A group with a log that has this key and value is refused whole, as if that log were bad.
    RefuseLogsWith {
        /// The key.
        key: String,
        /// Its whole value.
        value: String,
    },
}

impl Order {
    /// This fault, until cleared.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { fault, times: None }
    }

    /// An error in the words of the service.
    #[must_use]
    pub fn answer(status: u16, code: &str, message: &str) -> Self {
        Self::new(Fault::Answer {
            status,
            code: code.into(),
            message: message.into(),
            headers: Vec::new(),
        })
    }

    /// A proxy's `502 Bad Gateway` in HTML.
    #[must_use]
    pub fn bad_gateway() -> Self {
        let html = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n";
        Self::new(Fault::Page {
            status: 502,
            html: html.into(),
        })
    }

    /// See [`Fault::CutBeforeReading`].
    #[must_use]
    pub fn cut_before_reading() -> Self {
        Self::new(Fault::CutBeforeReading)
    }

    /// See [`Fault::LoseAnswer`].
    #[must_use]
    pub fn lose_answer() -> Self {
        Self::new(Fault::LoseAnswer)
    }

    /// See [`Fault::BreakAnswer`].
    #[must_use]
    pub fn break_answer() -> Self {
        Self::new(Fault::BreakAnswer)
    }

    /// See [`Fault::Delay`].
    #[must_use]
    pub fn delay(wait: Duration) -> Self {
        Self::new(Fault::Delay {
            milliseconds: whole_milliseconds(wait),
        })
    }

    /// See [`Fault::DelayAnswer`].
    #[must_use]
    pub fn delay_answer(wait: Duration) -> Self {
        Self::new(Fault::DelayAnswer {
            milliseconds: whole_milliseconds(wait),
        })
    }

    /// See [`Fault::SkewClock`].
    #[must_use]
    pub fn skew_clock(seconds: i64) -> Self {
        Self::new(Fault::SkewClock { seconds })
    }

    /// See [`Fault::RefuseLogsWith`].
    #[must_use]
    pub fn refuse_logs_with(key: &str, value: &str) -> Self {
        Self::new(Fault::RefuseLogsWith {
            key: key.into(),
            value: value.into(),
        })
    }

    /// Adds a header to an [`answer`](Self::answer); other faults have none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Fault::Answer { headers, .. } = &mut self.fault {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Only the next so many writes.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

fn whole_milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// What the standing orders mean for one write.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) clock_offset_seconds: i64,
    pub(crate) delay: Duration,
    pub(crate) delay_answer: Duration,
    /// One of the faults that decide the answer.
    pub(crate) ending: Option<Fault>,
}

/// The orders that stand, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Orders(Vec<Order>);

impl Orders {
    pub(crate) fn add(&mut self, order: Order) {
        self.0.push(order);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The plan for the next write; counts it.
    pub(crate) fn plan(&mut self) -> Plan {
        let mut plan = Plan::default();
        self.0.retain_mut(|order| {
            match &order.fault {
                Fault::RefuseLogsWith { .. } => return true,
                Fault::Delay { milliseconds } => plan.delay += Duration::from_millis(*milliseconds),
                Fault::DelayAnswer { milliseconds } => {
                    plan.delay_answer += Duration::from_millis(*milliseconds)
                }
                Fault::SkewClock { seconds } => plan.clock_offset_seconds += seconds,
                _ if plan.ending.is_some() => return true,
                ending => plan.ending = Some(ending.clone()),
            }
            use_once(order)
        });
        plan
    }

    /// The key and value for which this write is refused, if any; counts it.
    pub(crate) fn refused(&mut self, logs: &[Log]) -> Option<(String, String)> {
        let is_hit = |order: &Order| match &order.fault {
            Fault::RefuseLogsWith { key, value } => logs
                .iter()
                .any(|log| log.contents.iter().any(|(k, v)| k == key && v == value)),
            _ => false,
        };
        let position = self.0.iter().position(is_hit)?;
        let order = self.0.get_mut(position)?;
        let Fault::RefuseLogsWith { key, value } = order.fault.clone() else {
            return None;
        };
        if !use_once(order) {
            self.0.remove(position);
        }
        Some((key, value))
    }
}

/// Counts one use; false when it was the last.
fn use_once(order: &mut Order) -> bool {
    match &mut order.times {
        None => true,
        Some(times) => {
            *times = times.saturating_sub(1);
            *times > 0
        }
    }
}
