//! A real kube-apiserver with an embedded etcd, as a child process on 127.0.0.1. See `testkit/apiserver/README.md`.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a start may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where `cargo xtask` puts what it builds for tests.
pub fn binaries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testkit")
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    child: Child,
    /// The child ends with it, however this process ends.
    _lifeline: Option<ChildStdin>,
    lines: Receiver<String>,
    /// `https://127.0.0.1:PORT`.
    pub url: String,
    /// A kubeconfig with the rights of an administrator.
    pub kubeconfig: PathBuf,
    /// Where etcd can be written past the API server.
    pub etcd: String,
}

impl ApiServer {
    /// Starts one that keeps its files in `folder`. `arguments` are those of `kube-test-apiserver`.
    pub fn start(folder: &Path, arguments: &[&str]) -> io::Result<Self> {
        let binary = binaries().join("kube-test-apiserver");
        if !binary.is_file() {
            return Err(io::Error::other(format!(
                "{} is not built: run `cargo xtask test`, or `cargo xtask testkit` for it alone",
                binary.display()
            )));
        }
        let mut child = Command::new(binary)
            .arg("--dir")
            .arg(folder)
            .arg("--stdin-lifeline")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
        let lifeline = child.stdin.take();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, _lifeline: lifeline, lines, url: String::new(), kubeconfig: PathBuf::new(), etcd: String::new() };
        let ready = server.wait_for("ready ")?;
        let field = |name: &str| ready.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or_default().to_owned();
        server.url = ready.split(' ').nth(1).unwrap_or_default().to_owned();
        server.kubeconfig = PathBuf::from(field("kubeconfig="));
        server.etcd = field("etcd=");
        Ok(server)
    }

    /// Compacts etcd: every resource version before now is answered with 410 from here on.
    pub fn compact(&self) -> io::Result<()> {
        self.signal("USR1")?;
        self.wait_for("compacted ").map(drop)
    }

    /// Cuts every client's connection.
    pub fn cut_connections(&self) -> io::Result<()> {
        self.signal("USR2")?;
        self.wait_for("dropped ").map(drop)
    }

    /// Ends it in order, and waits until it has.
    pub fn stop(mut self) -> io::Result<()> {
        self.signal("TERM")?;
        self.child.wait().map(drop)
    }

    /// The generator of load, set up for this server; the caller adds the rest.
    pub fn loadgen(&self, verb: &str) -> Command {
        let mut command = Command::new(binaries().join("loadgen"));
        command.arg(verb).arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kube-test-apiserver has ended")) }
    }

    fn wait_for(&self, start: &str) -> io::Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|_| io::Error::other(format!("kube-test-apiserver did not say {start:?}")))?;
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
