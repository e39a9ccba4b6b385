//! `kubedl-events`: keeps Kubernetes events by passing every one of them to a WebAssembly-sandboxed
//! sink.
//!
//! # Layout
//!
//! Below all of them [`shown`]: foreign text, as people see it.
//!
//! The stages, in the order in which an event visits them. A stage imports only stages above it;
//! `tests/repository/layers.rs` holds the code to that. See `ARCHITECTURE.md`.
//!
//! Then what looks on ([`telemetry`]), what runs the stages ([`service`]), what judges a sink
//! without a cluster ([`workbench`]), and the command line ([`cli`]), each above those before it.

#[macro_use]
pub mod shown;

pub mod cluster;
pub mod event;
pub mod filter;
pub mod journal;
pub mod relay;
pub mod sink;

pub mod telemetry;

pub mod service;
pub mod workbench;

pub mod cli;
