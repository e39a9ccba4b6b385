//! From a component to code that runs, and to what is known of it: by a child process without
//! rights, once for each component.
//!
//! Whoever takes foreign bytes apart, compiles them or lets them describe themselves can need any
//! amount of time and memory, and has most to lose by a fault of its own. So that is a process of
//! its own ([`child`], and [`inside`] for its side): what it uses is bounded, what it can reach is
//! its own memory, and what it leaves is gone with it. The result is kept in a private folder
//! ([`Cache`]).

mod cache;
pub mod child;
mod compiled;
mod compiler;
mod container;
mod inside;
mod look;
mod refusal;
mod report;
mod settings;

pub(super) use cache::Cache;
pub(super) use compiled::{Compiled, compile};
pub use compiler::Compiler;
pub use container::memory as container_memory;
pub(super) use refusal::Refusal;
pub(super) use report::Report;
pub(super) use settings::settings;
