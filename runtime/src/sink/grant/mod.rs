//! What a sink may reach: written down by the operator, read once into a value. Nothing written
//! means nothing granted.
//!
//! ```yaml
//! env:
//!   SLS_ENDPOINT: {from: SLS_ENDPOINT, secret: false}   # a variable of the host process
//!   SLS_KEY_SECRET: {file: /etc/sls/secret}             # the content of a file, without its last line end
//!   SLS_REGION: {value: cn-hangzhou}                    # a literal
//!   SLS_SECURITY_TOKEN: {from: SLS_SECURITY_TOKEN, optional: true}
//! http:
//!   - https://${SLS_PROJECT}.${SLS_ENDPOINT}            # see `egress/host_pattern.rs`
//! stdout: inherit                                      # the process's own; by default its lines go to the log
//! tls: {client-certificate: {cert: /etc/tls/tls.crt, key: /etc/tls/tls.key}}   # shown to destinations that ask for one; the sink never sees it
//! limits: {memory: 64MiB, call: 60s, batch-events: 4096, batch-bytes: 3MiB, http-width: 8}
//! ```
//!
//! All values but literals are secret unless the grant says otherwise. An empty variable counts as
//! absent, since a Kubernetes manifest can't leave one out.

mod certificate;
mod destinations;
mod document;
mod error;
mod limits;
mod name;
mod network_policy;
mod resolved;
mod source;
mod variable;
pub mod wish;

pub use super::egress::{Authority, HostPattern, Private, Scheme};
pub use document::{Document, schema};
pub use error::Error;
pub use limits::Limits;
pub use resolved::Grant;
pub use source::Environment;
pub use variable::Variable;
