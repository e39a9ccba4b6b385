//! What the sink writes, by its code alone, without wasm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Is each event one line of JSON with the keys that the README names?
mod lines;
