//! What the tests, the demo and the benches of kubedl-events start.
//!
//! # Layout
//! - [`sls`]: a strict server of Aliyun Simple Log Service (SLS), for a service that can't be
//!   reached from a test.
//! - [`fake_api`]: an API server that misbehaves as a test says.
//! - [`apiserver`]: a real kube-apiserver (Go program in `apiserver/`), started as a process of its
//!   own; [`life`] plays a job on it.
//! - [`stage`]: both, with a folder for the program's own files.
//! - [`deploy`]: the manifests of `deploy/`, by kubectl and helm.
//! - [`node`]: a real node of Kubernetes, for tests of the image and the manifests.
//! - [`volume`]: a ConfigMap or Secret volume, as the kubelet writes it.
//! - [`web`]: a web server with answers that a client must bear, also over TLS; [`connect_proxy`]:
//!   an HTTP proxy on the way to it.
//! - [`hook`]: a web hook that keeps what it gets; [`graphite`]: a real graphite-web.
//! - [`small_disk`]: a disk that can be filled.
//! - [`scrape`]: what the program says about itself, metrics and probes.
//! - [`chaos`]: faults of every kind, and whether all events arrived nevertheless.
//! - `sls-sdk-check/`: the vendor's own clients, run against [`sls`] to prove that it is right.

pub mod apiserver;
pub mod chaos;
pub mod connect_proxy;
pub mod deploy;
pub mod fake_api;
pub mod forward_proxy;
pub mod graphite;
pub mod hook;
pub mod life;
pub mod load;
pub mod node;
pub mod program;
pub mod proxy;
pub mod scrape;
pub mod sls;
pub mod small_disk;
pub mod stage;
pub mod volume;
pub mod web;

/// A folder in memory where there is one, for the files of servers whose disk is not what a test is
/// about.
#[must_use]
pub fn memory_folder() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}
