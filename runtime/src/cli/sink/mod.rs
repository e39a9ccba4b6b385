//! `kubedl-events sink ...`: about components, without a cluster: to write one (`new`, `component`,
//! `test`, `run`, `replay`, `bench`), and to let one in (`inspect`, `grant`, `diff`, `pack`).

mod bench;
#[cfg(feature = "authoring")]
mod component;
mod diff;
mod grant;
mod inspect;
mod new;
mod pack;
mod replay;
mod run;

use clap::Subcommand;

use crate::service::Exit;
use crate::workbench::conformance;

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
    Inspect(inspect::Inspect),
    /// Print a grant with all that a sink asks for, to read and to keep
    Grant(grant::Grant),
    /// Show what a new version of a sink asks for more than the old one; exits with 7 where it does
    Diff(diff::Diff),
    /// Write the ConfigMaps that bring a component into a cluster, and how to mount them
    Pack(pack::Pack),
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
