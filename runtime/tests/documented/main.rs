//! Do the commands that pages show exist, with the flags that they show, and do they do what they
//! are shown for?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by a panic, and says what it did not run"
)]

mod on_a_node;
mod pages;
mod runs;
mod shell;
mod understood;
