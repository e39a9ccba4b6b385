//! Running programs: one line a step, with the time that it took.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The cargo that started this.
pub fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs cargo in a folder as a step; what it printed is shown only when it fails.
pub fn cargo(folder: &Path, what: &str, arguments: &[&str]) -> anyhow::Result<()> {
    quiet(Command::new(cargo_program()).current_dir(folder).args(arguments), what)
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
    let output = output.with_context(|| format!("cannot run {:?} for {what}", command.get_program()))?;
    println!("{}  {what}: {:.1} s", clear(), began.elapsed().as_secs_f64());
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{what} failed ({}): {command:?}", output.status);
    }
    Ok(())
}

/// Runs a program that shows its own output.
pub fn must(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {:?} for {what}", command.get_program()))?;
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
    if std::io::stdout().is_terminal() { "\r\x1b[K" } else { "" }
}
