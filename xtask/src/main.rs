//! `cargo xtask`: what people and CI run. It builds what it needs, and says how long each step
//! took.

mod build;
mod cluster;
mod image;
mod sbom;
mod step;
mod templates;
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
    /// Show the main job: events of a job on a real API server go through aliyun-sls.wasm into an
    /// SLS server on this machine
    Demo,
    /// Build everything and run every test
    Test {
        /// Also sinks in Go, Python and TypeScript, whose tools are large
        #[arg(long)]
        languages: bool,
        /// Also what needs root and container tools: the image, and the life of an installation on
        /// a real node
        #[arg(long)]
        cluster: bool,
    },
    /// Build the sinks into target/sinks
    Sinks,
    /// Build what tests start into target/testkit: the API server, kubectl, helm, guests, KubeDL's
    /// reader of SLS
    Testkit,
    /// Build the image: a static program with the shipped sinks, for each architecture, without a
    /// daemon
    Image {
        /// For these architectures
        #[arg(long, value_enum, value_delimiter = ',', default_value = "amd64")]
        arch: Vec<image::Arch>,
        /// Folder for the image index and the archives
        #[arg(short, long, value_name = "DIR", default_value = "target/image")]
        output: PathBuf,
        /// Build all of it again from a clone of this commit elsewhere, and fail where it is
        /// another one
        #[arg(long)]
        reproduce: bool,
    },
    /// A node of Kubernetes on this machine, for tests and for trying things out; needs root
    #[command(subcommand)]
    Cluster(cluster::Task),
    /// Begin, build and test a sink in each of these languages, as a newcomer does, in
    /// target/templates
    Templates {
        /// rust, c, javascript, go, python, typescript; all of them without any
        languages: Vec<String>,
    },
    /// Cause faults of every kind under load, and show that no event is lost silently; `chaos
    /// --help` has its flags
    #[command(disable_help_flag = true)]
    Chaos {
        /// Build and run with --release
        #[arg(long)]
        release: bool,
        /// --minutes, --rate, --seed, --only, --format, --keep
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Change inputs at random, and see that nothing panics, hangs or breaks its word: grants,
    /// URLs, components, recordings, what is hidden, ...
    Fuzz {
        /// Only this target, such as redactor
        target: Option<String>,
        /// Seconds for each target
        #[arg(long, default_value = "60")]
        seconds: u64,
        /// Another beginning of the changes; the same one tries the same
        #[arg(long, default_value = "1")]
        seed: u64,
    },
    /// Measure the source: how rooms, files and functions are cut, circles, programs of tests
    Measure,
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
        Task::Test { languages, cluster } => test::run(&root(), languages, cluster),
        Task::Sinks => build::sinks(&root()),
        Task::Testkit => testkit(),
        Task::Image {
            arch,
            output,
            reproduce,
        } => {
            let (root, output) = (root(), root().join(output));
            image::run(&root, &arch, &output).and_then(|()| {
                if reproduce {
                    image::reproduce(&root, &arch, &output)
                } else {
                    Ok(())
                }
            })
        }
        Task::Cluster(task) => cluster::run(&root(), &task),
        Task::Templates { languages } => templates(&languages),
        Task::Chaos { release, flags } => chaos(release, &flags),
        Task::Fuzz {
            target,
            seconds,
            seed,
        } => fuzz(target.as_deref(), seconds, seed),
        Task::Measure => measure(),
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

fn testkit() -> anyhow::Result<()> {
    let root = root();
    [
        build::guests,
        build::reader,
        build::kubernetes,
        build::operators,
    ]
    .iter()
    .try_for_each(|step| step(&root))
}

fn templates(languages: &[String]) -> anyhow::Result<()> {
    let root = root();
    step::cargo(
        &root,
        "building kubedl-events",
        &["build", "--package", "kubedl-events", "--locked"],
    )?;
    let all = templates::ALWAYS
        .iter()
        .chain(&templates::ON_DEMAND)
        .copied();
    let wanted: Vec<&str> = if languages.is_empty() {
        all.collect()
    } else {
        languages.iter().map(String::as_str).collect()
    };
    templates::build(&root, &wanted)
}

/// The demo is a program of the testkit; it is told whether there is an API server.
fn demo() -> anyhow::Result<()> {
    let root = root();
    let began = std::time::Instant::now();
    build::sinks(&root)?;
    let recorded = !build::has_go();
    if recorded {
        println!(
            "There is no Go on this machine, which the real API server is built with: a recording takes its place."
        );
    }
    // Side by side: each of them leaves a core idle now and then.
    std::thread::scope(|scope| {
        let server = (!recorded).then(|| scope.spawn(|| build::apiserver(&root)));
        let arguments = [
            "build",
            "--package",
            "kubedl-events",
            "--package",
            "testkit",
            "--bin",
            "kubedl-events",
            "--bin",
            "demo",
            "--locked",
        ];
        let built = step::cargo(&root, "building kubedl-events and the demo", &arguments);
        let server = server.map_or(Ok(()), |server| {
            server
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("building the API server broke off")))
        });
        server.and(built)
    })?;
    show(&root, recorded, began)
}

/// The demo, of what is built since `began`.
fn show(root: &Path, recorded: bool, began: std::time::Instant) -> anyhow::Result<()> {
    let built = step::target(root)?.join("debug");
    let mut command = Command::new(built.join("demo"));
    command.arg("--program").arg(built.join("kubedl-events"));
    command.arg("--sinks").arg(root.join("target/sinks"));
    command
        .arg("--built-ms")
        .arg(began.elapsed().as_millis().to_string());
    if recorded {
        command
            .arg("--recording")
            .arg(root.join("testkit/recordings/job.jsonl"));
    }
    step::must(&mut command, "the demo")
}

/// Chaos is a program of the testkit. It takes the place of this one, so that a signal reaches it
/// alone and its clean-up is waited for.
fn chaos(release: bool, flags: &[String]) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    let root = root();
    build::sinks(&root)?;
    build::kubernetes(&root)?;
    let mut arguments = vec!["build", "--workspace", "--bins", "--locked"];
    if release {
        arguments.push("--release");
    }
    step::cargo(&root, "building kubedl-events and chaos", &arguments)?;
    let built = step::target(&root)?.join(if release { "release" } else { "debug" });
    let mut command = Command::new(built.join("chaos"));
    let why = command
        .arg("--program")
        .arg(built.join("kubedl-events"))
        .args(flags)
        .exec();
    Err(anyhow::Error::from(why).context("cannot start chaos"))
}

fn fuzz(target: Option<&str>, seconds: u64, seed: u64) -> anyhow::Result<()> {
    let mut command = Command::new(step::cargo_program());
    command.current_dir(root()).args([
        "test",
        "--workspace",
        "--locked",
        "--test",
        "hostile",
        "--",
        "--nocapture",
    ]);
    match target {
        Some(target) => command.args(["--exact", &format!("fuzz::{target}")]),
        None => command.arg("fuzz::"),
    };
    command
        .env("FUZZ_SECONDS", seconds.to_string())
        .env("FUZZ_SEED", seed.to_string());
    step::must(&mut command, "fuzzing")
}

/// A program of its own, so that nothing else waits for what parses Rust.
fn measure() -> anyhow::Result<()> {
    let mut command = Command::new(step::cargo_program());
    step::must(
        command
            .current_dir(root())
            .args(["run", "--quiet", "--locked", "--package", "measure"]),
        "measuring",
    )
}

fn bench(filter: Option<&str>) -> anyhow::Result<()> {
    let root = root();
    build::sinks(&root)?;
    build::guests(&root)?;
    build::kubernetes(&root)?;
    step::cargo(
        &root,
        "building with --release",
        &["build", "--release", "--workspace", "--bins", "--locked"],
    )?;
    let mut command = Command::new(step::cargo_program());
    command
        .current_dir(&root)
        .args(["bench", "--package", "kubedl-events", "--bench", "figures"]);
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    step::must(&mut command, "the measurements")
}
