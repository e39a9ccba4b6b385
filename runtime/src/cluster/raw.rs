//! An object as the API server's JSON, without what nobody reads.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Kubernetes' own JSON of one Event, without `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw(Box<str>);

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    managed_fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resource_version: Option<std::borrow::Cow<'a, str>>,
}

impl Raw {
    /// Takes an object as an API server or `kubectl` prints it, and gives it with its resource version (empty if it has none).
    /// Items of a list come without `kind` and `apiVersion`; they get the ones of an Event.
    pub fn from_object(json: &str) -> Result<(Self, String), serde_json::Error> {
        let outline: Outline<'_> = serde_json::from_str(json)?;
        let mut text = match outline.metadata.managed_fields {
            Some(value) => without_member(json, value.get(), "\"managedFields\""),
            None => json.to_owned(),
        };
        if outline.kind.is_none()
            && let Some(rest) = text.strip_prefix('{')
        {
            text = format!("{{\"kind\":\"Event\",\"apiVersion\":\"v1\",{rest}");
        }
        Ok((Self(text.into()), outline.metadata.resource_version.unwrap_or_default().into_owned()))
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

/// `json` without the member `key`, whose value is the subslice `value` of it, and without one of the commas beside it.
/// The whole text when `value` lies elsewhere or the key isn't in front of it.
fn without_member(json: &str, value: &str, key: &str) -> String {
    let offset = (value.as_ptr() as usize).checked_sub(json.as_ptr() as usize);
    let parts = offset.and_then(|start| Some((json.get(..start)?, json.get(start + value.len()..)?)));
    let cut = parts.and_then(|(before, after)| {
        let before = before.trim_end().strip_suffix(':')?.trim_end().strip_suffix(key)?.trim_end();
        match before.strip_suffix(',') {
            Some(before) => Some((before, after)),
            None => Some((before, after.trim_start().strip_prefix(',').unwrap_or(after))),
        }
    });
    match cut {
        Some((before, after)) => [before, after].concat(),
        None => json.to_owned(),
    }
}
