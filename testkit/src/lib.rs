//! What the tests, the demo and the benches of kubedl-events start.
//!
//! # Layout
//! - [`sls`]: a strict server of Aliyun Simple Log Service (SLS), for a service that can't be reached from a test.
//! - [`apiserver`]: a real kube-apiserver (Go program in `apiserver/`), started as a process of its own; [`life`] plays a job on it.
//! - `sls-sdk-check/`: the vendor's own clients, run against [`sls`] to prove that it is right.

pub mod apiserver;
pub mod life;
pub mod load;
pub mod program;
pub mod sls;
