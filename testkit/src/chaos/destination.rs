//! The sinks of the program, and the SLS server that each of them speaks to.

use std::fs;
use std::io;
use std::path::Path;

use crate::program::{Start, sinks};
use crate::sls;

use super::follow::Follow;

/// The component, and the instance that has its name.
const COMPONENT: &str = "aliyun-sls";
/// The names of the sinks: two instances of one component.
pub(super) const SINKS: [&str; 2] = [COMPONENT, "late"];
/// A call of the sink may take so long here, where a destination that hangs is to be noticed soon.
const CALL: &str = "call: 6s";

/// One sink's destination, and what has arrived there.
pub(super) struct Destination {
    pub sink: &'static str,
    pub sls: sls::Server,
    known: sls::Options,
    pub follow: Follow,
}

impl Destination {
    /// Starts the server, with a project and keys of its own, so that what comes to the wrong one
    /// is refused.
    pub fn start(sink: &'static str) -> io::Result<Self> {
        let usual = sls::Options::default();
        let known = sls::Options {
            project: format!("{}-{sink}", usual.project),
            access_key_id: format!("{}-{sink}", usual.access_key_id),
            access_key_secret: format!("{}-{sink}", usual.access_key_secret),
            ..usual
        };
        Ok(Self {
            sink,
            sls: sls::Server::start(known.clone())?,
            known,
            follow: Follow::default(),
        })
    }

    /// Writes the shipped grant with a shorter call, and with variables of its own.
    pub fn write_grant(&self, folder: &Path) -> io::Result<()> {
        let shipped = sinks().join(format!("{COMPONENT}.yaml"));
        let text = fs::read_to_string(&shipped).map_err(|why| {
            io::Error::other(format!(
                "{}: {why}. Run `cargo xtask sinks`",
                shipped.display()
            ))
        })?;
        let changed = text
            .replace("call: 60s", CALL)
            .replace("from: SLS_", &format!("from: {}", self.variable("")));
        if !changed.contains(CALL) || !changed.contains(&self.variable("ENDPOINT")) {
            return Err(io::Error::other(format!(
                "{} does not say \"call: 60s\" and \"from: SLS_ENDPOINT\", which are to be changed here",
                shipped.display()
            )));
        }
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{}.yaml", self.sink)), changed)
    }

    /// The sink and its variables on a command line.
    pub fn on(&self, start: Start) -> Start {
        let storage = if self.sink == COMPONENT {
            COMPONENT.to_owned()
        } else {
            format!("{}={COMPONENT}", self.sink)
        };
        let start = start
            .with("--event-storage", storage)
            .env(&self.variable("ENDPOINT"), self.sls.endpoint());
        let start = start
            .env(&self.variable("KEY_ID"), &self.known.access_key_id)
            .env(&self.variable("KEY_SECRET"), &self.known.access_key_secret);
        start
            .env(&self.variable("PROJECT"), &self.known.project)
            .env(&self.variable("LOG_STORE"), &self.known.log_store)
    }

    fn variable(&self, name: &str) -> String {
        format!("{}_SLS_{name}", self.sink.replace('-', "_").to_uppercase())
    }

    /// Writes left without an answer so far.
    pub fn unanswered(&self) -> u64 {
        self.sls
            .requests()
            .iter()
            .filter(|request| request.is_write && request.status.is_none())
            .count() as u64
    }
}
