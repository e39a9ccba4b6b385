//! What needs root and container tools: each of these starts a node or a container, and is run by
//! `cargo xtask test --cluster` alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by a panic"
)]

// Does the image run as a cluster runs it: not as root, without rights, on a root that can't be
// written?
mod image;
// The life of an installation on a real node:
mod on_a_node;

/// The program that is tried.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
