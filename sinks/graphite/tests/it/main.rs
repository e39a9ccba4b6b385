//! What the sink does with events and answers, by its code alone, without wasm and without a network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Is an event in Graphite what it should be, and what Graphite can store and find?
mod annotations;
// Settings, credentials, and what Graphite's answers mean.
mod answers;
// Is an event stored once, though a try before may have stored it?
mod fixture;
mod looking;
