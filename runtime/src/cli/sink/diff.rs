//! `kubedl-events sink diff`.

use clap::Args as Flags;
use serde_json::json;

use crate::service::Exit;
use crate::service::settings::Format;
use crate::sink::grant::wish;

use crate::service::Folders;
use crate::workbench::{Described, load};

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

pub(super) async fn run(flags: &Diff) -> anyhow::Result<Exit> {
    let (old, new) = (
        load(&flags.old, &flags.folders).await?,
        load(&flags.new, &flags.folders).await?,
    );
    let wants = |subject: &'_ Described| {
        (
            subject.blueprint.description().clone(),
            subject.blueprint.outline().imports.clone(),
        )
    };
    let (before, after) = (wants(&old), wants(&new));
    let found = wish::differ((&before.0, &before.1), (&after.0, &after.1));
    let more = found.iter().any(|difference| difference.more);
    match flags.format {
        Format::Json => {
            let words = |more: bool| -> Vec<&String> {
                found
                    .iter()
                    .filter(|one| one.more == more)
                    .map(|one| &one.words)
                    .collect()
            };
            let side = |subject: &Described| json!({"sha256": subject.blueprint.digest().to_string(), "version": subject.blueprint.description().version});
            say_json!(
                "{:#}",
                json!({"old": side(&old), "new": side(&new), "more": words(true), "less": words(false)})
            );
        }
        Format::Text => {
            let side = |subject: &Described| {
                format!(
                    "{}  sha256 {}",
                    subject.blueprint.description().version,
                    subject.blueprint.digest()
                )
            };
            say!("old  {}\nnew  {}", side(&old), side(&new));
            for difference in &found {
                say!(
                    "{} {}",
                    if difference.more { '+' } else { '-' },
                    difference.words
                );
            }
            say!(
                "{}",
                if more {
                    "The new one wants more: look at its grant."
                } else {
                    "The new one wants nothing more."
                }
            );
        }
    }
    Ok(if more { Exit::WantsMore } else { Exit::Stopped })
}
