//! A component: its bytes, what it is by its outline, its code, and what it says of itself.

mod artifact;
pub(super) mod bindings;
mod blueprint;
mod compile;
mod contract;
mod describe;
mod description;
mod digest;
mod engine;
mod fault;
mod link;
mod outline;

pub use artifact::Artifact;
pub use blueprint::Blueprint;
pub use compile::{Compiler, child, container_memory};
pub use contract::CONTRACT;
pub use description::{Description, EnvVar};
pub use digest::Digest;
pub use engine::Engine;
pub(super) use fault::cause;
pub use outline::Outline;
