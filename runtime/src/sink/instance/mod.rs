//! Instances of a component: what one reaches, what it says, how it is called, and when another
//! takes its place.

mod call;
mod clock;
mod conditions;
mod guest;
mod host;
mod output;
mod rate;
mod runner;
mod wear;

pub(super) use clock::start as start_clock;
pub use conditions::Conditions;
pub(super) use guest::{Instance, fresh};
pub(super) use host::{Host, store};
pub(super) use output::Voice;
pub use output::{Ear, Target};
pub use runner::Sink;
