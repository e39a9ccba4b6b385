//! What the sink does with events and answers, by its code alone, without wasm and without a network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// What does each answer of SLS, of a proxy or of the host mean?
mod answers;
// Does an event that SLS never takes cost itself alone?
mod bad_events;
// Can an independent protobuf decoder read what is sent?
mod encoding;
// Which settings does the sink accept, and what does it say of the others?
mod environment;
// Which events share a request?
mod grouping;
// Does KubeDL's own reader find what it wants in a log?
mod kubedl_keys;
// Is a log's own time one that SLS takes?
mod log_time;
// What does the host learn when a part of a call is stored?
mod partial_failures;
// Can a secret get into anything that is shown?
mod secrets;
// Do the signatures equal those of the vendor's SDK?
mod signatures;
// Does the sink work on a machine whose clock is wrong?
mod fixture;
mod wrong_clock;
