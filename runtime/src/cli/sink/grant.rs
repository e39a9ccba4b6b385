//! `kubedl-events sink grant`.

use anyhow::bail;

use crate::cli::exit::Exit;
use crate::sink::find;
use crate::sink::grant::{Document, schema, wish};

use super::{Folders, Grant, load};

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
