//! 6. The cage around a component: bindings, grant, limits, HTTP gate, folders and reload.
//!
//! A [`Blueprint`] is a component that was compiled, described itself, and fits the contract. A
//! [`Version`] is a blueprint with a grant. A [`Sink`] makes instances of a version, gives each a
//! fresh store, and discards one that traps or runs out of time. Another version comes to it
//! through its [`Slot`], opened, and takes over between batches. It is a
//! [`Destination`](crate::relay::Destination) for the relay, which knows nothing of wasm.
//!
//! What a guest reaches: the events it is given, its granted environment, clocks, randomness, its
//! log (stdout and stderr), and HTTP through the gate. WASI 0.2 is linked whole, since guests
//! import much that they never use, but it is empty: no folders, no sockets, no names.

mod account;
mod component;
mod egress;
mod error;
pub mod grant;
pub mod http;
mod instance;
pub mod loading;
mod redact;
mod stats;
mod term;

pub use account::Exchange;
pub use component::{
    Artifact, Blueprint, CONTRACT, Compiler, Description, Digest, Engine, EnvVar, Outline, child,
    container_memory,
};
pub use error::Error;
pub use instance::{Conditions, Ear, Sink, Target};
pub use loading::{Directories, Found, Opened, Slot, Version, find};
pub use redact::{redacted, words};
pub use stats::Stats;
pub use term::Term;
