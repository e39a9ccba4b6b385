//! Whether the pages, the tables and the layers of this repository are true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

// Is what is generated into pages and files up to date?
mod generated_tables;
// Does every stage import only stages to its left?
mod layers;
// Do dashboard and alerts speak of metrics that are there, and of runbooks that are written?
mod monitoring;
// Is the page of each shipped sink what the sink says of itself and its grant gives it?
mod sink_pages;
// Does the component of `aliyun-sls` fit a ConfigMap with room?
mod size;

/// The program that is tried.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
