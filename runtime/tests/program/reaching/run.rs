//! Runs of the program.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use testkit::program::{Program, Start};

pub const PROGRAM: &str = crate::PROGRAM;
/// On a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A kubeconfig in a folder of its own: what is in `cluster` and `user`, as YAML in one line.
pub fn kubeconfig(folder: &Path, cluster: &str, user: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\ncontexts:\n- name: x\n  context: {{cluster: c, user: u, namespace: lab}}\ncurrent-context: x\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A folder, and the program set up to store all events of a cluster on stdout.
pub struct Case {
    pub folder: TempDir,
}

pub struct Ended {
    pub code: i32,
    pub out: String,
    pub log: String,
}

impl Ended {
    /// The event arrived; in a folder that had it before, it is known.
    pub fn is_well(&self) {
        assert_eq!(self.code, 0, "{}", self.log);
        assert!(
            self.out.lines().count() == 1 || self.log.contains("\"known\":1"),
            "{}{}",
            self.out,
            self.log
        );
        assert!(!self.log.contains("panicked"), "{}", self.log);
    }

    pub fn says(&self, code: i32, words: &[&str]) {
        for word in words {
            assert!(self.log.contains(word), "{word:?} is not in: {}", self.log);
        }
        assert_eq!(self.code, code, "{}", self.log);
        assert!(!self.log.contains("panicked"), "{}", self.log);
    }
}

impl Case {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn start(&self) -> Start {
        Start::new(Path::new(PROGRAM), self.folder.path(), "log")
            .with("--event-storage", "stdout")
            .with("--objects", "all")
    }

    /// With a kubeconfig, as [`kubeconfig`] writes it.
    pub fn by(&self, cluster: &str, user: &str) -> Start {
        self.start().with(
            "--kubeconfig",
            kubeconfig(self.folder.path(), cluster, user),
        )
    }

    /// `--once`, to its end.
    pub fn once(&self, start: Start) -> Ended {
        self.once_for(start, "120s")
    }

    /// `--once`, to its end, or for so long.
    pub fn once_for(&self, start: Start, time: &str) -> Ended {
        let (status, out, log) = start
            .flag("--once")
            .with("--timeout", time)
            .with("--grace", "1s")
            .run()
            .unwrap();
        Ended {
            code: status.code().unwrap_or(-1),
            out,
            log,
        }
    }

    /// Runs until the log has these words.
    pub fn until(&self, start: Start, words: &str) -> Program {
        let mut program = start.start().unwrap();
        program.wait_for_log(words, PATIENCE).unwrap();
        program
    }
}

/// Lines of a log above the level of information.
pub fn complaints(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("\"WARN\"") || line.contains("\"ERROR\""))
        .collect()
}

/// A text as YAML within braces.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('"');
    quoted
}
