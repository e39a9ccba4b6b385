//! An Event that is not written as an API server writes one: a field that can't be read costs
//! itself, not the event.
//!
//! A key that is there twice has its last value, as in Go and jq. Of a field that has both APIs'
//! names, core/v1's wins where it says something. A number or truth value in the place of a text is
//! the text as it is written, and a number in quotes is that number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::cluster::scalar;

use super::wire::{Event, Metadata, Reference, Series, Source, Time};

/// The members of an object, in their order.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    members.push(pair);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A JSON string in which each half of a surrogate pair stands for U+FFFD, as Go writes it; none
/// where that is not what is wrong with it.
fn mended(json: &str) -> Option<String> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    let mut bytes = serde_json::Deserializer::from_str(json)
        .deserialize_bytes(Bytes)
        .ok()?;
    // serde_json writes them as UTF-8 would, if it could: ED A0..BF 80..BF.
    let mut at = 0;
    while let Some(three) = bytes.get_mut(at..at + 3) {
        if matches!(three, [0xed, 0xa0..=0xbf, _]) {
            three.copy_from_slice("\u{fffd}".as_bytes());
        }
        at += 1;
    }
    String::from_utf8(bytes).ok()
}

/// Reads an event.
///
/// # Errors
/// When it is no JSON object, or one of its texts is none that JSON can have.
pub(super) fn read(json: &str) -> Result<Event<'_>, serde_json::Error> {
    let event: Members<'_> = serde_json::from_str(json)?;
    let metadata = event.inner("metadata")?;
    let series = event.inner("series")?;
    Ok(Event {
        metadata: Metadata {
            uid: metadata.text("uid")?,
            resource_version: metadata.text("resourceVersion")?,
            namespace: metadata.text("namespace")?,
            name: metadata.text("name")?,
            creation_timestamp: metadata.time("creationTimestamp")?,
        },
        kind: event.text("type")?,
        reason: event.text("reason")?,
        action: event.text("action")?,
        message: or(event.text("message")?, event.text("note")?),
        count: event
            .positive("count")?
            .or(event.positive("deprecatedCount")?),
        first_timestamp: earlier(
            event.time("firstTimestamp")?,
            event.time("deprecatedFirstTimestamp")?,
        ),
        last_timestamp: earlier(
            event.time("lastTimestamp")?,
            event.time("deprecatedLastTimestamp")?,
        ),
        event_time: event.time("eventTime")?,
        series: Some(Series {
            count: series.positive("count")?,
            last_observed_time: series.time("lastObservedTime")?,
        }),
        source: Some(source(
            &event.inner("source")?,
            &event.inner("deprecatedSource")?,
        )?),
        reporting_component: or(
            event.text("reportingComponent")?,
            event.text("reportingController")?,
        ),
        reporting_instance: event.text("reportingInstance")?,
        regarding: Some(match reference(&event.inner("involvedObject")?)? {
            Some(object) => object,
            None => reference(&event.inner("regarding")?)?.unwrap_or_default(),
        }),
        related: reference(&event.inner("related")?)?,
    })
}

fn or<'a>(first: Cow<'a, str>, second: Cow<'a, str>) -> Cow<'a, str> {
    if first.is_empty() { second } else { first }
}

/// The first of two times that is there.
fn earlier(first: Time, second: Time) -> Time {
    Time(first.0.or(second.0))
}

fn source<'a>(
    core: &Members<'a>,
    deprecated: &Members<'a>,
) -> Result<Source<'a>, serde_json::Error> {
    let text = |key| Ok::<_, serde_json::Error>(or(core.text(key)?, deprecated.text(key)?));
    Ok(Source {
        component: text("component")?,
        host: text("host")?,
    })
}

/// None where nothing of it is there.
fn reference<'a>(object: &Members<'a>) -> Result<Option<Reference<'a>>, serde_json::Error> {
    let reference = Reference {
        api_version: object.text("apiVersion")?,
        kind: object.text("kind")?,
        namespace: object.text("namespace")?,
        name: object.text("name")?,
        uid: object.text("uid")?,
        field_path: object.text("fieldPath")?,
    };
    let parts = [
        &reference.api_version,
        &reference.kind,
        &reference.namespace,
        &reference.name,
        &reference.uid,
        &reference.field_path,
    ];
    let there = parts.iter().any(|part| !part.is_empty());
    Ok(there.then_some(reference))
}

impl<'a> Members<'a> {
    /// The last value of a key.
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.get())
    }

    /// An object in it; one without members where there is none.
    fn inner(&self, key: &str) -> Result<Self, serde_json::Error> {
        self.get(key)
            .filter(|json| json.starts_with('{'))
            .map_or_else(|| Ok(Self::default()), serde_json::from_str)
    }

    fn text(&self, key: &str) -> Result<Cow<'a, str>, serde_json::Error> {
        let Some(json) = self.get(key) else {
            return Ok(Cow::Borrowed(""));
        };
        // Half of a surrogate pair, where a tool cut a text.
        scalar(json)
            .or_else(|why| mended(json).map(|text| Some(Cow::Owned(text))).ok_or(why))
            .map(Option::unwrap_or_default)
    }

    fn time(&self, key: &str) -> Result<Time, serde_json::Error> {
        let text = if self.get(key).is_some_and(|json| json.starts_with('"')) {
            self.text(key)?
        } else {
            Cow::Borrowed("")
        };
        Ok(Time::of(&text))
    }

    /// A number that is more than zero, without its fraction; beyond 64 bits the largest there is.
    fn positive(&self, key: &str) -> Result<Option<i64>, serde_json::Error> {
        let text = self.text(key)?;
        let text = text.trim();
        let number = text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok().filter(|number: &f64| !number.is_nan())?;
            // Saturates.
            Some(number as i64)
        });
        Ok(number.filter(|number| *number > 0))
    }
}
