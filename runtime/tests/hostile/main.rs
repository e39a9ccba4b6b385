//! What hostile sinks try, and how each try ends. SECURITY.md's table is made of the two lines above each test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod loading;
