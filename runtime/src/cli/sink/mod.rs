//! `kubedl-events sink`: what is done with a component before it serves.

mod pack;

use clap::Subcommand;

use super::Exit;

/// `sink`.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Write the ConfigMaps that bring a component into a cluster, and how to mount them
    Pack(pack::Pack),
}

/// Does it.
pub(super) fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Pack(pack) => pack::run(pack),
    }
}
