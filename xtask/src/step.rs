//! Running programs: one line a step, with the time that it took.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

/// The cargo that started this.
pub fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs cargo in a folder as a step; what it printed is shown only when it fails.
pub fn cargo(folder: &Path, what: &str, arguments: &[&str]) -> anyhow::Result<()> {
    quiet(
        Command::new(cargo_program())
            .current_dir(folder)
            .args(arguments),
        what,
    )
}

/// Where cargo puts what it builds in a folder: CARGO_TARGET_DIR and cargo's configuration may say
/// another place than `target`. What xtask puts together from it, and tests start, lies in the
/// repository's `target` all the same.
pub fn target(folder: &Path) -> anyhow::Result<PathBuf> {
    told_target(Command::new(cargo_program()).current_dir(folder))
}

fn told_target(cargo: &mut Command) -> anyhow::Result<PathBuf> {
    let output = cargo
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo metadata")?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let target = told.get("target_directory").and_then(Value::as_str);
    target.map(PathBuf::from).with_context(|| {
        format!(
            "cargo metadata does not say where it builds: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Runs a program as a step; what it printed is shown only when it fails.
pub fn quiet(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let done = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| tick(what, began, &done));
        let output = command.stdin(Stdio::null()).output();
        done.store(true, Ordering::Relaxed);
        output
    });
    let output =
        output.with_context(|| format!("cannot run {:?} for {what}", command.get_program()))?;
    println!(
        "{}  {what}: {:.1} s",
        clear(),
        began.elapsed().as_secs_f64()
    );
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{what} failed ({}): {command:?}", output.status);
    }
    Ok(())
}

/// Runs a program that shows its own output.
pub fn must(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {:?} for {what}", command.get_program()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// On a terminal a clock that runs; elsewhere a line a minute, so that nobody thinks it hangs.
fn tick(what: &str, began: Instant, done: &AtomicBool) {
    let terminal = std::io::stdout().is_terminal();
    let mut said = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        let passed = began.elapsed();
        if terminal {
            print!("\r  {what} ... {:.0} s", passed.as_secs_f64());
            let _ = std::io::stdout().flush();
        } else if passed - said > Duration::from_secs(60) {
            said = passed;
            println!("  {what} ... {:.0} s", passed.as_secs_f64());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

fn clear() -> &'static str {
    if std::io::stdout().is_terminal() {
        "\r\x1b[K"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

    use super::*;

    fn folder(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(name)
            .canonicalize()
            .unwrap()
    }

    fn told(name: &str, variable: Option<&str>) -> PathBuf {
        let mut cargo = Command::new(cargo_program());
        cargo
            .current_dir(folder(name))
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET_DIR");
        cargo.envs(variable.map(|value| ("CARGO_TARGET_DIR", value)));
        told_target(&mut cargo).unwrap()
    }

    #[test]
    fn what_cargo_builds_is_looked_for_where_cargo_puts_it() {
        for (name, variable, wanted) in [
            (".", None, folder(".").join("target")),
            ("sinks", None, folder("sinks").join("target")),
            (
                "sinks",
                Some("/elsewhere/built"),
                PathBuf::from("/elsewhere/built"),
            ),
            // As cargo itself has it: below the folder in which it runs.
            ("sinks", Some("built"), folder("sinks").join("built")),
        ] {
            assert_eq!(told(name, variable), wanted, "{name} {variable:?}");
        }
    }
}
