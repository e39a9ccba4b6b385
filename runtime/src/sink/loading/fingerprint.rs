//! Whether files have changed, without reading them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the file system says of some files. Two that are equal stand for the same content.
///
/// It is compared once a second. inotify would save nothing worth having, and has to be told of
/// every link on the way: Kubernetes swaps a link beside the files, network file systems don't
/// report, and watches run out for a whole node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, Option<Stamp>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds; the second pair moves even when a tool sets the first back.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// As a text that is the same for the same state, and for no other.
    pub(super) fn text(&self) -> String {
        format!("{:?}", self.0)
    }

    /// Of files, through links. One that isn't there is a state, too.
    pub fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self({
            let with = |path: PathBuf| {
                let stamp = stamp(&path);
                (path, stamp)
            };
            files.into_iter().map(with).collect()
        })
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = path.metadata().ok()?;
    let (modified, changed) = (
        (about.mtime(), about.mtime_nsec()),
        (about.ctime(), about.ctime_nsec()),
    );
    Some(Stamp {
        device: about.dev(),
        inode: about.ino(),
        bytes: about.len(),
        modified,
        changed,
    })
}
