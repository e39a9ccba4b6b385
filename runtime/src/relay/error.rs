//! Why a relay can't start, or can't go on.

use std::fmt;

use crate::journal;

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
    Journal(journal::Error),
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
