//! A log as it is read: one flat JSON object of strings.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::sls::StoredLog;

/// Source, time and topic, then the contents in the order written, then the tags (py
/// `pulllog_response.py`, go `GetLogsV3`).
pub(super) struct Flat<'a>(pub(super) &'a StoredLog);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let log = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("__source__", &log.source)?;
        map.serialize_entry("__time__", &log.time.to_string())?;
        if let Some(nanoseconds) = log.time_ns {
            map.serialize_entry("__time_ns_part__", &nanoseconds.to_string())?;
        }
        map.serialize_entry("__topic__", &log.topic)?;
        for (key, value) in &log.contents {
            map.serialize_entry(key, value)?;
        }
        for (key, value) in &log.tags {
            map.serialize_entry(&format!("__tag__:{key}"), value)?;
        }
        map.end()
    }
}
