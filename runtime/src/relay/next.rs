//! What comes after an answer.

use std::time::Duration;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the front part after this wait.
    Send {
        /// How long.
        after: Duration,
    },
    /// Send another event by itself; [`Work::probed`](super::Work::probed) takes in whether it is stored. Then send the
    /// front part.
    Probe {
        /// How long the front part waits.
        after: Duration,
        /// Before that wait: what is stored a moment after the front part was not shows more, and
        /// comes before it in fewer cases. After it where the destination has asked for the wait.
        at_once: bool,
        /// Which event.
        among: Among,
    },
    /// Everything is stored or given up: acknowledge.
    Acknowledge,
    /// The sink is to blame: acknowledge up to `through`, wait, and read again from there.
    Stall {
        /// How long.
        after: Duration,
        /// Why, for people.
        reason: String,
    },
}

/// What a probe is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The first events of other objects than those of the front part, so that no object's events
    /// change places.
    OtherObjects,
    /// All events.
    AllObjects,
}
