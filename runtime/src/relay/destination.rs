//! What the relay delivers to: anything that saves events, and how it answers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::item::Item;

/// How much a destination takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events a batch, at least 1.
    pub events: usize,
    /// Bytes of the events' JSON a batch; a single event may be larger.
    pub bytes: usize,
}

/// About one try to save events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// 0 at the first.
    pub number: u32,
    /// A try before may have stored some of them.
    pub maybe_sent: bool,
}

/// One event that a destination did not store, though it stored others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Place in the list that was given.
    pub index: usize,
    /// Whether another try may help.
    pub retryable: bool,
    /// Not earlier than this from now.
    pub after: Option<Duration>,
    /// The destination's words.
    pub reason: String,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All are stored but these.
    Stored(Vec<Failure>),
    /// Nothing is known to be stored; the same again, not earlier than `after` from now.
    Retry {
        /// The destination's words.
        reason: String,
        /// The wait that it asks for.
        after: Option<Duration>,
    },
    /// Nothing was stored, and never will be as a whole.
    Refused {
        /// The destination's words.
        reason: String,
    },
    /// A person must mend something.
    Misconfigured {
        /// The destination's words.
        reason: String,
    },
    /// The destination broke off. A fresh one serves the next try.
    Broken {
        /// What happened.
        reason: String,
        /// Whether it may have stored some before.
        maybe_sent: bool,
        /// Whose fault it is.
        cause: Cause,
        /// Not earlier than so long from now: a sink that computes until it is ended, again and
        /// again, is to rest.
        after: Option<Duration>,
    },
}

/// Why a destination broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The sink's own doing: a trap, time used up by computing, an answer that makes no sense. An
    /// event may be to blame.
    Sink,
    /// Time ran out while it waited for what lies behind it. No event is to blame.
    Waiting,
}

/// Something that saves events. Ok of a save means stored: there is no later flush.
pub trait Destination {
    /// How much it takes at once.
    fn limits(&self) -> Limits;

    /// Makes it ready; `Stored` with no failures is success.
    fn open(&mut self) -> impl Future<Output = Outcome>;

    /// Saves events, in this order where the destination has one.
    fn save(&mut self, attempt: Attempt, items: &[Arc<Item>]) -> impl Future<Output = Outcome>;

    /// The last call.
    fn close(&mut self) -> impl Future<Output = ()>;
}
