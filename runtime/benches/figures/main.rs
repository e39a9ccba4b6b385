//! The figures of `benches/README.md`: ready time, latency, CPU an event, memory, the cost of wasm,
//! outages, large journals.
//!
//! `cargo xtask bench [FILTER]`. Each figure is of the release build as a process of its own,
//! unless it says otherwise; CPU is user and system time of that process alone, by
//! `/proc/PID/stat`.

mod backlog;
mod boundary;
mod events;
mod graphite;
mod journal;
mod machine;
mod native;
mod outage;
mod ready;
mod steady;

use std::path::Path;
use std::time::Duration;

use testkit::apiserver::ApiServer;
use testkit::program::{Program, Start};
use testkit::sls;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(300);

type Done<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Done<()> {
    // cargo bench adds `--bench`.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    if wanted("ready") {
        ready::ready()?;
    }
    for rate in [1_000, 2_000] {
        if wanted("steady") || filter == rate.to_string() {
            steady::under_load(&format!("steady, {rate}/s"), 1.0 / 3.0, rate)?;
        }
    }
    if wanted("burst") {
        steady::under_load("burst", 0.0, 0)?;
    }
    if wanted("boundary") {
        boundary::boundary()?;
    }
    if wanted("outage") {
        outage::outage()?;
    }
    if wanted("backlog") {
        backlog::backlog()?;
    }
    if wanted("graphite") {
        graphite::graphite()?;
    }
    for trial in journal::TRIALS.iter().filter(|trial| wanted(trial.name)) {
        journal::sustained(trial)?;
    }
    Ok(())
}

/// A length that a variable shortens for a trial: `BENCH_SECONDS`, `BENCH_ROWS`.
fn length(variable: &str, default: u32) -> Done<u32> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map_err(|why| format!("{variable}={text}: {why}").into()),
        Err(_) => Ok(default),
    }
}

fn service(folder: &Path, server: &ApiServer, sls: &sls::Server) -> Done<Program> {
    let start = Start::new(Path::new(PROGRAM), folder, "log")
        .to_sls(sls)
        .with("--kubeconfig", &server.kubeconfig);
    let mut program = start.start()?;
    program.wait_for_log("The list is read.", PATIENCE)?;
    Ok(program)
}
