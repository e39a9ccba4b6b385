//! What an expression can read of an event.

use std::collections::HashMap;

use cel::Value;
use cel::common::types::{CelInt, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use jiff::Timestamp;

use crate::event::{Event, ObjectReference};

/// Types of an expression's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// A whole number that is not negative: `1u`.
    Uint,
    /// A number with a fraction.
    Double,
    /// A text.
    String,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A length of time.
    Duration,
    /// A Kubernetes object that an event points at.
    Object,
    /// A list.
    List,
    /// A map.
    Map,
    /// null.
    Null,
    /// Known only when it runs.
    Any,
}

/// Fields of an event: name, type, meaning.
pub const FIELDS: [(&str, Type, &str); 20] = [
    (
        "type",
        Type::String,
        "`Normal`, `Warning`, or whatever a client wrote",
    ),
    (
        "reason",
        Type::String,
        "a short word for machines, such as `BackOff`",
    ),
    ("message", Type::String, "a sentence for people"),
    ("action", Type::String, "what was done or attempted"),
    ("count", Type::Int, "how often so far; never 0"),
    ("firstTimestamp", Type::Timestamp, "when it first happened"),
    ("lastTimestamp", Type::Timestamp, "when it last happened"),
    ("observedAt", Type::Timestamp, "when the watcher saw it"),
    (
        "__namespace__",
        Type::String,
        "of the event itself; `namespace` is a reserved word of CEL, and Kubernetes writes it so",
    ),
    ("name", Type::String, "of the event itself"),
    ("uid", Type::String, "of the event itself"),
    ("resourceVersion", Type::String, "of the event itself"),
    (
        "component",
        Type::String,
        "who reports it, such as `kubelet`",
    ),
    ("host", Type::String, "the node that reports it"),
    ("instance", Type::String, "the instance of the component"),
    ("regarding", Type::Object, "what it is about"),
    (
        "related",
        Type::Object,
        "a second object; all its fields are empty when there is none",
    ),
    (
        "job",
        Type::Object,
        "the KubeDL job that controls the object; all its fields are empty when there is none",
    ),
    ("region", Type::String, "`--region`, or empty"),
    ("cluster", Type::String, "`--cluster`, or empty"),
];

/// Fields of an object, each a text; empty where Kubernetes left it out.
pub const OBJECT: [&str; 6] = [
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "fieldPath",
];

/// The type of a field of an event.
pub fn field(name: &str) -> Option<Type> {
    FIELDS
        .iter()
        .find(|(field, ..)| *field == name)
        .map(|(_, found, _)| *found)
}

/// An event as an expression reads it: only what it reads is made.
pub(super) struct Fields<'e>(pub &'e Event);

impl VariableResolver for Fields<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let event = self.0;
        let text = |text: &'b str| Some(CowVal::owned(CelString::from(text)));
        if let Some((object, part)) = variable.split_once('.') {
            return text(part_of(self.object(object)?, part)?);
        }
        match variable {
            "type" => text(&event.kind),
            "reason" => text(&event.reason),
            "message" => text(&event.message),
            "action" => text(&event.action),
            "count" => Some(CowVal::owned(CelInt::from(i64::from(event.count)))),
            "firstTimestamp" => time(event.first_timestamp),
            "lastTimestamp" => time(event.last_timestamp),
            "observedAt" => time(event.observed_at),
            "__namespace__" => text(&event.namespace),
            "name" => text(&event.name),
            "uid" => text(&event.uid),
            "resourceVersion" => text(&event.resource_version),
            "component" => text(&event.component),
            "host" => text(&event.host),
            "instance" => text(&event.instance),
            "region" => text(event.region.as_deref().unwrap_or_default()),
            "cluster" => text(event.cluster.as_deref().unwrap_or_default()),
            object => whole(self.object(object)?),
        }
    }
}

impl Fields<'_> {
    /// `None` in the inner place: the event has no such object.
    fn object(&self, name: &str) -> Option<Option<&ObjectReference>> {
        match name {
            "regarding" => Some(Some(&self.0.regarding)),
            "related" => Some(self.0.related.as_ref()),
            "job" => Some(self.0.job.as_ref()),
            _ => None,
        }
    }
}

fn part_of<'a>(object: Option<&'a ObjectReference>, part: &str) -> Option<&'a str> {
    let Some(object) = object else {
        return OBJECT.contains(&part).then_some("");
    };
    Some(match part {
        "kind" => &object.kind,
        "namespace" => &object.namespace,
        "name" => &object.name,
        "uid" => &object.uid,
        "apiVersion" => &object.api_version,
        "fieldPath" => &object.field_path,
        _ => return None,
    })
}

/// For `has(job.name)`: only what is not empty is there.
fn whole<'b>(object: Option<&ObjectReference>) -> Option<CowVal<'b, 'b>> {
    let parts: HashMap<String, Value> = OBJECT
        .iter()
        .filter_map(|part| {
            let text = part_of(object, part).filter(|text| !text.is_empty())?;
            Some(((*part).to_owned(), Value::from(text)))
        })
        .collect();
    let value: Box<dyn Val> = Value::from(parts).try_into().ok()?;
    Some(CowVal::Owned(value))
}

fn time<'b>(time: Timestamp) -> Option<CowVal<'b, 'b>> {
    let nanoseconds = u32::try_from(time.subsec_nanosecond()).ok();
    let (seconds, nanoseconds) = match nanoseconds {
        Some(nanoseconds) => (time.as_second(), nanoseconds),
        // Before 1970 jiff counts both from there backwards.
        None => (
            time.as_second() - 1,
            u32::try_from(1_000_000_000 + time.subsec_nanosecond()).ok()?,
        ),
    };
    let time = chrono::DateTime::from_timestamp(seconds, nanoseconds)?.fixed_offset();
    let value: Box<dyn Val> = Value::Timestamp(time).try_into().ok()?;
    Some(CowVal::Owned(value))
}
