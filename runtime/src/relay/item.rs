//! A row of the journal, as a destination gets it.

use jiff::Timestamp;

use crate::cluster::Raw;
use crate::event::{self, Event};
use crate::journal::{Position, Row};

/// One event to save.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its place in the journal.
    pub position: Position,
    /// Normalized.
    pub event: Event,
    /// Kubernetes' own JSON.
    pub raw: Raw,
}

impl Item {
    /// Normalizes a row again; what is derived is not stored.
    pub fn from_row(row: Row, options: &event::Options) -> Result<Self, event::Error> {
        let raw = Raw::stored(row.raw);
        let observed_at = Timestamp::from_nanosecond(i128::from(row.observed_at))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let mut event = event::normalize(&raw, observed_at, options)?;
        event.job = row.job.and_then(|json| serde_json::from_str(&json).ok());
        if let Some(labels) = row.labels.and_then(|json| {
            serde_json::from_str::<std::collections::BTreeMap<String, String>>(&json).ok()
        }) {
            event.labels = labels.into_iter().collect();
        }
        Ok(Self {
            position: row.position,
            event,
            raw,
        })
    }
}
