//! What a server is started with.

use std::path::PathBuf;

use super::Limits;

/// The one project, log store and key that a [`Server`](super::Server) knows.
#[derive(Clone, Debug)]
pub struct Options {
    /// The project: the first label of the host that clients must use.
    pub project: String,
    /// The one log store of the project.
    pub log_store: String,
    /// The one access key id that is known.
    pub access_key_id: String,
    /// Its secret.
    pub access_key_secret: String,
    /// The region that signatures of version 4 must be made for; without one, version 4 is refused.
    pub region: Option<String>,
    /// With a token, the key is a temporary one: every request must carry exactly this token.
    pub security_token: Option<String>,
    /// Limits of one write.
    pub limits: Limits,
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Other names of the endpoint (`cn-hangzhou.log.aliyuncs.com`) for clients that resolve them
    /// to this server.
    pub other_hosts: Vec<String>,
    /// A file that gets a JSON line for each stored log, at once.
    pub dump: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            project: "kubedl-test".into(),
            log_store: "events".into(),
            access_key_id: "testkit-key-id".into(),
            access_key_secret: "testkit-key-secret".into(),
            region: None,
            security_token: None,
            limits: Limits::default(),
            port: 0,
            other_hosts: Vec::new(),
            dump: None,
        }
    }
}
