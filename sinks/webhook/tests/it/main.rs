//! What the sink does with events and answers, by its code alone, without wasm and without a network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Does it take an answer for what the receiver means?
mod answers;
// What goes out in each mode and layout?
mod modes;
// Which settings are taken, and what is said about the others?
mod settings;
// Are signatures those that receivers compute?
mod fixture;
mod signatures;
