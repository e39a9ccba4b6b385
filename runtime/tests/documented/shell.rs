//! A shell in a folder that looks like a clone of the repository, which runs what the pages show,
//! letter by letter.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pages::{commands, root};

/// Runs commands, and knows which of the documented ones it has run.
pub struct Shell {
    folder: PathBuf,
    env: BTreeMap<String, String>,
    documented: Vec<String>,
    stand_ins: Vec<(String, String)>,
    node: Option<PathBuf>,
    /// Documented commands that it has run.
    pub done: BTreeSet<String>,
}

impl Shell {
    /// In a new folder, with the program, kubectl and helm on its path, and a cluster.
    pub fn new(folder: &Path, program: &str, kubeconfig: &Path) -> Self {
        std::fs::create_dir_all(folder.join("target/debug")).unwrap();
        std::fs::create_dir(folder.join("bin")).unwrap();
        let root = root().canonicalize().unwrap();
        for name in ["deploy", "sinks", "docs", "target/sinks", "target/image"] {
            symlink(root.join(name), folder.join(name)).unwrap();
        }
        symlink(program, folder.join("target/debug/kubedl-events")).unwrap();
        symlink(program, folder.join("bin/kubedl-events")).unwrap();
        for name in ["kubectl", "helm"] {
            symlink(
                root.join("target/testkit").join(name),
                folder.join("bin").join(name),
            )
            .unwrap();
        }
        let documented = commands().into_keys().collect();
        let mut shell = Self {
            folder: folder.to_owned(),
            env: BTreeMap::new(),
            documented,
            stand_ins: Vec::new(),
            node: None,
            done: BTreeSet::new(),
        };
        shell.env("KUBECONFIG", kubeconfig.to_str().unwrap());
        shell.env(
            "KUBEDL_EVENTS_SHIPPED_SINKS",
            root.join("target/sinks").to_str().unwrap(),
        );
        shell
    }

    /// Exports a variable.
    pub fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Exports a variable no more.
    pub fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// From here on commands run on the node that has its files there.
    pub fn enter(&mut self, node: &Path) {
        self.node = Some(node.to_owned());
    }

    /// From here on commands run on this machine again.
    pub fn leave_node(&mut self) {
        self.node = None;
    }

    /// A word of the pages stands for this one.
    pub fn stands_for(&mut self, word: &str, value: &str) {
        self.stand_ins.retain(|(known, _)| known != word);
        self.stand_ins.push((word.to_owned(), value.to_owned()));
    }

    /// Puts a built sink under a name of the pages.
    pub fn sink(&self, name: &str, place: &str) {
        std::fs::copy(
            testkit::program::sinks().join(format!("{name}.wasm")),
            self.folder.join(place),
        )
        .unwrap();
    }

    /// Writes the lines of a page's code from this one on, to the end of its block, into a file.
    pub fn yaml(&self, page: &str, first: &str, file: &str) {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let block = text
            .split("```")
            .find(|block| block.contains(first))
            .unwrap_or_else(|| panic!("{page} has no {first:?}"));
        std::fs::write(self.folder.join(file), block.split_once('\n').unwrap().1).unwrap();
    }

    /// Runs a documented command to success, and gives what it printed.
    pub fn run(&mut self, start: &str) -> String {
        self.run_to(0, start)
    }

    /// Leaves a documented command out.
    pub fn skip(&mut self, start: &str) {
        let text = self.documented(start);
        println!("not run: {text}");
        self.done.insert(text);
    }

    /// The documented command that is this, or alone begins so.
    fn documented(&self, start: &str) -> String {
        let exact = self.documented.iter().filter(|text| *text == start);
        let beginning = self
            .documented
            .iter()
            .filter(|text| text.starts_with(start));
        let found: Vec<&String> = if exact.clone().count() > 0 {
            exact.collect()
        } else {
            beginning.collect()
        };
        assert_eq!(found.len(), 1, "{start:?} is {found:?}");
        found[0].clone()
    }

    /// Runs a documented command to this exit code, and gives what it printed.
    pub fn run_to(&mut self, code: i32, start: &str) -> String {
        self.type_in("", code, start)
    }

    /// Runs a documented command that goes on for ever, and ends it after some seconds.
    pub fn run_for(&mut self, seconds: u32, start: &str) -> String {
        // What timeout(1) answers when it has ended the command.
        self.type_in(&format!("timeout {seconds} "), 124, start)
    }

    fn type_in(&mut self, before: &str, code: i32, start: &str) -> String {
        let text = self.documented(start);
        let words = text.split(' ').map(|word| {
            self.stand_ins
                .iter()
                .find(|(known, _)| known == word)
                .map_or(word, |(_, value)| value)
        });
        let typed = format!("{before}{}", words.collect::<Vec<_>>().join(" "));
        let (ended, printed) = self.bash(&typed);
        assert_eq!(ended, Some(code), "{typed}\n{printed}");
        self.done.insert(text);
        printed
    }

    /// Runs a command that is the test's own.
    pub fn other(&self, command: &str) -> String {
        let (code, printed) = self.bash(command);
        assert_eq!(code, Some(0), "{command}\n{printed}");
        printed
    }

    fn bash(&self, command: &str) -> (Option<i32>, String) {
        let path = format!(
            "{}:{}",
            self.folder.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let mut bash = Command::new("bash");
        if let Some(node) = &self.node {
            bash.arg(root().join("testkit/node/node.sh"))
                .arg("exec")
                .arg(node)
                .arg("bash");
        }
        bash.env("PATH", path)
            .envs(&self.env)
            .current_dir(&self.folder);
        let output = bash
            .args(["-euo", "pipefail", "-c", command])
            .output()
            .unwrap();
        let printed =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), printed.concat())
    }
}
