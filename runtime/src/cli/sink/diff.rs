//! `kubedl-events sink diff`.

use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::tasks::Format;
use crate::sink::grant::wish;

use super::{Diff, Subject, load};

pub(super) async fn run(flags: &Diff) -> anyhow::Result<Exit> {
    let (old, new) = (
        load(&flags.old, &flags.folders).await?,
        load(&flags.new, &flags.folders).await?,
    );
    let wants = |subject: &'_ Subject| {
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
            let side = |subject: &Subject| json!({"sha256": subject.blueprint.digest().to_string(), "version": subject.blueprint.description().version});
            say_json!(
                "{:#}",
                json!({"old": side(&old), "new": side(&new), "more": words(true), "less": words(false)})
            );
        }
        Format::Text => {
            let side = |subject: &Subject| {
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
