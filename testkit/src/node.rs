//! A real node of Kubernetes on this machine: `testkit/node/node.sh`. Needs root, and what `cargo
//! xtask cluster up` asks for.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apiserver::binaries;

/// Where Pods find what listens on loopback in the node's network.
pub const GATEWAY: &str = "10.88.77.1";

/// A node that runs until it is dropped. Its logs stay in the folder, which is the caller's.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
}

fn script(task: &str, folder: &Path) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("node/node.sh"))
        .arg(task)
        .arg(folder);
    command
}

fn must(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command:?}: {status}")))
    }
}

impl Node {
    /// Starts one with its files in `folder`, and loads images (OCI archives).
    ///
    /// # Errors
    /// When something that it needs is missing, or it does not become ready; what it said stands in
    /// the folder.
    pub fn up(folder: &Path, images: &[PathBuf]) -> io::Result<Self> {
        let pause = binaries().join("pause.tar");
        if !pause.is_file() {
            return Err(io::Error::other(format!(
                "{} is not built: run `cargo xtask test --cluster`",
                pause.display()
            )));
        }
        let node = Self {
            folder: folder.to_owned(),
        };
        must(script("up", folder).arg(binaries()).arg(pause).args(images))?;
        Ok(node)
    }

    /// With the rights of an administrator, for those in the node's network.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("api/kubeconfig")
    }

    /// A program that has the node's network, and this machine's files.
    #[must_use]
    pub fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = script("enter", &self.folder);
        command.arg(program);
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = script("down", &self.folder).status();
    }
}
