//! The events that a sink is tried with. Each carries its number in a mark that survives most
//! encodings, so that it is known again in what was sent.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::Raw;
use crate::event::{self, ObjectReference};
use crate::relay::Item;

/// Begins a mark; twelve digits follow. It reads as the end of a UUID.
pub(super) const MARK: &str = "e7e7-";
/// Digits of a mark.
pub(super) const DIGITS: usize = 12;
/// When the events that are made here are seen: 2026-11-23T10:32:46Z.
const SEEN: i64 = 1_795_429_966;
/// Bytes of a message that is long: what core/v1 takes, and etcd stores, is up to 1.5 MiB an
/// object.
const LONG: usize = 1 << 20;

/// The mark of an event.
pub(super) fn mark(number: u64) -> String {
    format!("{MARK}{number:012}")
}

/// An ordinary event of a Pod that a KubeDL job controls.
pub(super) fn ordinary(number: u64) -> Arc<Item> {
    let mark = mark(number);
    let pod = format!("mnist-worker-{}", number % 100);
    let message = format!("Back-off restarting failed container pytorch in pod {pod} ({mark})");
    let (kind, reason) = if number.is_multiple_of(3) {
        ("Warning", "BackOff")
    } else {
        ("Normal", "Started")
    };
    let written = json!({"type": kind, "reason": reason, "message": message, "count": number % 7 + 1, "involvedObject": reference(&pod)});
    item(number, written)
}

fn reference(pod: &str) -> Value {
    json!({"kind": "Pod", "namespace": "train", "name": pod, "uid": "1960766f-9dd9-45cc-a211-df4d9d1a0d3d", "apiVersion": "v1", "fieldPath": "spec.containers{pytorch}"})
}

/// Fills in what every event of the API server has.
fn item(number: u64, mut written: Value) -> Arc<Item> {
    let mark = mark(number);
    let at = Timestamp::from_second(SEEN).unwrap_or(Timestamp::UNIX_EPOCH);
    let metadata = json!({
        "name": format!("mnist.{mark}"),
        "namespace": "train",
        "uid": format!("5b1c5f21-8835-4ae1-{mark}"),
        "resourceVersion": (1000 + number).to_string(),
        "creationTimestamp": "2026-11-23T10:32:40Z",
    });
    let defaults = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": metadata,
        "firstTimestamp": "2026-11-23T10:32:40Z", "lastTimestamp": "2026-11-23T10:32:45Z",
        "source": {"component": "kubelet", "host": "node-1"}, "involvedObject": reference("mnist-worker-0"),
    });
    if let (Value::Object(written), Value::Object(defaults)) = (&mut written, defaults) {
        for (key, value) in defaults {
            written.entry(key).or_insert(value);
        }
    }
    let raw = Raw::stored(written.to_string());
    let options = event::Options {
        region: Some("cn-hangzhou".to_owned()),
        cluster: Some("conformance".to_owned()),
    };
    let normalized = event::normalize(&raw, at, &options);
    // What is written above can be normalized; a test goes through all of it.
    let mut event =
        normalized.unwrap_or_else(|why| unreachable!("an event of the conformance suite: {why}"));
    event.job = Some(ObjectReference {
        api_version: "training.kubedl.io/v1alpha1".to_owned(),
        kind: "PyTorchJob".to_owned(),
        namespace: "train".to_owned(),
        name: "mnist".to_owned(),
        uid: "d495c3c2-d7a1-4a58-abef-073d14797c82".to_owned(),
        field_path: String::new(),
    });
    Arc::new(Item {
        position: i64::try_from(number).unwrap_or(i64::MAX),
        event,
        raw,
    })
}

/// A batch of ordinary events, numbered from `first` on.
pub(crate) fn batch(first: u64, count: usize) -> Vec<Arc<Item>> {
    (first..).take(count).map(ordinary).collect()
}

/// Events with messages of so many bytes, numbered from `first` on.
pub(super) fn long(first: u64, count: usize, bytes: usize) -> Vec<Arc<Item>> {
    (first..)
        .take(count)
        .map(|number| {
            marked(
                number,
                json!({"message": "0123456789abcdef".repeat(bytes / 16)}),
            )
        })
        .collect()
}

/// Events that are allowed, and odd, each with what is odd about it; numbered from `first` on.
pub(super) fn odd(first: u64) -> Vec<(&'static str, Arc<Item>)> {
    let numbered = |place: usize| first + place as u64;
    let messages = texts()
        .into_iter()
        .map(|(what, text)| (what, json!({"message": text})));
    let all: Vec<(&'static str, Value)> = messages.chain(fields()).collect();
    all.into_iter()
        .enumerate()
        .map(|(place, (what, written))| (what, marked(numbered(place), written)))
        .collect()
}

/// With its mark at the end of its message, which may have none elsewhere that a sink sends.
fn marked(number: u64, mut written: Value) -> Arc<Item> {
    let keeps = written.get("keep").is_some();
    if let Value::Object(members) = &mut written {
        members.remove("keep");
        if !keeps {
            let message = members
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let message = format!("{message} {}", mark(number));
            members.insert("message".to_owned(), message.into());
        }
    }
    item(number, written)
}

fn texts() -> Vec<(&'static str, String)> {
    // A few of each plane of Unicode, its ends among them; not its surrogates, which are no
    // characters.
    let planes = (0..=16_u32).flat_map(|plane| {
        [
            0x0021, 0x0391, 0x8000, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff,
        ]
        .map(|low| (plane << 16) | low)
    });
    let controls: String = (0..0x20_u32)
        .chain(0x7f..0xa0)
        .filter_map(char::from_u32)
        .collect();
    vec![
        ("control characters in the message", controls),
        (
            "characters of every plane of Unicode in the message",
            planes.filter_map(char::from_u32).collect(),
        ),
        (
            "line separators and direction marks in the message",
            "a\u{2028}b\u{2029}c\u{202e}d\u{feff}e".to_owned(),
        ),
        (
            "quotes, backslashes and markup in the message",
            "\"\\ ' \\\" \\u0000 </script> ]]> & < > %s %00 ${HOME} {{x}} \\".to_owned(),
        ),
        (
            "many lines in the message",
            "Traceback:\r\n\tfile \"train.py\"\n".repeat(200),
        ),
        ("a message of 1 MiB", "0123456789abcdef".repeat(LONG / 16)),
        (
            "a message of 1 MiB of characters of four bytes",
            "\u{1f600}".repeat(LONG / 4),
        ),
    ]
}

fn fields() -> Vec<(&'static str, Value)> {
    let object = |text: &str| json!({"kind": text, "namespace": text, "name": text, "uid": text, "apiVersion": text, "fieldPath": text});
    let odd = "a b,c;d=e\"f'g/h\\i:j\u{e4}\n{k}";
    vec![
        (
            "no message, type or reason",
            json!({"message": "", "type": "", "reason": "", "keep": true}),
        ),
        ("an object without any field", json!({"involvedObject": {}})),
        ("no source", json!({"source": {}})),
        (
            "an object of the whole cluster",
            json!({"involvedObject": {"kind": "Node", "name": "node-1", "apiVersion": "v1"}}),
        ),
        (
            "an object whose fields have odd characters",
            json!({"involvedObject": object(odd)}),
        ),
        (
            "an object with long fields",
            json!({"involvedObject": object(&"n".repeat(2_000))}),
        ),
        (
            "a type and a reason that no client should write",
            json!({"type": odd, "reason": odd, "action": odd}),
        ),
        (
            "a related object",
            json!({"related": object("related"), "action": "Binding", "reportingComponent": "scheduler", "reportingInstance": "s-1"}),
        ),
        ("the largest count", json!({"count": u32::MAX})),
        (
            "times before 1970",
            json!({"firstTimestamp": "0001-01-01T00:00:00Z", "lastTimestamp": "1969-12-31T23:59:59.999999999Z"}),
        ),
        (
            "times at the end of the year 9999",
            json!({"firstTimestamp": "9999-12-30T22:00:00Z", "lastTimestamp": "9999-12-31T23:59:59Z"}),
        ),
        (
            "no times but that of its creation",
            json!({"firstTimestamp": null, "lastTimestamp": null, "eventTime": null}),
        ),
        (
            "times of microseconds",
            json!({"firstTimestamp": null, "lastTimestamp": null, "eventTime": "2026-11-23T10:32:45.123456Z"}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_events_can_be_made_and_carry_their_marks() {
        for (number, (what, item)) in (7..).zip(odd(7)) {
            assert!(item.event.uid.contains(&mark(number)), "{what}");
        }
        assert_eq!(
            batch(5, 3)
                .iter()
                .map(|item| item.event.resource_version.as_str())
                .collect::<Vec<_>>(),
            ["1005", "1006", "1007"]
        );
    }
}
