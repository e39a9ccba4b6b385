//! An event in the form of Graphite: what, tags, when, data.

use kubedl_events_sink::Event;
use serde::Serialize;

use crate::tags::{Identity, tags};

/// Characters of `what` (graphite-web 1.1.10, events/models.py).
const LONGEST_WHAT: usize = 255;
/// Characters of `data`. Django refuses bodies over 2.5 MB (`DATA_UPLOAD_MAX_MEMORY_SIZE`), and one
/// character may become six bytes of JSON.
const LONGEST_DATA: usize = 100_000;
/// 1970-01-01 to 9999-12-30: what Python and the databases can say in every time zone; others
/// become the nearest.
const SAYABLE: (i64, i64) = (0, 253_402_214_399);

/// What Graphite stores of one version of an event. Fields are those of `POST /events/`, but for
/// the last ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// `BackOff: Pod/p`; Grafana's title.
    pub what: String,
    /// See [`tags`].
    pub tags: Vec<String>,
    /// `lastTimestamp`, in whole seconds since 1970.
    pub seconds: i64,
    /// The rest of it.
    pub nanoseconds: u32,
    /// The message; Grafana's text.
    pub data: String,
    /// By which it is known again.
    pub identity: Option<Identity>,
}

impl From<&Event> for Annotation {
    fn from(event: &Event) -> Self {
        let object = [&event.regarding.kind, &event.regarding.name].map(String::as_str);
        let object = object
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        let what = [event.reason.as_str(), &object]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        // Graphite wants a `what`.
        let what = if what.is_empty() {
            event.name.clone()
        } else {
            what
        };
        let seconds = event.last_timestamp.seconds.clamp(SAYABLE.0, SAYABLE.1);
        Self {
            what: what
                .chars()
                .take(LONGEST_WHAT)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            tags: tags(event),
            seconds,
            nanoseconds: if seconds == event.last_timestamp.seconds {
                event.last_timestamp.nanoseconds.min(999_999_999)
            } else {
                0
            },
            data: data(&event.message),
            identity: Identity::of(event),
        }
    }
}

/// Older versions of Grafana render HTML; PostgreSQL refuses U+0000.
fn data(message: &str) -> String {
    let characters = message
        .chars()
        .take(LONGEST_DATA)
        .map(|c| if c == '\0' { '\u{fffd}' } else { c });
    let mut data = characters.collect::<String>().replace('<', "&lt;");
    if message.chars().nth(LONGEST_DATA).is_some() {
        data.push_str(" ... (cut)");
    }
    data
}

impl Annotation {
    /// The body of `POST /events/`.
    pub fn json(&self, tags_as_string: bool) -> Vec<u8> {
        let when = match self.nanoseconds {
            0 => When::Seconds(self.seconds),
            rest => When::Fraction(self.seconds as f64 + f64::from(rest) / 1e9),
        };
        let tags = if tags_as_string {
            Tags::Text(self.tags.join(" "))
        } else {
            Tags::List(&self.tags)
        };
        // Can't fail: all keys are texts, and nothing in it refuses to be written.
        serde_json::to_vec(&Body {
            what: &self.what,
            tags,
            when,
            data: &self.data,
        })
        .unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    what: &'a str,
    tags: Tags<'a>,
    when: When,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Tags<'a> {
    List(&'a [String]),
    Text(String),
}

#[derive(Serialize)]
#[serde(untagged)]
enum When {
    Seconds(i64),
    Fraction(f64),
}
