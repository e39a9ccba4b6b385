//! `kubedl-events sink grant`.

use crate::cli::exit::Exit;
use crate::sink::grant::{schema, wish};

use super::{Grant, load};

pub(super) async fn run(flags: &Grant) -> anyhow::Result<Exit> {
    match &flags.sink {
        None => print!("{}", schema()),
        Some(sink) => {
            let subject = load(sink, &flags.folders).await?;
            print!("{}", wish::suggest(subject.blueprint.description(), subject.blueprint.digest(), &subject.found.name));
        }
    }
    Ok(Exit::Stopped)
}
