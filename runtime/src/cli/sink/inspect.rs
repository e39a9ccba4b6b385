//! `kubedl-events sink inspect`.

use clap::Args as Flags;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::service::Exit;
use crate::service::settings::Format;
use crate::shown::list;
use crate::sink::grant::Document;
use crate::sink::grant::wish::{self, Wish};
use crate::sink::loading::Form;
use crate::sink::{Description, Found};

use crate::service::Folders;
use crate::workbench::{Described, load};

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

pub(super) async fn run(flags: &Inspect) -> anyhow::Result<Exit> {
    let subject = load(&flags.sink, &flags.folders).await?;
    let document = subject
        .found
        .grant
        .as_deref()
        .map(Document::read)
        .transpose()?;
    let wishes = wish::compare(
        subject.blueprint.description(),
        document.as_ref().unwrap_or(&Document::default()),
    );
    match flags.format {
        Format::Json => say_json!("{:#}", as_json(&subject, &wishes)),
        Format::Text => print(&subject, &wishes),
    }
    Ok(Exit::Stopped)
}

/// A grant beside a component that did not come with the program: what its author wishes, in words.
fn beside(found: &Found) -> Option<(PathBuf, String)> {
    let file = found.component.file_name()?.to_str()?;
    let stem = Form::of(file).map_or(file, |(stem, _)| stem);
    let path = found.component.with_file_name(format!("{stem}.yaml"));
    if found.shipped || found.grant.as_ref() == Some(&path) || !path.is_file() {
        return None;
    }
    let words = Document::read(&path).map_or_else(
        |why| format!("nothing: {why}"),
        |grant| {
            let (names, hosts): (Vec<&str>, Vec<&str>) =
                (grant.names().collect(), grant.hosts().collect());
            let of = |what: &str, all: &[&str]| {
                if all.is_empty() {
                    format!("no {what}")
                } else {
                    format!("the {what} {}", list(all))
                }
            };
            format!(
                "{} and {}",
                of("variables", &names),
                of("destinations", &hosts)
            )
        },
    );
    Some((path, words))
}

fn as_json(subject: &Described, wishes: &[Wish]) -> Value {
    let Described {
        found,
        size,
        blueprint,
    } = subject;
    let Description {
        name,
        version,
        summary,
        batch_events,
        batch_bytes,
        ..
    } = blueprint.description();
    let wishes = wishes
        .iter()
        .map(|wish| json!({"kind": wish.kind, "name": wish.name, "required": wish.required, "asked": wish.asked, "granted": wish.granted}));
    json!({
        "file": found.component,
        "size": size,
        "sha256": blueprint.digest().to_string(),
        "contract": blueprint.outline().contract(),
        "name": name,
        "version": version,
        "summary": summary,
        "imports": blueprint.outline().imports,
        "grant": found.grant,
        "beside": beside(found).map(|(path, _)| path),
        "batchEvents": batch_events,
        "batchBytes": batch_bytes,
        "wishes": wishes.collect::<Value>(),
    })
}

fn print(subject: &Described, wishes: &[Wish]) {
    let Described {
        found,
        size,
        blueprint,
    } = subject;
    let Description {
        name,
        version,
        summary,
        batch_events,
        batch_bytes,
        ..
    } = blueprint.description();
    say!("file      {}", found.component.display());
    say!("size      {size} bytes");
    say!("sha256    {}", blueprint.digest());
    say!(
        "contract  kubedl:events@{}",
        blueprint.outline().contract().unwrap_or_default()
    );
    say!("says      {name} {version}: {summary}");
    let limit = |number: u64, unit: &str| {
        if number == 0 {
            format!("any number of {unit}")
        } else {
            format!("{number} {unit}")
        }
    };
    say!(
        "batch     {}, {}",
        limit(u64::from(*batch_events), "events"),
        limit(*batch_bytes, "bytes")
    );
    say!(
        "grant     {}",
        found.grant.as_ref().map_or_else(
            || "none: it reaches nothing".to_owned(),
            |path| path.display().to_string()
        )
    );
    if let Some((path, wish)) = beside(found) {
        say!(
            "beside    {}: a grant that counts for nothing here, as it lies beside a foreign component; it would give {wish}",
            path.display()
        );
    }
    say!(
        "imports   {}",
        blueprint.outline().imports.join("\n          ")
    );
    wishes.iter().for_each(print_wish);
}

fn print_wish(wish: &Wish) {
    let Wish {
        kind,
        name,
        required,
        asked,
        granted,
    } = wish;
    let asks = if !asked {
        "doesn't ask for it"
    } else if *required {
        "requires it"
    } else {
        "asks for it"
    };
    say!(
        "{kind:<9} {name}: the sink {asks}, {}",
        if *granted { "granted" } else { "not granted" }
    );
}
