//! 5. Journal -> destination, with patience: batching, back-off, isolation of bad events.
//!
//! What to do after each answer is decided by [`step`], a pure function; [`run`] only reads, sends,
//! waits and acknowledges as it says. The relay doesn't know wasm: a [`Destination`] is anything
//! that saves events.

mod acknowledge;
mod destination;
mod error;
mod gather;
mod histogram;
mod item;
mod letters;
mod next;
mod open;
mod options;
mod policy;
mod probe;
mod progress;
mod reading;
mod rounds;
mod run;
mod sending;
mod step;
mod work;

pub use destination::{Attempt, Cause, Destination, Failure, Limits, Outcome};
pub use error::Error;
pub use histogram::{Counted, Histogram};
pub use item::Item;
pub use next::{Among, Next};
pub use open::open;
pub use options::Options;
pub use policy::Policy;
pub use progress::{Progress, State};
pub use run::run;
pub use step::step;
pub use work::{Part, Probe, Work};
