//! `kubedl-events` as a child process: what it says, what it uses, how it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::sls::Server;

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

/// A command line in the making.
#[derive(Debug)]
pub struct Start {
    command: Command,
    log: PathBuf,
}

impl Start {
    /// With a data folder and a log in `folder`, and with the built sinks as the shipped ones.
    #[must_use]
    pub fn new(binary: &Path, folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .arg("--shipped-sinks")
            .arg(sinks())
            .arg("--data-dir")
            .arg(folder.join("data"));
        command.args(["--log-format", "json"]);
        Self { command, log }
    }

    /// With a flag and its value.
    #[must_use]
    pub fn with(mut self, flag: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.arg(flag).arg(value);
        self
    }

    /// With a flag alone.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.command.arg(flag);
        self
    }

    /// With a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With `--event-storage aliyun-sls` and its five variables, for this server with the default
    /// options.
    #[must_use]
    pub fn to_sls(self, server: &Server) -> Self {
        let known = crate::sls::Options::default();
        let start = self
            .with("--event-storage", "aliyun-sls")
            .env("SLS_ENDPOINT", server.endpoint())
            .env("SLS_KEY_ID", known.access_key_id);
        start
            .env("SLS_KEY_SECRET", known.access_key_secret)
            .env("SLS_PROJECT", known.project)
            .env("SLS_LOG_STORE", known.log_store)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the log can't be made, or the program can't be started.
    pub fn start(mut self) -> io::Result<Program> {
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&self.log)?)
            .spawn()?;
        Ok(Program {
            child,
            log: self.log,
        })
    }

    /// Runs it to its end, and gives status, standard output and log.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(mut self) -> io::Result<(ExitStatus, String, String)> {
        let output = self
            .command
            .stdin(Stdio::null())
            .stderr(File::create(&self.log)?)
            .output()?;
        Ok((
            output.status,
            String::from_utf8_lossy(&output.stdout).into_owned(),
            std::fs::read_to_string(&self.log)?,
        ))
    }
}

/// Where `cargo xtask sinks` puts the built sinks.
#[must_use]
pub fn sinks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/sinks")
}

impl Program {
    /// SIGTERM, and the end.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn terminate(mut self) -> io::Result<ExitStatus> {
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()?;
        self.child.wait()
    }

    /// SIGKILL, and the end.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When it can't be asked.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// All that it logged so far.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn log(&self) -> io::Result<String> {
        std::fs::read_to_string(&self.log)
    }

    /// Waits until the log has a text.
    ///
    /// # Errors
    /// When it does not come in time, with the log; or when the program has ended.
    pub fn wait_for_log(&mut self, text: &str, patience: Duration) -> io::Result<()> {
        self.wait_for_lines(text, 1, patience)
    }

    /// The same until the log has a text so many times.
    ///
    /// # Errors
    /// As [`Program::wait_for_log`].
    pub fn wait_for_lines(
        &mut self,
        text: &str,
        times: usize,
        patience: Duration,
    ) -> io::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let log = self.log()?;
            if log.matches(text).count() >= times {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the program ended with {status} and never said {text:?}:\n{log}"
                )));
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "the program did not say {text:?}:\n{log}"
                )));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Where it serves metrics and probes; it must have been started with `--listen-address`.
    ///
    /// # Errors
    /// When it does not say so in time, with the log.
    pub fn telemetry(&mut self, patience: Duration) -> io::Result<SocketAddr> {
        self.wait_for_log("Metrics and probes", patience)?;
        let log = self.log()?;
        let line = log
            .lines()
            .find(|line| line.contains("Metrics and probes"))
            .unwrap_or_default();
        let address = line
            .split("\"address\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        address
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no address in {line}")))
    }

    /// User and system time so far, in steps of 10 ms (proc(5), `/proc/PID/stat`, fields 14 and
    /// 15).
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The most memory that it had, in bytes (`VmHWM`).
    ///
    /// # Errors
    /// When the process has ended.
    pub fn peak_memory(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Ok(line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
