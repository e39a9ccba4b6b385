//! An event as JSON: the same keys and rules as the sink `stdout`, in every language.
//!
//! | key | what | when |
//! |---|---|---|
//! | `lastTimestamp`, `firstTimestamp`, `observedAt` | RFC 3339 in UTC, see [`moment`] | always |
//! | `type`, `reason`, `message`, `count` | as in Kubernetes | always |
//! | `regarding` | the object that it is about | always |
//! | `namespace`, `name`, `uid`, `resourceVersion` | of the event itself | always |
//! | `component`, `host`, `instance`, `action` | who says so, from where, what was done | if not empty |
//! | `related`, `job` | a second object; the KubeDL job | if there is one |
//! | `region`, `cluster` | the operator's names | if set |
//! | `labels` | of the Pod | if any |
//!
//! An object has `kind`, `namespace`, `name`, `uid`, `apiVersion` and `fieldPath`, without those
//! that are empty.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Event, ObjectReference, Timestamp};

/// An event as JSON text, on one line.
pub fn text(event: &Event) -> String {
    // Can't fail: all keys are texts, and nothing in it refuses to be written.
    serde_json::to_string(&view(event)).unwrap_or_default()
}

/// An event as a part of larger JSON.
pub fn view(event: &Event) -> View<'_> {
    View {
        last_timestamp: moment(&event.last_timestamp),
        type_: &event.type_,
        reason: &event.reason,
        regarding: Reference::from(&event.regarding),
        message: &event.message,
        count: event.count,
        first_timestamp: moment(&event.first_timestamp),
        observed_at: moment(&event.observed_at),
        namespace: &event.namespace,
        name: &event.name,
        uid: &event.uid,
        resource_version: &event.resource_version,
        component: &event.component,
        host: &event.host,
        instance: &event.instance,
        action: &event.action,
        related: event.related.as_ref().map(Reference::from),
        job: event.job.as_ref().map(Reference::from),
        region: event.region.as_deref(),
        cluster: event.cluster.as_deref(),
        labels: event
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
    }
}

/// What [`view`] gives. Keys come in the order in which a person reads them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View<'a> {
    last_timestamp: String,
    #[serde(rename = "type")]
    type_: &'a str,
    reason: &'a str,
    regarding: Reference<'a>,
    message: &'a str,
    count: u32,
    first_timestamp: String,
    observed_at: String,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    component: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instance: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field_path: &'a str,
}

impl<'a> From<&'a ObjectReference> for Reference<'a> {
    fn from(object: &'a ObjectReference) -> Self {
        Self {
            kind: &object.kind,
            namespace: &object.namespace,
            name: &object.name,
            uid: &object.uid,
            api_version: &object.api_version,
            field_path: &object.field_path,
        }
    }
}

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of a year can say.
const SAYABLE: (i64, i64) = (-62_135_596_800, 253_402_300_799);
const DAY: i64 = 86_400;

/// A moment as `2026-11-23T10:32:46Z`, or `2026-11-23T10:32:46.25Z`: as many digits after the
/// second as it has. A moment outside of the years 0001 to 9999 becomes the nearest inside.
pub fn moment(moment: &Timestamp) -> String {
    let seconds = moment.seconds.clamp(SAYABLE.0, SAYABLE.1);
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let whole = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    match moment.nanoseconds.min(999_999_999) {
        0 => whole + "Z",
        rest => format!("{whole}.{}Z", format!("{rest:09}").trim_end_matches('0')),
    }
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Years are counted
/// from March, so that a leap day is the last of its year, and from the year 0 in eras of 400
/// years, all equally long.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March have 31, 30, 31, 30, 31 days, and again: 153 days for five.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
