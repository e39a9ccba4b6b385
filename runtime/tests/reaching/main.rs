//! Does it reach a cluster in each way that kubectl does, and say what is wrong where it does not?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod answers;
mod api;
mod control_socket;
mod kubeconfigs;
mod names;
mod plugins;
mod proxies;
mod run;
