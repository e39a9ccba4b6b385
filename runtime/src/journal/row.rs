//! Rows: stored events, each with its place in the order and a checksum.

/// A place in the journal's order; 0 is before the first event.
pub type Position = i64;

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub position: Position,
    /// `*` or a namespace; empty for a dead letter.
    pub scope: String,
    /// When the watcher saw it, in nanoseconds since 1970.
    pub observed_at: i64,
    /// The job as JSON.
    pub job: Option<String>,
    /// Labels as JSON.
    pub labels: Option<String>,
    /// Kubernetes' own JSON.
    pub raw: String,
}

/// The `crc` of a row: CRC-32 (IEEE) of its place, its time, and job, labels and raw JSON each
/// after its length, all numbers little-endian.
pub(super) fn checksum(position: Position, observed_at: i64, texts: [Option<&str>; 3]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(&observed_at.to_le_bytes());
    for text in texts.map(Option::unwrap_or_default) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize()
}
