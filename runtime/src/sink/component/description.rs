//! What a sink says of itself. Pure.

use serde::{Deserialize, Serialize};

/// A variable that a sink says it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub help: String,
    /// Whether the sink can't be opened without it.
    pub required: bool,
    /// Whether its value must not be shown.
    pub secret: bool,
}

/// What a sink says of itself: wishes, no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// Variables.
    pub env: Vec<EnvVar>,
    /// Destinations in the form of a grant.
    pub hosts: Vec<String>,
    /// Events a batch; 0 for no wish.
    pub batch_events: u32,
    /// Bytes a batch; 0 for no wish.
    pub batch_bytes: u64,
}
