//! The contract between this host and its sinks.

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "0.1.0";
