//! A real kube-apiserver with an embedded etcd, as a child process on 127.0.0.1. See
//! `testkit/apiserver/README.md`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// How long a start may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where `cargo xtask` puts what it builds for tests.
pub fn binaries() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testkit")
}

/// A client with the rights of a kubeconfig.
///
/// # Errors
/// When it can't be read, or says nothing useful.
pub async fn client(kubeconfig: &Path) -> io::Result<kube::Client> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig).map_err(io::Error::other)?;
    let config =
        kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default())
            .await
            .map_err(io::Error::other)?;
    kube::Client::try_from(config).map_err(io::Error::other)
}

/// A copy at `path` of the administrator's kubeconfig, with another token.
///
/// # Errors
/// When it can't be read or written.
pub fn kubeconfig_of(token: &str, server: &ApiServer, path: PathBuf) -> io::Result<PathBuf> {
    let text = fs::read_to_string(&server.kubeconfig)?;
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.trim().starts_with("token:") {
                format!("    token: {token}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    fs::write(&path, lines.join("\n"))?;
    Ok(path)
}

/// A server that runs until it is dropped. Its files stay: the folder is the caller's.
#[derive(Debug)]
pub struct ApiServer {
    process: Process,
    folder: PathBuf,
    arguments: Vec<String>,
    /// `https://127.0.0.1:PORT`.
    pub url: String,
    /// A kubeconfig with the rights of an administrator.
    pub kubeconfig: PathBuf,
    /// Where etcd can be written past the API server. Another port after each start.
    pub etcd: String,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// The child ends with it, however this process ends.
    _lifeline: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl ApiServer {
    /// Starts one that keeps its files in `folder`, with its log as `apiserver.log`. `arguments`
    /// are those of `kube-test-apiserver`.
    ///
    /// # Errors
    /// When it is not built, or does not become ready.
    pub fn start(folder: &Path, arguments: &[&str]) -> io::Result<Self> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (process, ready) = Process::start(folder, "0", &arguments)?;
        let mut server = Self {
            process,
            folder: folder.to_owned(),
            arguments,
            url: String::new(),
            kubeconfig: PathBuf::new(),
            etcd: String::new(),
        };
        server.learn(&ready);
        Ok(server)
    }

    fn learn(&mut self, ready: &str) {
        let field = |name: &str| {
            ready
                .split(' ')
                .find_map(|word| word.strip_prefix(name))
                .unwrap_or_default()
                .to_owned()
        };
        self.url = ready.split(' ').nth(1).unwrap_or_default().to_owned();
        self.kubeconfig = PathBuf::from(field("kubeconfig="));
        self.etcd = field("etcd=");
    }

    /// Ends it in order, does something `meanwhile`, and starts it again at the same port, with the
    /// same data, keys and token.
    ///
    /// # Errors
    /// When it can't be ended, or does not become ready again.
    pub fn restart_at_same_port(
        &mut self,
        meanwhile: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        self.signal("TERM")?;
        self.process.child.wait()?;
        meanwhile()?;
        let port = self.url.rsplit(':').next().unwrap_or("0");
        let (process, ready) = Process::start(&self.folder, port, &self.arguments)?;
        self.process = process;
        self.learn(&ready);
        Ok(())
    }

    /// Copies etcd's files to the folder `to`, as they are at one moment: the process stands still
    /// meanwhile, in all its threads. What was half written is what a crash would have left, which
    /// etcd mends when it starts.
    ///
    /// # Errors
    /// When the process has ended, or the files can't be copied.
    pub fn snapshot(&self, to: &Path) -> io::Result<()> {
        let copied = self
            .stand_still()
            .and_then(|()| copy(&self.folder.join("etcd"), to));
        self.go_on()?;
        copied
    }

    /// Ends it, puts back what [`ApiServer::snapshot`] copied, and starts it again at the same
    /// port. Resource versions go on from those of the copy.
    ///
    /// # Errors
    /// When it can't be ended, files can't be copied, or it does not become ready again.
    pub fn restore(&mut self, from: &Path) -> io::Result<()> {
        let etcd = self.folder.join("etcd");
        self.restart_at_same_port(|| {
            fs::remove_dir_all(&etcd)?;
            copy(from, &etcd)
        })
    }

    /// From here on it answers nothing; connections stay open.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn stand_still(&self) -> io::Result<()> {
        self.signal("STOP")?;
        self.wait_until_it_stands_still()
    }

    /// Ends [`ApiServer::stand_still`].
    ///
    /// # Errors
    /// When the process has ended.
    pub fn go_on(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    fn wait_until_it_stands_still(&self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut threads = fs::read_dir(format!("/proc/{}/task", self.process.child.id()))?;
            // proc(5): the third field, after the name in brackets, is the state; T is stopped.
            let is_still = |stat: String| {
                stat.rsplit_once(") ")
                    .is_some_and(|(_, rest)| rest.starts_with('T'))
            };
            if threads.all(|thread| {
                thread
                    .and_then(|thread| fs::read_to_string(thread.path().join("stat")))
                    .is_ok_and(is_still)
            }) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(io::Error::other(
                    "kube-test-apiserver does not stand still after SIGSTOP",
                ));
            }
            park_timeout(Duration::from_millis(1));
        }
    }

    /// Compacts etcd: every resource version before now is answered with 410 from here on.
    pub fn compact(&self) -> io::Result<()> {
        self.signal("USR1")?;
        self.process.wait_for("compacted ").map(drop)
    }

    /// Cuts every client's connection.
    pub fn cut_connections(&self) -> io::Result<()> {
        self.signal("USR2")?;
        self.process.wait_for("dropped ").map(drop)
    }

    /// Ends it in order, and waits until it has.
    pub fn stop(mut self) -> io::Result<()> {
        self.signal("TERM")?;
        self.process.child.wait().map(drop)
    }

    /// The generator of load, set up for this server; the caller adds the rest.
    pub fn loadgen(&self, verb: &str) -> Command {
        let mut command = Command::new(binaries().join("loadgen"));
        command.arg(verb).arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.process.child.id().to_string())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("kube-test-apiserver has ended"))
        }
    }
}

impl Process {
    /// Starts the program, and gives its line `ready`.
    fn start(folder: &Path, port: &str, arguments: &[String]) -> io::Result<(Self, String)> {
        let binary = binaries().join("kube-test-apiserver");
        if !binary.is_file() {
            return Err(io::Error::other(format!(
                "{} is not built: run `cargo xtask test`, or `cargo xtask testkit` for it alone",
                binary.display()
            )));
        }
        fs::create_dir_all(folder)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("apiserver.log"))?;
        let mut command = Command::new(binary);
        command
            .arg("--dir")
            .arg(folder)
            .args(["--stdin-lifeline", "--keep", "--port", port])
            .args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no stdout"))?;
        let lifeline = child.stdin.take();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let process = Self {
            child,
            _lifeline: lifeline,
            lines,
        };
        let ready = process.wait_for("ready ").map_err(|why| {
            io::Error::other(format!("{why}: see apiserver.log in {}", folder.display()))
        })?;
        Ok((process, ready))
    }

    fn wait_for(&self, start: &str) -> io::Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|_| {
                io::Error::other(format!("kube-test-apiserver did not say {start:?}"))
            })?;
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            fs::copy(entry.path(), target).map(drop)?
        }
    }
    Ok(())
}
