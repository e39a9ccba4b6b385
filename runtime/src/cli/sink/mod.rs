//! `kubedl-events sink ...`: about components, without a cluster: to write one (`new`, `component`,
//! `test`, `run`, `replay`, `bench`), and to let one in (`inspect`, `grant`, `diff`, `pack`).

mod bench;
mod cast;
#[cfg(feature = "authoring")]
mod component;
mod conformance;
mod diff;
mod grant;
mod inspect;
mod new;
mod pack;
mod playing;
mod recorder;
mod replay;
mod run;

use std::path::{Path, PathBuf};

use clap::{Args as Flags, Subcommand};

use crate::sink::{Blueprint, Compiler, Directories, Engine, Error, Found, child, find};

use super::exit::Exit;
use super::tasks::Format;

/// `sink`.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Begin a sink: a folder that builds, with its tests, in one of six languages
    New(new::New),
    /// Make a component of a core module, as compilers of Go and C build it
    #[cfg(feature = "authoring")]
    Component(component::Component),
    /// Play a sink's destination, and say where the sink doesn't do what the contract asks of it;
    /// exits with 8 where it doesn't
    Test(conformance::Test),
    /// Deliver recorded events by a sink, really but without a cluster
    Run(run::Run),
    /// Play a recorded session to a sink again, and say where it does something else; exits with 9
    /// where it does
    Replay(replay::Replay),
    /// Measure a sink: size, ready time, time and processor a batch, memory
    Bench(bench::Bench),
    /// Show what a sink is and imports, and what it asks for beside what is granted; never a value
    Inspect(Inspect),
    /// Print a grant with all that a sink asks for, to read and to keep
    Grant(Grant),
    /// Show what a new version of a sink asks for more than the old one; exits with 7 where it does
    Diff(Diff),
    /// Write the ConfigMaps that bring a component into a cluster, and how to mount them
    Pack(pack::Pack),
}

/// `sink inspect`.
#[derive(Clone, Debug, Flags)]
pub struct Inspect {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `sink grant`.
#[derive(Clone, Debug, Flags)]
pub struct Grant {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK", required_unless_present = "schema")]
    pub sink: Option<String>,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// Print the JSON Schema of grants instead, for an editor
    #[arg(long, conflicts_with = "sink")]
    pub schema: bool,

    /// Print what the grant that counts lets the sink reach instead, as a NetworkPolicy; the
    /// variables in its destinations must be set
    #[arg(long, conflicts_with = "schema")]
    pub network_policy: bool,
}

/// `sink diff`.
#[derive(Clone, Debug, Flags)]
pub struct Diff {
    /// The version that is trusted: a .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "OLD")]
    pub old: String,

    /// The version that is to take its place
    #[arg(value_name = "NEW")]
    pub new: String,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Where sinks and grants lie.
#[derive(Clone, Debug, Flags)]
pub struct Folders {
    /// A folder of sinks; a grant beside them is only a wish; may be repeated
    #[arg(
        long,
        env = "KUBEDL_EVENTS_SINK_DIR",
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub sink_dir: Vec<PathBuf>,

    /// A folder of your grants, SINK.yaml each: what counts; may be repeated
    #[arg(
        long,
        env = "KUBEDL_EVENTS_GRANT_DIR",
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub grant_dir: Vec<PathBuf>,

    /// The folder of the sinks that came with this program, each with its grant [default: sinks
    /// beside the program]
    #[arg(long, env = "KUBEDL_EVENTS_SHIPPED_SINKS", value_name = "DIR")]
    pub shipped_sinks: Option<PathBuf>,
}

impl Folders {
    /// What the flags mean.
    pub(super) fn directories(&self) -> Directories {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("sinks"));
        let shipped = self
            .shipped_sinks
            .clone()
            .or_else(beside)
            .filter(|folder| folder.is_dir());
        Directories {
            shipped,
            sinks: self.sink_dir.clone(),
            grants: self.grant_dir.clone(),
        }
    }
}

/// The checks of `sink test`, in order: name, and what each expects.
pub fn checks() -> impl Iterator<Item = (&'static str, &'static str)> {
    conformance::CHECKS
        .iter()
        .map(|check| (check.name, check.expected))
}

pub(super) async fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Inspect(flags) => inspect::run(flags).await,
        Command::Grant(flags) => grant::run(flags).await,
        Command::Diff(flags) => diff::run(flags).await,
        #[cfg(feature = "authoring")]
        Command::Component(flags) => component::run(flags),
        Command::Test(flags) => conformance::run(flags).await,
        Command::New(flags) => new::run(flags),
        Command::Run(flags) => run::run(flags).await,
        Command::Replay(flags) => replay::run(flags).await,
        Command::Bench(flags) => bench::run(flags).await,
        Command::Pack(flags) => pack::run(flags),
    }
}

/// A sink that has described itself, with nothing granted.
struct Subject {
    found: Found,
    size: usize,
    blueprint: Blueprint,
}

async fn load(sink: &str, folders: &Folders) -> Result<Subject, Error> {
    let found = find(sink, &folders.directories())?;
    let engine = Engine::new(Compiler::Child(child::Limits::default()), None::<&Path>)?;
    let artifact = engine.read(&found.component)?;
    let blueprint = Blueprint::load(&engine, &artifact).await?;
    Ok(Subject {
        found,
        size: artifact.bytes.len(),
        blueprint,
    })
}
