//! An event as the keys and values of one log.
//!
//! The first twelve keys, their order and their forms are KubeDL's
//! (pkg/storage/backends/events/aliyun_sls/sls_logstore.go wrapSLSLog), so that KubeDL's own reader
//! finds them: one malformed `Count` or time makes it fail for a whole page. The keys after them
//! are additions that it ignores; each is written only where there is a value.

use crate::prelude::{String, ToOwned, format};
use alloc::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::moment;
use crate::{Event, ObjectReference};

/// The longest value, in bytes: SLS takes 1 MB (its page "Log"); read as the smaller of the two
/// megabytes.
pub const LONGEST_VALUE: usize = 1_000_000;

/// The longest source, in bytes (SLS, page "Log").
pub const LONGEST_SOURCE: usize = 128;

/// Log times that SLS takes: from 7 days ago to 15 minutes ahead (its page "PutLogs"). Outside of
/// that it refuses the group.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    earliest: i64,
    latest: i64,
}

impl Window {
    /// Taken off both ends, in seconds: for clocks that differ and for requests that wait.
    pub const MARGIN: i64 = 300;

    /// The window at `now`, seconds since 1970.
    pub fn at(now: i64) -> Window {
        Window {
            earliest: now - 7 * 24 * 3600 + Self::MARGIN,
            latest: now + 15 * 60 - Self::MARGIN,
        }
    }

    /// The nearest second in the window, as protobuf's `uint32` can say it.
    pub fn clamp(self, seconds: i64) -> u32 {
        let seconds = seconds.clamp(self.earliest, self.latest);
        u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
    }
}

/// One event, with what must be formatted first.
pub struct Record<'a> {
    event: &'a Event,
    first: [u8; 20],
    last: [u8; 20],
    last_seconds: i64,
    count: &'a str,
    object_uid: Cow<'a, str>,
    labels: String,
}

impl<'a> Record<'a> {
    /// `digits` is room for the count.
    pub fn new(event: &'a Event, digits: &'a mut itoa::Buffer) -> Record<'a> {
        // A zero time would win every comparison of KubeDL's reader and hide the object's other
        // events.
        let real = |seconds: i64, instead: i64| if seconds > 0 { seconds } else { instead };
        let last_seconds = real(event.last_timestamp.seconds, event.observed_at.seconds);
        let first_seconds = real(event.first_timestamp.seconds, last_seconds);
        Record {
            event,
            first: moment::rfc3339(first_seconds),
            last: moment::rfc3339(last_seconds),
            last_seconds,
            count: digits.format(event.count.min(i32::MAX.unsigned_abs())),
            object_uid: object_uid(event),
            labels: labels(event),
        }
    }

    /// The log's own time: the event's last, moved into the window. The true one is in
    /// `LastTimestamp`.
    pub fn time(&self, window: Window) -> u32 {
        window.clamp(self.last_seconds)
    }

    /// Calls `each` for every key and value, in order; the same at every call.
    pub fn for_each(&self, each: &mut dyn FnMut(&str, &str)) {
        let mut cut_key = "";
        let mut put = |key: &'static str, value: &str| {
            let kept = cut(value, LONGEST_VALUE);
            if kept.len() < value.len() && cut_key.is_empty() {
                cut_key = key;
            }
            each(key, kept);
        };
        self.twelve(&mut put);
        self.additions(&mut |key, value| {
            if !value.is_empty() {
                put(key, value);
            }
        });
        if !cut_key.is_empty() {
            each("Truncated", cut_key);
        }
    }

    fn twelve(&self, put: &mut dyn FnMut(&'static str, &str)) {
        let event = self.event;
        put(
            "FirstTimestamp",
            core::str::from_utf8(&self.first).unwrap_or_default(),
        );
        put(
            "LastTimestamp",
            core::str::from_utf8(&self.last).unwrap_or_default(),
        );
        put("Count", self.count);
        put("Name", &event.name);
        put("Kind", &event.regarding.kind);
        put("ObjUID", &self.object_uid);
        put("ObjNamespace", &event.regarding.namespace);
        put("ObjName", &event.regarding.name);
        put("Type", &event.type_);
        put("Reason", &event.reason);
        put("Message", &event.message);
        if let Some(region) = event.region.as_deref().filter(|region| !region.is_empty()) {
            put("Region", region);
        }
    }

    fn additions(&self, put: &mut dyn FnMut(&'static str, &str)) {
        let event = self.event;
        put("EventUID", &event.uid);
        put("ResourceVersion", &event.resource_version);
        if event.namespace != event.regarding.namespace {
            put("EventNamespace", &event.namespace);
        }
        put("ObjFieldPath", &event.regarding.field_path);
        put("Action", &event.action);
        put("Component", &event.component);
        put("Host", &event.host);
        put("Instance", &event.instance);
        if let Some(job) = &event.job {
            put("Job", &job.name);
            put("JobKind", &job.kind);
            put("JobUID", &job.uid);
        }
        if let Some(related) = &event.related {
            put("RelatedKind", &related.kind);
            put("RelatedNamespace", &related.namespace);
            put("RelatedName", &related.name);
        }
        put("Cluster", event.cluster.as_deref().unwrap_or_default());
        put("Labels", &self.labels);
    }
}

/// What SLS calls the source, as KubeDL writes it: `component/host`, cut to what SLS takes.
pub fn source(component: &str, host: &str) -> String {
    let whole = format!("{component}/{host}");
    cut(&whole, LONGEST_SOURCE).to_owned()
}

/// KubeDL's reader keeps one event for each `ObjUID`: empty ones would collapse all their objects
/// into one.
fn object_uid(event: &Event) -> Cow<'_, str> {
    let ObjectReference {
        kind,
        namespace,
        name,
        uid,
        ..
    } = &event.regarding;
    match (uid.is_empty(), name.is_empty()) {
        (false, _) => Cow::Borrowed(uid),
        (true, false) => Cow::Owned(format!("{kind}/{namespace}/{name}")),
        (true, true) => Cow::Borrowed(if event.uid.is_empty() {
            "unknown"
        } else {
            &event.uid
        }),
    }
}

/// A JSON object, so that SLS can index its members; empty without labels.
fn labels(event: &Event) -> String {
    if event.labels.is_empty() {
        return String::new();
    }
    serde_json::to_string(&Labels(&event.labels)).unwrap_or_default()
}

struct Labels<'a>(&'a [(String, String)]);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// The longest beginning of at most `limit` bytes that ends between two characters.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}
