//! HTTP for guests: one gate a sink, which judges every request by the sink's grant before it is
//! sent.
//!
//! Redirects are not followed, no proxy is taken from the environment, nothing is decompressed. The
//! name is judged first, then the address that is connected to.

mod answer;
mod budget;
mod connections;
mod failure;
mod gate;
mod headers;
mod identity;
mod message;
pub mod network;
mod resolver;
mod script;
mod skew;
mod url;

pub use connections::CARRIERS;
pub use gate::Gate;
pub use identity::Identity;
pub use message::{Error, Request, Response};
pub use network::{Network, Tap};
pub use script::{Answer, Play, Script, Sent};
