//! Whether the SDK is what the contract and its pages say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Is the contract in wit/ the one of the repository?
mod contract;
// Is an event as JSON what every language says it is?
mod json;
// Is the sink that the README shows the one that is compiled?
mod readme;
// Does `template.list` name all that a new project needs?
mod template;
