//! An object as the API server's JSON, without what nobody reads; and what can't be read as one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Kubernetes' own JSON of one Event, without `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Box<str>);

/// Something that stands where an event should, and can't be read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// As it came; bytes that are not UTF-8 are U+FFFD.
    pub text: String,
    /// What is wrong, and where, for people.
    pub reason: String,
    /// The same for the log: each kind is said by itself.
    pub kind: &'static str,
}

/// The members that tell what an object is. A key that is there twice has its last value, as in Go
/// and jq.
#[derive(Default)]
pub(super) struct Outline<'a> {
    pub kind: Option<&'a RawValue>,
    pub api_version: Option<&'a RawValue>,
    pub metadata: Option<&'a RawValue>,
    pub items: Option<&'a RawValue>,
    /// Of a watch: `ADDED` and the like.
    pub change: Option<&'a RawValue>,
    /// Of a watch.
    pub object: Option<&'a RawValue>,
    /// Of eventrouter: `ADDED` or `UPDATED`.
    pub verb: Option<&'a RawValue>,
    /// Of eventrouter.
    pub event: Option<&'a RawValue>,
    pub involved_object: Option<&'a RawValue>,
    pub regarding: Option<&'a RawValue>,
    /// Of a Status.
    pub message: Option<&'a RawValue>,
}

impl<'a> Outline<'a> {
    /// Of a JSON object.
    pub(super) fn of(json: &'a str) -> Result<Self, serde_json::Error> {
        const NAMES: [&str; 11] = [
            "kind",
            "apiVersion",
            "metadata",
            "items",
            "type",
            "object",
            "verb",
            "event",
            "involvedObject",
            "regarding",
            "message",
        ];
        let [
            kind,
            api_version,
            metadata,
            items,
            change,
            object,
            verb,
            event,
            involved_object,
            regarding,
            message,
        ] = members(json, &NAMES)?;
        Ok(Self {
            kind,
            api_version,
            metadata,
            items,
            change,
            object,
            verb,
            event,
            involved_object,
            regarding,
            message,
        })
    }

    /// Whether `metadata` is an object.
    pub(super) fn has_metadata(&self) -> bool {
        is_object(self.metadata)
    }

    /// Whether it says what it is about, as an event does.
    pub(super) fn is_about_something(&self) -> bool {
        self.involved_object.is_some() || self.regarding.is_some()
    }
}

/// Whether a value is there, and an object.
pub(super) fn is_object(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get().starts_with('{'))
}

/// A value's text, as [`scalar`] has it; none for a string that can't be read, too.
pub(super) fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    scalar(value?.get()).ok().flatten()
}

/// The text of a JSON value: that of a string, or of a number or truth value as it is written; none
/// for anything else.
///
/// # Errors
/// When it is a string that can't be read, as half of a surrogate pair.
pub(crate) fn scalar(json: &str) -> Result<Option<Cow<'_, str>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(match json.as_bytes().first() {
        Some(b'"') => Some(serde_json::from_str::<Text<'_>>(json)?.0),
        Some(b'-' | b'0'..=b'9' | b't' | b'f') => Some(Cow::Borrowed(json)),
        _ => None,
    })
}

/// The values of some members of a JSON object; null is as if it were absent.
pub(super) fn members<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let values = deserializer.deserialize_map(Members(names))?;
    deserializer.end()?;
    Ok(values)
}

struct Members<'n, const N: usize>(&'n [&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(place) = map.next_key_seed(Name(self.0))? {
            match place.and_then(|place| values.get_mut(place)) {
                Some(value) => *value = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

/// A key's place among names.
struct Name<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

impl Raw {
    /// Takes an object as an API server or `kubectl` prints it, and gives it with its resource
    /// version (empty if it has none). Items of a list come without `kind` and `apiVersion`; they
    /// get the ones of an Event.
    ///
    /// # Errors
    /// When it is no JSON object, or has no metadata.
    pub fn from_object(json: &str) -> Result<(Self, String), serde_json::Error> {
        let outline = Outline::of(json)?;
        let metadata = outline
            .metadata
            .filter(|_| outline.has_metadata())
            .ok_or_else(|| serde_json::Error::custom("it has no metadata"))?;
        let [managed_fields, resource_version] =
            members(metadata.get(), &["managedFields", "resourceVersion"])?;
        let mut text = match managed_fields {
            Some(value) => without_member(json, value.get(), "\"managedFields\""),
            None => json.to_owned(),
        };
        if outline.kind.is_none()
            && let Some(rest) = text.trim_start().strip_prefix('{')
        {
            let group = match (outline.api_version, outline.regarding) {
                (Some(_), _) => "",
                (None, Some(_)) if outline.involved_object.is_none() => {
                    "\"apiVersion\":\"events.k8s.io/v1\","
                }
                (None, _) => "\"apiVersion\":\"v1\",",
            };
            text = format!("{{\"kind\":\"Event\",{group}{rest}");
        }
        let resource_version = self::text(resource_version)
            .unwrap_or_default()
            .into_owned();
        Ok((Self(text.into()), resource_version))
    }

    /// Takes what [`Raw::json`] gave before.
    pub fn stored(json: String) -> Self {
        Self(json.into())
    }

    /// The JSON text, without a copy.
    pub fn into_json(self) -> String {
        self.0.into()
    }

    /// The JSON text.
    pub fn json(&self) -> &str {
        &self.0
    }
}

/// `json` without the member `key`, whose value is the subslice `value` of it, and without one of
/// the commas beside it. The whole text when `value` lies elsewhere or the key isn't in front of
/// it.
fn without_member(json: &str, value: &str, key: &str) -> String {
    let offset = (value.as_ptr() as usize).checked_sub(json.as_ptr() as usize);
    let parts =
        offset.and_then(|start| Some((json.get(..start)?, json.get(start + value.len()..)?)));
    let cut = parts.and_then(|(before, after)| {
        let before = before
            .trim_end()
            .strip_suffix(':')?
            .trim_end()
            .strip_suffix(key)?
            .trim_end();
        match before.strip_suffix(',') {
            Some(before) => Some((before, after)),
            None => Some((
                before,
                after.trim_start().strip_prefix(',').unwrap_or(after),
            )),
        }
    });
    match cut {
        Some((before, after)) => [before, after].concat(),
        None => json.to_owned(),
    }
}
