//! `kubedl-events sink grant`.

use anyhow::bail;
use clap::Args as Flags;

use crate::service::Exit;
use crate::sink::find;
use crate::sink::grant::{Document, schema, wish};

use crate::service::Folders;
use crate::workbench::load;

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

pub(super) async fn run(flags: &Grant) -> anyhow::Result<Exit> {
    match &flags.sink {
        None => print!("{}", schema()),
        Some(sink) if flags.network_policy => print!("{}", network_policy(sink, &flags.folders)?),
        Some(sink) => {
            let subject = load(sink, &flags.folders).await?;
            print!(
                "{}",
                wish::suggest(
                    subject.blueprint.description(),
                    subject.blueprint.digest(),
                    &subject.found.name
                )
            );
        }
    }
    Ok(Exit::Stopped)
}

/// Of the grant that counts. The component is not looked into.
fn network_policy(sink: &str, folders: &Folders) -> anyhow::Result<String> {
    let found = find(sink, &folders.directories())?;
    let Some(path) = found.grant else {
        bail!(
            "{sink} has no grant, so that it reaches nothing: put {}.yaml into a --grant-dir, and name that folder here",
            found.name
        );
    };
    Ok(Document::read(&path)?
        .network_policy(&found.name, &path, &|name| std::env::var(name).ok())?)
}
