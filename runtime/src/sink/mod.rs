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
mod artifact;
mod bindings;
mod blueprint;
mod call;
mod clock;
mod compile;
mod conditions;
mod contract;
mod describe;
mod description;
mod digest;
mod engine;
mod error;
mod fault;
pub mod grant;
mod guest;
mod host;
pub mod http;
mod link;
pub mod loading;
mod outline;
mod output;
mod rate;
mod redact;
mod runner;
mod slot;
mod stats;
mod term;
mod version;
mod wear;

pub use account::Exchange;
pub use artifact::Artifact;
pub use blueprint::Blueprint;
pub use compile::{Compiler, child, container_memory};
pub use conditions::Conditions;
pub use contract::CONTRACT;
pub use description::{Description, EnvVar};
pub use digest::Digest;
pub use engine::Engine;
pub use error::Error;
pub use loading::{Directories, Found, find};
pub use outline::Outline;
pub use output::{Ear, Target};
pub use redact::{redacted, words};
pub use runner::Sink;
pub use slot::{Opened, Slot};
pub use stats::Stats;
pub use term::Term;
pub use version::Version;
