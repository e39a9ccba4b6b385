//! Is what people have kept read: files of any usual form, with odd things among them, and settings
//! as they are written?

mod formats;
mod home;
mod live;
mod odd_objects;
mod secondary_fields;
mod server;
mod settings_texts;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::PROGRAM;

/// An event of core/v1, whose name has this number.
fn event(number: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": format!("e{number}"), "namespace": "lab", "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "resourceVersion": (1000 + number).to_string(), "creationTimestamp": "2026-03-01T10:00:00Z",
        },
        "involvedObject": {"kind": "Pod", "namespace": "lab", "name": format!("p{number}"), "uid": format!("pod-{number}"), "apiVersion": "v1"},
        "reason": "Pulled", "message": format!("message {number}"), "source": {"component": "kubelet", "host": "node-a"},
        "firstTimestamp": "2026-03-01T10:00:00Z", "lastTimestamp": "2026-03-01T10:05:00Z", "count": 3, "type": "Normal",
    })
}

/// The same without `kind` and `apiVersion`, as Go clients write it.
fn bare(number: u32) -> Value {
    let mut event = event(number);
    event
        .as_object_mut()
        .unwrap()
        .retain(|key, _| key != "kind" && key != "apiVersion");
    event
}

/// Objects, one a line.
fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// What a run of the program did.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    log: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            log: text(output.stderr),
        }
    }

    /// What the sink printed.
    fn events(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|why| panic!("{why}: {line}\n{}", self.log))
            })
            .collect()
    }

    /// Names of the events that the sink printed.
    fn names(&self) -> Vec<String> {
        self.events()
            .iter()
            .map(|event| event["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A folder for one recording and its data.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program with a line; its sinks are the built ones.
    fn run(&self, line: &[&str]) -> Run {
        Run::of(
            Command::new(PROGRAM)
                .env_clear()
                .args(line)
                .output()
                .unwrap(),
        )
    }

    /// A recording into the sink `stdout`.
    fn play(&self, file: &Path) -> Run {
        self.play_with(file, &[])
    }

    fn play_with(&self, file: &Path, more: &[&str]) -> Run {
        let sinks = testkit::program::sinks();
        let (data, sinks) = (self.data(), sinks.to_str().unwrap().to_owned());
        let line = [
            "--shipped-sinks",
            &sinks,
            "--data-dir",
            data.to_str().unwrap(),
            "--log-format",
            "json",
            "--event-storage",
            "stdout",
        ];
        let rest = [
            "--once",
            "--objects",
            "all",
            "--timeout",
            "120s",
            "--from",
            file.to_str().unwrap(),
        ];
        self.run(
            &line
                .into_iter()
                .chain(rest)
                .chain(more.iter().copied())
                .collect::<Vec<_>>(),
        )
    }

    /// `explain` of a file, as JSON.
    fn explain(&self, file: &Path) -> Run {
        let sinks = testkit::program::sinks();
        let line = [
            "explain",
            file.to_str().unwrap(),
            "--format",
            "json",
            "--objects",
            "all",
            "--event-storage",
            "stdout",
            "--shipped-sinks",
        ];
        self.run(
            &line
                .into_iter()
                .chain([sinks.to_str().unwrap()])
                .collect::<Vec<_>>(),
        )
    }

    /// What `dead-letters list` tells of the data folder.
    fn letters(&self) -> Vec<Value> {
        let run = self.list_letters();
        assert_eq!(run.code, 0, "{}", run.log);
        serde_json::from_str(&run.out).unwrap()
    }

    fn list_letters(&self) -> Run {
        self.run(&[
            "dead-letters",
            "list",
            "--format",
            "json",
            "--data-dir",
            self.data().to_str().unwrap(),
        ])
    }

    /// All that lies in the data folder, besides compiled sinks.
    fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .filter(|path| !path.ends_with("compiled") && !path.ends_with("sinks"))
            .collect()
    }
}
