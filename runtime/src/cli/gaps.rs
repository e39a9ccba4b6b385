//! `kubedl-events gaps`.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::json;

use crate::journal::{Gap, Reader};
use crate::shown::shown;

use super::tasks::Look;

use crate::service::Exit;
use crate::service::control;
use crate::service::home::journal_of;
use crate::service::settings::Format;

/// Prints all gaps, the oldest first.
pub(super) fn run(look: &Look) -> anyhow::Result<Exit> {
    let reader = Reader::open(&journal_of(&look.data_dir))?;
    // What can't be read has no gap yet: none is no proof then.
    reader.look_at_every_table().map_err(|why| {
        anyhow::anyhow!("{why}. The journal is damaged: the service saves what can be read of it, and notes the rest as gaps, when it is started")
    })?;
    let gaps = reader.gaps()?;
    let running = control::ask_status(&look.data_dir).ok().flatten();
    let trouble = running
        .and_then(|status| status.journal)
        .and_then(|journal| journal.trouble);
    if let Some(trouble) = &trouble {
        note!(
            "The service can't store events at this moment: {trouble}. What it loses by that is noted as a gap when it goes on."
        );
    }
    match look.format {
        Format::Json => say_json!(
            "{:#}",
            gaps.iter().map(as_json).collect::<serde_json::Value>()
        ),
        Format::Text if gaps.is_empty() && trouble.is_some() => say!("No gaps so far."),
        Format::Text if gaps.is_empty() => {
            say!("No gaps: no event is known to be missing, and none can be missing unknown.")
        }
        Format::Text => gaps.iter().for_each(print),
    }
    Ok(Exit::Stopped)
}

/// RFC 3339, to the second.
pub(super) fn when(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}

fn as_json(gap: &Gap) -> serde_json::Value {
    json!({
        "id": gap.id,
        "scope": gap.scope,
        "sink": gap.sink,
        "since": gap.since.map(when),
        "until": gap.until.map(when),
        "sinceVersion": gap.since_version,
        "untilVersion": gap.until_version,
        "certainty": certainty(gap),
        "reason": gap.reason,
    })
}

fn certainty(gap: &Gap) -> &'static str {
    if gap.certain { "certain" } else { "possible" }
}

fn print(gap: &Gap) {
    let since = gap.since.map_or_else(|| "the beginning".to_owned(), when);
    let until = gap
        .until
        .map_or_else(|| "now: the list is still being read".to_owned(), when);
    let scope = match gap.scope.as_deref() {
        None | Some("*") => "all namespaces".to_owned(),
        Some(name) => format!("namespace {name}"),
    };
    let sink = gap
        .sink
        .as_deref()
        .map_or_else(|| "all sinks".to_owned(), |sink| format!("sink {sink}"));
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "?".to_owned());
    say!("{:>4}  {}  {since} to {until}", gap.id, certainty(gap));
    say!(
        "      {scope}, {sink}, resource versions {} to {}",
        version(&gap.since_version),
        version(&gap.until_version)
    );
    say!("      {}", shown(&gap.reason));
}
