//! `kubedl-events dead-letters`.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::journal::{Letter, Reader};
use crate::shown::shown;

use super::gaps::when;
use super::tasks::{Choice, DeadLetters, Look};

use crate::service::Exit;
use crate::service::control::{self, Letters, Request};
use crate::service::home::{journal_of, recorded};
use crate::service::settings::Format;

/// Letters read at once.
const PAGE: usize = 500;

pub(super) async fn run(task: &DeadLetters) -> anyhow::Result<Exit> {
    match task {
        DeadLetters::List { sink, look } => list(sink.as_deref(), look)?,
        DeadLetters::Show { id, look } => show(*id, look)?,
        DeadLetters::Retry { choice, look } => {
            let folder = journal_of(&look.data_dir);
            is_known(choice, &folder)?;
            say_unstorable(choice, &folder)?;
            let changed = control::ask(&folder, Request::Retry(letters(choice))).await?;
            let when = match recorded(&folder) {
                Some(file) => format!(
                    "when the recording is read again: kubedl-events --from {file} with the data folder and the sinks of before"
                ),
                None => "by the sinks, now or at the next start".to_owned(),
            };
            say(
                look,
                "retried",
                changed,
                &format!("will be tried again {when}"),
            );
        }
        DeadLetters::Drop { choice, look } => {
            let folder = journal_of(&look.data_dir);
            is_known(choice, &folder)?;
            let changed = control::ask(&folder, Request::Drop(letters(choice))).await?;
            say(look, "dropped", changed, "dropped");
        }
    }
    Ok(Exit::Stopped)
}

/// A number or a sink's name that is mistyped is no sink without dead letters.
fn is_known(choice: &Choice, folder: &Path) -> anyhow::Result<()> {
    let Some(sink) = &choice.sink else {
        let reader = Reader::open(folder)?;
        return choice
            .ids
            .iter()
            .try_for_each(|id| find(&reader, *id).map(|_| ()));
    };
    let known: Vec<String> = Reader::open(folder)?
        .standings()?
        .into_iter()
        .map(|standing| standing.sink)
        .collect();
    if !known.contains(sink) {
        bail!(
            "the journal knows no sink {sink}: it knows {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        );
    }
    Ok(())
}

/// What is no event goes to no sink.
fn say_unstorable(choice: &Choice, folder: &Path) -> anyhow::Result<()> {
    let reader = Reader::open(folder)?;
    for id in &choice.ids {
        if find(&reader, *id)?.sink.is_empty() {
            note!(
                "dead letter {id} could not be read as an event, so that no sink can store it: `dead-letters show {id}` shows it, `drop {id}` throws it away."
            );
        }
    }
    Ok(())
}

fn find(reader: &Reader, id: i64) -> anyhow::Result<Letter> {
    let found = reader
        .letters(None, id.saturating_sub(1), 1)?
        .pop()
        .filter(|letter| letter.id == id);
    found.with_context(|| {
        format!(
            "there is no dead letter {id}: `kubedl-events dead-letters list` shows which there are"
        )
    })
}

fn letters(choice: &Choice) -> Letters {
    choice
        .sink
        .clone()
        .map_or_else(|| Letters::Ids(choice.ids.clone()), Letters::Sink)
}

fn say(look: &Look, key: &str, changed: u64, words: &str) {
    match look.format {
        Format::Json => say_json!("{}", json!({ key: changed })),
        Format::Text => say!(
            "{changed} dead letter{} {words}.",
            if changed == 1 { "" } else { "s" }
        ),
    }
}

fn list(sink: Option<&str>, look: &Look) -> anyhow::Result<()> {
    let reader = Reader::open(&journal_of(&look.data_dir))?;
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let page = reader.letters(sink, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        match look.format {
            Format::Json => all.extend(page.iter().map(|letter| as_json(letter, false))),
            Format::Text => page.iter().for_each(print),
        }
    }
    match look.format {
        Format::Json => say_json!("{:#}", Value::Array(all)),
        Format::Text if after == 0 => say!("No dead letters."),
        Format::Text => {}
    }
    Ok(())
}

fn show(id: i64, look: &Look) -> anyhow::Result<()> {
    let reader = Reader::open(&journal_of(&look.data_dir))?;
    let letter = find(&reader, id)?;
    match look.format {
        Format::Json => say_json!("{:#}", as_json(&letter, true)),
        Format::Text => {
            print(&letter);
            match serde_json::from_str::<Value>(&letter.row.raw) {
                Ok(value) => say_json!("{value:#}"),
                Err(_) => say!("{}", letter.row.raw),
            }
        }
    }
    Ok(())
}

/// Name of the event and of what it is about, where the JSON has them.
fn about(letter: &Letter) -> (String, String) {
    let mut event: Value = serde_json::from_str(&letter.row.raw).unwrap_or_default();
    // A line of a watch has it inside.
    if event.get("metadata").is_none()
        && let Some(object) = event.get_mut("object").map(Value::take)
    {
        event = object;
    }
    let text = |path: &str| {
        event
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let name = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
    (
        name,
        format!(
            "{} of {} {}",
            text("/reason"),
            text("/involvedObject/kind"),
            text("/involvedObject/name")
        ),
    )
}

fn print(letter: &Letter) {
    let (name, what) = about(letter);
    let [name, what, reason] = [&name, &what, &letter.reason].map(|text| shown(text));
    let sink = if letter.sink.is_empty() {
        "no sink (not an event)"
    } else {
        &letter.sink
    };
    let again = match letter {
        Letter { requeued: true, .. } => ", to be tried again",
        Letter {
            held_back: true, ..
        } => ", held back: the sink tries it again by itself",
        _ => "",
    };
    say!(
        "{:>6}  {}  {sink}  {name}  {what}",
        letter.id,
        when(letter.died_at)
    );
    let tries = if letter.attempts == 1 {
        "1 try".to_owned()
    } else {
        format!("{} tries", letter.attempts)
    };
    say!("        after {tries}{again}: {reason}");
}

fn as_json(letter: &Letter, whole: bool) -> Value {
    let (name, what) = about(letter);
    let mut value = json!({
        "id": letter.id,
        "sink": letter.sink,
        "position": letter.position,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "diedAt": when(letter.died_at),
        "requeued": letter.requeued,
        "heldBack": letter.held_back,
        "event": name,
        "about": what,
    });
    if whole && let Some(fields) = value.as_object_mut() {
        fields.insert(
            "raw".to_owned(),
            serde_json::from_str(&letter.row.raw)
                .unwrap_or_else(|_| Value::String(letter.row.raw.clone())),
        );
    }
    value
}
