//! Does what reads foreign text hold for every text, not only for those that somebody thought of?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod grant;
mod normalization;
mod pattern;
mod recording;
