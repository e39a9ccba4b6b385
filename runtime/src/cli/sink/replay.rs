//! `kubedl-events sink replay`.

use std::path::PathBuf;

use clap::Args as Flags;
use serde_json::{Value, json};

use crate::service::Exit;
use crate::service::settings::Format;

use crate::service::Folders;
use crate::workbench::cast::{self, Asked, Bytes, Call, Exchange};
use crate::workbench::{load, playing};

/// Bytes of a text that are shown.
const SHOWN: usize = 120;

/// `sink replay`.
#[derive(Clone, Debug, Flags)]
pub struct Replay {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// What `sink run --record` wrote
    #[arg(value_name = "FILE.cast")]
    pub cast: PathBuf,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub(super) async fn run(flags: &Replay) -> anyhow::Result<Exit> {
    let (head, calls) = cast::read(&flags.cast)?;
    let subject = load(&flags.sink, &flags.folders).await?;
    let came = playing::play(
        &subject.blueprint,
        &head,
        playing::grant(&head, &flags.cast)?,
        &calls,
    )
    .await?;
    let mut differences = Vec::new();
    for ((number, call), (exchanges, outcome)) in (1..).zip(&calls).zip(&came) {
        differ(
            number,
            call,
            exchanges,
            &cast::told(outcome),
            &mut differences,
        );
    }
    let same = subject.blueprint.digest().to_string() == head.sha256;
    match flags.format {
        Format::Json => say_json!(
            "{:#}",
            json!({"calls": calls.len(), "sameComponent": same, "differences": differences})
        ),
        Format::Text => {
            differences
                .iter()
                .for_each(|difference| say!("{difference}"));
            let which = if same {
                "the component that was recorded"
            } else {
                "another component than was recorded"
            };
            say!(
                "{} calls of {which}: {} differences",
                calls.len(),
                differences.len()
            );
        }
    }
    Ok(if differences.is_empty() {
        Exit::Stopped
    } else {
        Exit::Differs
    })
}

fn differ(
    number: usize,
    call: &Call,
    exchanges: &[Exchange],
    outcome: &str,
    differences: &mut Vec<String>,
) {
    let mut say = |what: String| {
        differences.push(format!(
            "call {number} ({}, {} events): {what}",
            call.call,
            call.events.len()
        ))
    };
    if call.exchanges.len() != exchanges.len() {
        say(format!(
            "{} requests, {} were recorded",
            exchanges.len(),
            call.exchanges.len()
        ));
    }
    for (place, (before, now)) in (1..).zip(call.exchanges.iter().zip(exchanges)) {
        if let Some(difference) = request(&before.request, &now.request) {
            say(format!("request {place}: {difference}"));
        }
    }
    if call.outcome != outcome {
        say(format!(
            "the outcome is {:?}, recorded was {:?}",
            cut(outcome),
            cut(&call.outcome)
        ));
    }
}

/// The first difference of two requests.
fn request(before: &Asked, now: &Asked) -> Option<String> {
    if (&before.method, &before.url) != (&now.method, &now.url) {
        return Some(format!(
            "{} {}, recorded was {} {}",
            now.method, now.url, before.method, before.url
        ));
    }
    let missing = |these: &[(String, Bytes)], those: &[(String, Bytes)]| {
        these.iter().find(|header| !those.contains(header)).cloned()
    };
    if let Some((name, value)) = missing(&now.headers, &before.headers) {
        return Some(format!(
            "the header {name}: {} was not recorded",
            shown(&value)
        ));
    }
    if let Some((name, value)) = missing(&before.headers, &now.headers) {
        return Some(format!("the header {name}: {} is missing", shown(&value)));
    }
    if before.body == now.body {
        return None;
    }
    let parsed = |bytes: &Bytes| serde_json::from_slice::<Value>(&bytes.get()).ok();
    if let (Some(before), Some(now)) = (parsed(&before.body), parsed(&now.body))
        && let Some(difference) = value(&before, &now, "body")
    {
        return Some(difference);
    }
    let (before, now) = (before.body.get(), now.body.get());
    let place = before
        .iter()
        .zip(&now)
        .position(|(before, now)| before != now)
        .unwrap_or(before.len().min(now.len()));
    Some(format!(
        "the body differs from byte {place} on; it has {} bytes, recorded were {}",
        now.len(),
        before.len()
    ))
}

/// The first place in which two JSON values differ.
fn value(before: &Value, now: &Value, place: &str) -> Option<String> {
    match (before, now) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old
                .keys()
                .find(|key| !new.contains_key(*key))
                .map(|key| format!("{place}.{key} is missing"));
            let came = || {
                new.keys()
                    .find(|key| !old.contains_key(*key))
                    .map(|key| format!("{place}.{key} was not recorded"))
            };
            let inner = || {
                old.iter()
                    .find_map(|(key, old)| value(old, new.get(key)?, &format!("{place}.{key}")))
            };
            gone.or_else(came).or_else(inner)
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => (0..)
            .zip(old.iter().zip(new))
            .find_map(|(index, (old, new)): (usize, _)| {
                value(old, new, &format!("{place}[{index}]"))
            }),
        (old, new) if old == new => None,
        (old, new) => Some(format!(
            "{place} is {}, recorded was {}",
            cut(&new.to_string()),
            cut(&old.to_string())
        )),
    }
}

fn shown(bytes: &Bytes) -> String {
    cut(&String::from_utf8_lossy(&bytes.get()))
}

fn cut(text: &str) -> String {
    if text.len() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).collect::<String>() + "..."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, header: &str, body: &str) -> Asked {
        let headers = vec![("a".to_owned(), Bytes::of(header.as_bytes()))];
        Asked {
            method: "POST".to_owned(),
            url: url.to_owned(),
            headers,
            body: Bytes::of(body.as_bytes()),
        }
    }

    #[test]
    fn a_request_differs_by_the_first_thing_that_is_different() {
        let before = asked("u", "h", r#"{"a":[1,{"b":2}],"c":3}"#);
        assert_eq!(request(&before, &before), None);
        assert_eq!(
            request(&before, &asked("v", "h", "")).unwrap(),
            "POST v, recorded was POST u"
        );
        assert_eq!(
            request(&before, &asked("u", "i", "")).unwrap(),
            "the header a: i was not recorded"
        );
        assert_eq!(
            request(&before, &asked("u", "h", r#"{"a":[1,{"b":4}],"c":3}"#)).unwrap(),
            "body.a[1].b is 4, recorded was 2"
        );
        assert_eq!(
            request(&before, &asked("u", "h", r#"{"a":[1,{"b":2}]}"#)).unwrap(),
            "body.c is missing"
        );
        assert_eq!(
            request(&before, &asked("u", "h", "x")).unwrap(),
            "the body differs from byte 0 on; it has 1 bytes, recorded were 23"
        );
    }
}
