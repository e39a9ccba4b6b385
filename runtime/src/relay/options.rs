//! How a relay works.

use std::time::{Duration, SystemTime};

use crate::event;
use crate::filter::Select;

use super::policy::Policy;

/// How a relay works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of the sink's instance: the key of its cursor.
    pub sink: String,
    /// Patience.
    pub policy: Policy,
    /// How long a batch in flight is waited for after the stop.
    pub grace: Duration,
    /// What goes into every event.
    pub event: event::Options,
    /// Which events the sink gets; without one, all.
    pub select: Option<Select>,
    /// A number from 0 to 1, another one each time: the jitter of waits.
    pub spread: fn() -> f64,
    /// The clock, which is the journal's.
    pub now: fn() -> SystemTime,
}
