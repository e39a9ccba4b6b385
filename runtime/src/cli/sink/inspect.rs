//! `kubedl-events sink inspect`.

use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::tasks::Format;
use crate::sink::Description;
use crate::sink::grant::Document;
use crate::sink::grant::wish::{self, Wish};

use super::{Inspect, Subject, load};

pub(super) async fn run(flags: &Inspect) -> anyhow::Result<Exit> {
    let subject = load(&flags.sink, &flags.folders).await?;
    let document = subject.found.grant.as_deref().map(Document::read).transpose()?;
    let wishes = wish::compare(subject.blueprint.description(), document.as_ref().unwrap_or(&Document::default()));
    match flags.format {
        Format::Json => println!("{:#}", as_json(&subject, &wishes)),
        Format::Text => print(&subject, &wishes),
    }
    Ok(Exit::Stopped)
}

fn as_json(subject: &Subject, wishes: &[Wish]) -> Value {
    let Subject { found, size, blueprint } = subject;
    let Description { name, version, summary, batch_events, batch_bytes, .. } = blueprint.description();
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
        "batchEvents": batch_events,
        "batchBytes": batch_bytes,
        "wishes": wishes.collect::<Value>(),
    })
}

fn print(subject: &Subject, wishes: &[Wish]) {
    let Subject { found, size, blueprint } = subject;
    let Description { name, version, summary, batch_events, batch_bytes, .. } = blueprint.description();
    println!("file      {}", found.component.display());
    println!("size      {size} bytes");
    println!("sha256    {}", blueprint.digest());
    println!("contract  kubedl:events@{}", blueprint.outline().contract().unwrap_or_default());
    println!("says      {name} {version}: {summary}");
    let limit = |number: u64, unit: &str| if number == 0 { format!("any number of {unit}") } else { format!("{number} {unit}") };
    println!("batch     {}, {}", limit(u64::from(*batch_events), "events"), limit(*batch_bytes, "bytes"));
    println!("grant     {}", found.grant.as_ref().map_or_else(|| "none: it reaches nothing".to_owned(), |path| path.display().to_string()));
    println!("imports   {}", blueprint.outline().imports.join("\n          "));
    for Wish { kind, name, required, asked, granted } in wishes {
        let asks = if !asked {
            "doesn't ask for it"
        } else if *required {
            "requires it"
        } else {
            "asks for it"
        };
        println!("{kind:<9} {name}: the sink {asks}, {}", if *granted { "granted" } else { "not granted" });
    }
}
