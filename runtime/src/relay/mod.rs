//! 5. Journal -> destination, with patience: batching, back-off, isolation of bad events.
//!
//! What to do after each answer is decided by [`step`], a pure function; [`run`] only reads, sends,
//! waits and acknowledges as it says. The relay doesn't know wasm: a [`Destination`] is anything
//! that saves events.

mod gather;
mod histogram;
mod item;
mod letters;
mod policy;
mod probe;
mod progress;
mod reading;
mod run;
mod step;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use histogram::{Counted, Histogram};
pub use item::Item;
pub use policy::Policy;
pub use progress::{Progress, State};
pub use run::{Options, open, run};
pub use step::{Among, Next, Part, Probe, Work, step};

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

/// Why a relay can't start, or can't go on.
#[derive(Debug)]
pub enum Error {
    /// The destination can't be opened, and waiting won't heal it.
    NotOpened {
        /// The sink's name.
        sink: String,
        /// The destination's words.
        reason: String,
    },
    /// The journal failed in a way that trying again did not heal.
    Journal(crate::journal::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpened { sink, reason } => write!(f, "the sink {sink} can't start: {reason}"),
            Self::Journal(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for Error {}
