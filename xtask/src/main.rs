//! `cargo xtask`: what people and CI run. It builds what it needs, and says how long each step took.

mod build;
mod step;
mod test;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the main job: events of a job on a real API server go through aliyun-sls.wasm into an SLS server on this machine
    Demo,
    /// Build everything and run every test
    Test,
    /// Build the sinks into target/sinks
    Sinks,
    /// Build what tests start into target/testkit: the API server, guests, KubeDL's reader of SLS
    Testkit,
    /// Measure: ready time, CPU an event, the cost of wasm, latency, memory
    Bench {
        /// Only measurements whose name contains this
        filter: Option<String>,
    },
}

/// The root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Demo => demo(),
        Task::Test => test::run(&root()),
        Task::Sinks => build::sinks(&root()),
        Task::Testkit => build::guests(&root()).and_then(|()| build::reader(&root())).and_then(|()| build::apiserver(&root())),
        Task::Bench { filter } => bench(filter.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

/// The demo is a program of the testkit; it is told whether there is an API server.
fn demo() -> anyhow::Result<()> {
    let root = root();
    let began = std::time::Instant::now();
    build::sinks(&root)?;
    let recorded = if build::has_go() {
        build::apiserver(&root)?;
        false
    } else {
        println!("There is no Go on this machine, which the real API server is built with: a recording takes its place.");
        true
    };
    step::cargo(&root, "building kubedl-events and the demo", &["build", "--workspace", "--bins", "--locked"])?;
    let mut command = Command::new(root.join("target/debug/demo"));
    command.arg("--program").arg(root.join("target/debug/kubedl-events"));
    command.arg("--sinks").arg(root.join("target/sinks"));
    command.arg("--built-ms").arg(began.elapsed().as_millis().to_string());
    if recorded {
        command.arg("--recording").arg(root.join("testkit/recordings/job.jsonl"));
    }
    step::must(&mut command, "the demo")
}

fn bench(filter: Option<&str>) -> anyhow::Result<()> {
    let root = root();
    build::sinks(&root)?;
    build::guests(&root)?;
    build::apiserver(&root)?;
    step::cargo(&root, "building with --release", &["build", "--release", "--workspace", "--bins", "--locked"])?;
    let mut command = Command::new(step::cargo_program());
    command.current_dir(&root).args(["bench", "--package", "kubedl-events", "--bench", "figures"]);
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    step::must(&mut command, "the measurements")
}
