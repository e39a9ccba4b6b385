//! HTTP for guests: one gate a sink, which judges every request by the sink's grant before it is
//! sent.
//!
//! Redirects are not followed, no proxy is taken from the environment, nothing is decompressed. The
//! name is judged first, then the address that is connected to.

mod address;
mod budget;
mod gate;
mod headers;
mod identity;
mod message;
pub mod network;
mod resolver;
mod script;
mod skew;
mod url;

pub(in crate::sink) use address::{closed, is_own_name};
pub use gate::Gate;
pub use identity::Identity;
pub use message::{Error, Request, Response};
pub use network::{Network, Tap};
pub(in crate::sink) use resolver::is_local;
pub use script::{Answer, Play, Script, Sent};

/// Targets in the log of the libraries that carry requests. What they say below a warning may have
/// headers and addresses in it that a sink made of its secrets.
pub const CARRIERS: [&str; 3] = ["ureq", "ureq_proto", "rustls"];
