//! Do the promises hold when a second thing joins: a second sink or scope, a new disk, a look-up
//! that hangs, a salvage, a small limit?
//!
//! The real program, with a real API server or one that misbehaves, and web hooks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test fails by a panic"
)]

mod foreign_names;
mod giving_up;
mod new_disk;
mod rest_of_a_disk;
mod salvage;
mod scopes;
mod size;
mod stopping;
mod watching;
mod world;
