//! Files of others on the same volume, which count with the journal: those that can be made again,
//! such as compiled code, go before any event waits for room.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks at how large they are.
const LOOK: Duration = Duration::from_secs(10);

/// A folder of such files.
pub(super) struct Beside {
    folder: Option<PathBuf>,
    /// Bytes, and when they were looked at.
    seen: Option<(u64, Instant)>,
}

impl Beside {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, seen: None }
    }

    fn files(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        let entries = self
            .folder
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten();
        entries.filter_map(|entry| {
            Some((
                entry.path(),
                entry.metadata().ok().filter(fs::Metadata::is_file)?.len(),
            ))
        })
    }

    /// How many bytes there are, or were some seconds ago.
    pub(super) fn bytes(&mut self) -> u64 {
        match self.seen {
            Some((bytes, at)) if at.elapsed() < LOOK => bytes,
            _ => {
                let bytes = self.files().map(|(_, bytes)| bytes).sum();
                self.seen = Some((bytes, Instant::now()));
                bytes
            }
        }
    }

    /// Deletes all of them; gives whether that made room.
    pub(super) fn give_up(&mut self) -> bool {
        let gone: u64 = self
            .files()
            .filter(|(path, _)| fs::remove_file(path).is_ok())
            .map(|(_, bytes)| bytes)
            .sum();
        self.seen = Some((0, Instant::now()));
        if gone > 0 {
            tracing::warn!(
                bytes = gone,
                "Compiled code of sinks was deleted, since the journal needs the room: the next start compiles again."
            );
        }
        gone > 0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_made_again_counts_and_can_go() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), [0; 100]).unwrap();
        fs::write(folder.path().join("b"), [0; 23]).unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        let mut spare = Beside::new(Some(folder.path().to_owned()));
        assert_eq!(spare.bytes(), 123);
        assert!(spare.give_up());
        assert_eq!((spare.bytes(), spare.give_up()), (0, false));
        assert!(folder.path().join("c").is_dir());
        let mut none = Beside::new(None);
        assert_eq!((none.bytes(), none.give_up()), (0, false));
    }
}
