//! An Event as JSON, in the shapes of core/v1 and of events.k8s.io/v1
//! (`k8s.io/api/core/v1/types.go`, `k8s.io/api/events/v1/types.go`). Text is borrowed where it has
//! no escapes; null means absent.
//!
//! What is here reads an event as an API server writes it. One that differs is read by
//! [`super::lenient`].

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::reference::ObjectReference;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    #[serde(borrow, default, rename = "type", deserialize_with = "text")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub reason: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub action: Cow<'a, str>,
    #[serde(borrow, default, alias = "note", deserialize_with = "text")]
    pub message: Cow<'a, str>,
    #[serde(default, alias = "deprecatedCount")]
    pub count: Option<i64>,
    #[serde(default, alias = "deprecatedFirstTimestamp")]
    pub first_timestamp: Time,
    #[serde(default, alias = "deprecatedLastTimestamp")]
    pub last_timestamp: Time,
    #[serde(default)]
    pub event_time: Time,
    #[serde(default)]
    pub series: Option<Series>,
    #[serde(borrow, default, alias = "deprecatedSource")]
    pub source: Option<Source<'a>>,
    #[serde(
        borrow,
        default,
        alias = "reportingController",
        deserialize_with = "text"
    )]
    pub reporting_component: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub reporting_instance: Cow<'a, str>,
    #[serde(borrow, default, rename = "involvedObject", alias = "regarding")]
    pub regarding: Option<Reference<'a>>,
    #[serde(borrow, default)]
    pub related: Option<Reference<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub uid: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub resource_version: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub namespace: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    #[serde(default)]
    pub creation_timestamp: Time,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    #[serde(default)]
    pub count: Option<i64>,
    #[serde(default)]
    pub last_observed_time: Time,
}

#[derive(Default, Deserialize)]
pub(super) struct Source<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub component: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub host: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub api_version: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub namespace: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub uid: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub field_path: Cow<'a, str>,
}

impl Reference<'_> {
    pub(super) fn into_reference(self) -> ObjectReference {
        ObjectReference {
            api_version: self.api_version.into_owned(),
            kind: self.kind.into_owned(),
            namespace: self.namespace.into_owned(),
            name: self.name.into_owned(),
            uid: self.uid.into_owned(),
            field_path: self.field_path.into_owned(),
        }
    }
}

/// Days in which the library's time ends ([`Timestamp::MAX`]).
const LAST_DAYS: [&str; 2] = ["9999-12-30T", "9999-12-31T"];

/// Years that nobody means: Go's zero time is the first moment of year 1 in UTC, and so in year 0
/// west of it.
const ZERO_YEARS: [&str; 2] = ["0000-", "0001-"];

/// A time, or none: null, empty, Go's zero time in any zone, and what is no time by RFC 3339 mean
/// that nobody set it.
#[derive(Clone, Copy, Default)]
pub(super) struct Time(pub Option<Timestamp>);

impl Time {
    pub(super) fn of(text: &str) -> Self {
        if text.is_empty() || ZERO_YEARS.iter().any(|year| text.starts_with(year)) {
            return Self(None);
        }
        match text.parse() {
            Ok(time) => Self(Some(time)),
            // The library's last moment comes a day before the last that RFC 3339 can write, which
            // stands for "never" in some clients.
            Err(_) if LAST_DAYS.iter().any(|day| text.starts_with(day)) => {
                Self(Some(Timestamp::MAX))
            }
            // RFC 3339 allows any number of digits behind the point; nanoseconds are nine.
            Err(_) => Self(nine_digits(text).and_then(|text| text.parse().ok())),
        }
    }
}

/// A time with no more than nine digits of a fraction; none where it has no more.
fn nine_digits(text: &str) -> Option<String> {
    let (seconds, rest) = text.split_once('.')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 9).then(|| {
        format!(
            "{seconds}.{}{}",
            rest.get(..9).unwrap_or_default(),
            rest.get(digits..).unwrap_or_default()
        )
    })
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<Text<'de>>::deserialize(deserializer)?;
        Ok(text.map_or(Self(None), |Text(text)| Self::of(&text)))
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map_or(Cow::Borrowed(""), |text| text.0))
}
