//! A real graphite-web as a child process (`sinks/graphite/tests/real/serve.py`), with an empty
//! database.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Graphite {
    child: Child,
    url: String,
}

impl Graphite {
    /// Starts it; the first time, its packages are installed with pip.
    ///
    /// # Errors
    /// When there is no Python that it runs on, or it doesn't come up.
    pub fn start() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new("python3");
        command
            .arg(root.join("sinks/graphite/tests/real/serve.py"))
            .arg(root.join("target/testkit/graphite"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix("ready ") {
            Some(url) => Ok(Self {
                child,
                url: url.to_owned(),
            }),
            None => Err(io::Error::other(
                "graphite-web did not start: what it said stands above",
            )),
        }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Graphite {
    fn drop(&mut self) {
        // At the end of its standard input it takes its database away.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
