//! What is delivered, as annotations of the Lease. Pure.
//!
//! Two of them, so that a version that knows the first alone understands it still: resource
//! versions, and when each was known to be everything.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::Delivered;
use crate::cluster::Resume;

/// JSON: for each sink, for each scope, the resource version up to which every event is delivered.
pub const DELIVERED: &str = "events.kubedl.io/delivered";
/// JSON: the same with the times, in seconds since 1970, at which all up to there was known to have
/// been seen.
pub const SEEN: &str = "events.kubedl.io/delivered-seen";

/// Bytes of all annotations of an object together (`TotalAnnotationSizeLimitB` of
/// k8s.io/apimachinery/pkg/api/validation/objectmeta.go).
pub const MOST_BYTES: usize = 256 << 10;

type Annotations = BTreeMap<String, String>;

/// An annotation that is not ours to read counts as none, and a time that is not there as unknown.
pub(super) fn read(annotations: &Annotations) -> Delivered {
    fn of<T: serde::de::DeserializeOwned + Default>(annotations: &Annotations, name: &str) -> T {
        annotations
            .get(name)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
    let versions: BTreeMap<String, BTreeMap<String, String>> = of(annotations, DELIVERED);
    let times: BTreeMap<String, BTreeMap<String, u64>> = of(annotations, SEEN);
    let time = |sink: &str, scope: &str| {
        times
            .get(sink)?
            .get(scope)
            .map(|seconds| UNIX_EPOCH + Duration::from_secs(*seconds))
    };
    let resume = |sink: &str, (scope, resource_version): (String, String)| {
        let at = time(sink, &scope).unwrap_or(UNIX_EPOCH);
        (
            scope,
            Resume {
                resource_version,
                at,
            },
        )
    };
    versions
        .into_iter()
        .map(|(sink, scopes)| {
            (
                sink.clone(),
                scopes
                    .into_iter()
                    .map(|entry| resume(&sink, entry))
                    .collect(),
            )
        })
        .collect()
}

/// Writes it beside what others have annotated. What has no room is left out, the largest sinks
/// first: who finds nothing of a sink begins it with the list. Gives the sinks that were left out.
pub(super) fn write(annotations: &mut Annotations, delivered: &Delivered) -> Vec<String> {
    annotations.retain(|name, _| name != DELIVERED && name != SEEN);
    let others: usize = annotations
        .iter()
        .map(|(name, text)| name.len() + text.len())
        .sum();
    let room = MOST_BYTES.saturating_sub(others);
    let mut sinks: Vec<(&String, usize)> = delivered
        .iter()
        .map(|(sink, scopes)| (sink, size(sink, scopes)))
        .collect();
    sinks.sort_by_key(|(_, size)| *size);
    let (mut kept, mut left_out, mut used) = (
        Delivered::new(),
        Vec::new(),
        DELIVERED.len() + SEEN.len() + 4,
    );
    for (sink, size) in sinks {
        used += size;
        match delivered.get(sink) {
            Some(scopes) if used <= room => drop(kept.insert(sink.clone(), scopes.clone())),
            _ => left_out.push(sink.clone()),
        }
    }
    let seconds = |at: SystemTime| {
        at.duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs())
    };
    if used <= room || !kept.is_empty() {
        annotations.insert(
            DELIVERED.to_owned(),
            to_json(&kept, |resume| Some(&resume.resource_version)),
        );
        annotations.insert(
            SEEN.to_owned(),
            to_json(&kept, |resume| {
                Some(seconds(resume.at)).filter(|at| *at > 0)
            }),
        );
    }
    left_out
}

/// As the text of an annotation: what `tell` gives of each scope of each sink.
fn to_json<'a, T: Serialize>(
    delivered: &'a Delivered,
    tell: impl Fn(&'a Resume) -> Option<T>,
) -> String {
    let told: BTreeMap<&String, BTreeMap<&String, T>> = delivered
        .iter()
        .map(|(sink, scopes)| {
            let told = scopes
                .iter()
                .filter_map(|(scope, resume)| Some((scope, tell(resume)?)));
            (sink, told.collect())
        })
        .collect();
    serde_json::to_string(&told).unwrap_or_default()
}

/// Bytes that a sink takes in both annotations, at most.
fn size(sink: &str, scopes: &BTreeMap<String, Resume>) -> usize {
    // Quotes, colons, commas and braces, and a time of up to ten digits; what JSON escapes counts
    // six times.
    let text = |text: &str| {
        text.chars()
            .map(|c| {
                if c == '"' || c == '\\' || c.is_control() {
                    6
                } else {
                    c.len_utf8()
                }
            })
            .sum::<usize>()
    };
    2 * (text(sink) + 6)
        + scopes
            .iter()
            .map(|(scope, resume)| 2 * (text(scope) + 6) + text(&resume.resource_version) + 12)
            .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resume(version: &str, seconds: u64) -> Resume {
        Resume {
            resource_version: version.to_owned(),
            at: UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_an_earlier_version_reads_the_first_annotation() {
        let delivered = Delivered::from([
            (
                "a".to_owned(),
                BTreeMap::from([("*".to_owned(), resume("7", 9))]),
            ),
            ("b".to_owned(), BTreeMap::new()),
        ]);
        let mut annotations = Annotations::new();
        assert!(write(&mut annotations, &delivered).is_empty());
        assert_eq!(read(&annotations), delivered);
        assert_eq!(annotations[DELIVERED], r#"{"a":{"*":"7"},"b":{}}"#);
        annotations.remove(SEEN);
        assert_eq!(
            read(&annotations)["a"]["*"],
            resume("7", 0),
            "when it was seen is unknown"
        );
    }

    #[test]
    fn what_has_no_room_is_left_out_and_the_rest_fits() {
        let scopes = |count: usize| {
            (0..count)
                .map(|scope| (format!("namespace-{scope}"), resume("123456789", 1)))
                .collect::<BTreeMap<_, _>>()
        };
        let delivered = Delivered::from([
            ("large".to_owned(), scopes(6_000)),
            ("small".to_owned(), scopes(3)),
        ]);
        let mut annotations = Annotations::from([("of.others".to_owned(), "x".repeat(1_000))]);
        assert_eq!(write(&mut annotations, &delivered), ["large"]);
        assert_eq!(read(&annotations).keys().collect::<Vec<_>>(), ["small"]);
        annotations.insert("of.others".to_owned(), "x".repeat(MOST_BYTES - 9));
        assert_eq!(write(&mut annotations, &delivered).len(), 2);
        let bytes: usize = annotations
            .iter()
            .map(|(name, text)| name.len() + text.len())
            .sum();
        assert!(bytes <= MOST_BYTES, "{bytes}");
    }
}
