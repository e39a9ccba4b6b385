//! The programs of tests: cargo builds them, and they run two at a time, since most of them wait.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::step;

/// Those that take longest begin first, so that none is left alone at the end.
const LONG: [&str; 8] = [
    "simulation",
    "promises",
    "hostile",
    "documented",
    "chaos",
    "term",
    "failover",
    "reload",
];

/// A program of tests.
pub struct Program {
    name: String,
    path: PathBuf,
    /// The folder of its package, in which cargo would run it.
    folder: PathBuf,
}

/// How one ended.
pub struct Ended {
    /// What it printed on its standard output, the results among it.
    pub printed: String,
    /// Whether it exited with 0.
    pub success: bool,
}

/// Those of the workspace, built.
pub fn of_workspace(root: &Path) -> anyhow::Result<Vec<Program>> {
    let arguments = [
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--message-format",
        "json",
    ];
    let output = Command::new(step::cargo_program())
        .current_dir(root)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo test --no-run failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let mut programs: Vec<Program> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(program)
        .collect();
    programs.sort_by_key(|program| {
        LONG.iter()
            .position(|long| program.name == *long)
            .unwrap_or(LONG.len())
    });
    Ok(programs)
}

/// From a line of cargo
/// (<https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>).
fn program(line: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    if text("/reason") != Some("compiler-artifact")
        || message.pointer("/profile/test") != Some(&Value::Bool(true))
    {
        return None;
    }
    let folder = Path::new(text("/manifest_path")?).parent()?.to_owned();
    Some(Program {
        name: text("/target/name")?.to_owned(),
        path: PathBuf::from(text("/executable")?),
        folder,
    })
}

/// Runs them; says how each ended, as soon as it has.
pub fn run(programs: Vec<Program>, said: impl FnMut(Ended) + Send) -> anyhow::Result<()> {
    let left = Mutex::new(VecDeque::from(programs));
    let next = || {
        left.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let said = Mutex::new(said);
    let work = || -> anyhow::Result<()> {
        while let Some(program) = next() {
            let began = Instant::now();
            let mut command = Command::new(&program.path);
            command
                .current_dir(&program.folder)
                .env("CARGO_MANIFEST_DIR", &program.folder)
                .stdin(Stdio::null());
            let output = command
                .output()
                .with_context(|| format!("cannot run {}", program.path.display()))?;
            let (printed, took) = (
                String::from_utf8_lossy(&output.stdout),
                began.elapsed().as_secs_f64(),
            );
            let mut printed = format!(
                "     {}, {}: {took:.1} s\n{printed}",
                program.folder.file_name().unwrap_or_default().display(),
                program.name
            );
            let success = output.status.success();
            if !success {
                printed.push_str(&format!(
                    "{}{}: {}\n",
                    String::from_utf8_lossy(&output.stderr),
                    program.name,
                    output.status
                ));
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said(Ended { printed, success });
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let first = work();
        other
            .join()
            .unwrap_or_else(|_| bail!("running the tests broke off"))
            .and(first)
    })
}
