//! Tags, within what Graphite can find and store.
//!
//! Graphite joins an event's tags with spaces into one column of 255 characters, and django-tagging
//! takes that apart again: a space splits a tag, a comma anywhere makes commas the only separators,
//! a double quote loses the tag. A tag has 50 characters at most (`MAX_TAG_LENGTH`). SQLite lets
//! longer ones pass; PostgreSQL and MySQL answer 500.

use kubedl_events_sink::Event;

/// Characters of a tag (graphite-web 1.1.10, settings.py).
const LONGEST: usize = 50;
/// Characters of all tags together with the spaces between (graphite-web 1.1.10,
/// events/migrations).
const LONGEST_OF_ALL: usize = 255;

/// The tags of an event that make it known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `uid:UID`, of the event itself.
    pub uid: String,
    /// `rv:RESOURCEVERSION`.
    pub resource_version: String,
}

impl Identity {
    /// Of this event; `None` where the tags don't say it in full.
    pub fn of(event: &Event) -> Option<Self> {
        let [uid, resource_version] =
            [("uid:", &event.uid), ("rv:", &event.resource_version)].map(|(prefix, value)| {
                let whole = format!("{prefix}{value}");
                (!value.is_empty() && clean(&whole) == whole).then_some(whole)
            });
        Some(Self {
            uid: uid?,
            resource_version: resource_version?,
        })
    }
}

/// All tags of an event: `Warning BackOff Pod ns:train name:p job:mnist kubelet cluster:prod uid:..
/// rv:..`, without the least useful ones where they are too long together.
pub fn tags(event: &Event) -> Vec<String> {
    let job = event.job.as_ref().map_or("", |job| &job.name);
    // With the order in which they are dropped; what makes the event known again never is.
    let all = [
        ("", event.type_.as_str(), 6),
        ("", &event.reason, 8),
        ("", &event.regarding.kind, 7),
        ("ns:", &event.regarding.namespace, 5),
        ("name:", &event.regarding.name, 4),
        ("job:", job, 3),
        ("", &event.component, 1),
        ("cluster:", event.cluster.as_deref().unwrap_or_default(), 2),
        ("uid:", &event.uid, 9),
        ("rv:", &event.resource_version, 9),
    ];
    let mut kept: Vec<(String, u8)> = Vec::with_capacity(all.len());
    for (prefix, value, worth) in all.into_iter().filter(|(_, value, _)| !value.is_empty()) {
        let tag = clean(&format!("{prefix}{value}"));
        if kept.iter().all(|(other, _)| *other != tag) {
            kept.push((tag, worth));
        }
    }
    while length(&kept) > LONGEST_OF_ALL {
        let Some(least) = kept.iter().map(|(_, worth)| *worth).min() else {
            break;
        };
        kept.retain(|(_, worth)| *worth != least);
    }
    kept.into_iter().map(|(tag, _)| tag).collect()
}

fn length(tags: &[(String, u8)]) -> usize {
    tags.iter()
        .map(|(tag, _)| tag.chars().count() + 1)
        .sum::<usize>()
        .saturating_sub(1)
}

/// Replaces what would take a tag apart, and cuts it.
fn clean(tag: &str) -> String {
    let clean = |c: char| {
        if c.is_whitespace() || c.is_control() || matches!(c, ',' | '"') {
            '_'
        } else {
            c
        }
    };
    tag.chars().take(LONGEST).map(clean).collect()
}
