//! What a test of the whole program needs: a cluster, an SLS server, and a folder for the rest.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apiserver::{ApiServer, client};
use crate::life::Life;
use crate::program::{Program, Start};
use crate::sls;

/// A real API server and an SLS server. What they and the program write lies in `folder`, and ends
/// with it.
pub struct Stage {
    /// Where everything lies; the program's data in `data`.
    pub folder: tempfile::TempDir,
    /// The cluster.
    pub server: ApiServer,
    /// The destination.
    pub sls: sls::Server,
    program: PathBuf,
}

impl Stage {
    /// For the built program, with its files on the disk or in memory ([`crate::memory_folder`]).
    ///
    /// # Errors
    /// When the API server or the SLS server can't be started.
    pub fn set(program: &str, place: &Path) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(place)?;
        let server = ApiServer::start(&folder.path().join("cluster"), &[])?;
        Ok(Self {
            folder,
            server,
            sls: sls::Server::start(sls::Options::default())?,
            program: PathBuf::from(program),
        })
    }

    /// The program, to deliver this cluster's events to this SLS server.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start_in(self.folder.path(), &self.server.kubeconfig)
    }

    /// Like [`Stage::start`], with a data folder in another folder, and another way to the cluster.
    #[must_use]
    pub fn start_in(&self, folder: &Path, kubeconfig: &Path) -> Start {
        Start::new(&self.program, folder, "log")
            .to_sls(&self.sls)
            .with("--kubeconfig", kubeconfig)
    }

    /// The program at work: it has begun to watch.
    ///
    /// # Errors
    /// When it does not begin in time, with its log.
    pub fn program(&self, patience: Duration) -> io::Result<Program> {
        let mut program = self.start().start()?;
        program.wait_for_log("Watching events.", patience)?;
        Ok(program)
    }

    /// A namespace in which jobs can live.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn life(&self, namespace: &str) -> io::Result<Life> {
        Life::begin(client(&self.server.kubeconfig).await?, namespace)
            .await
            .map_err(io::Error::other)
    }
}
