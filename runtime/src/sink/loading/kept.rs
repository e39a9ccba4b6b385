//! The version of each sink that opened last, kept for a start at which the one in its folder can't
//! be used.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::Fingerprint;
use crate::sink::{Artifact, Digest};

/// A folder with one component a sink: `NAME-DIGEST.wasm`.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// In a folder, which is made when it is needed.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Removes what a full disk, or an end in the middle, left half written.
    pub fn tidy(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "new")
        }) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// The version of a sink that opened last. One that the disk has changed is none.
    pub fn find(&self, sink: &str) -> Option<Artifact> {
        self.files(sink).into_iter().find_map(|(path, digest)| {
            let artifact = Artifact::read(&path).ok()?;
            if artifact.digest != digest {
                warn!(sink, path = %path.display(), "The kept version of the sink was changed on the disk, and can't be used.");
                return None;
            }
            Some(artifact)
        })
    }

    /// The digest of what is kept of a sink, without a look into the file.
    pub fn digest(&self, sink: &str) -> Option<Digest> {
        self.files(sink).first().map(|(_, digest)| *digest)
    }

    /// Keeps a version that opened. It is on the disk when this returns, and only then the one
    /// before is deleted.
    ///
    /// # Errors
    /// When it can't be written; the one before is still there then.
    pub fn keep(&self, sink: &str, artifact: &Artifact) -> io::Result<()> {
        if self.digest(sink) == Some(artifact.digest) {
            return Ok(());
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        if let Some(above) = self.folder.parent() {
            File::open(above)?.sync_all()?;
        }
        let path = self
            .folder
            .join(format!("{}-{}.wasm", encoded(sink), artifact.digest));
        let temporary = path.with_extension("new");
        let written = (|| {
            let mut file = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(&artifact.bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        if let Err(why) = written {
            let _ = fs::remove_file(&temporary);
            return Err(why);
        }
        File::open(&self.folder)?.sync_all()?;
        for (old, _) in self
            .files(sink)
            .into_iter()
            .filter(|(_, digest)| *digest != artifact.digest)
        {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// How many processes in a row were killed while they loaded a sink from files in this state.
    pub fn kills(&self, sink: &str, files: &Fingerprint) -> u32 {
        let mark = fs::read_to_string(self.mark(sink)).unwrap_or_default();
        mark.split_once('\n')
            .filter(|(_, state)| *state == files.text())
            .and_then(|(count, _)| count.parse().ok())
            .unwrap_or(0)
    }

    /// Marks that a sink is being loaded, until [`Kept::loaded`].
    ///
    /// # Errors
    /// When the mark can't be written.
    pub fn loads(&self, sink: &str, files: &Fingerprint) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let count = self.kills(sink, files) + 1;
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.mark(sink))?;
        file.write_all(format!("{count}\n{}", files.text()).as_bytes())?;
        file.sync_all()
    }

    /// It was loaded, or refused, or is not tried this time: the process lives.
    pub fn loaded(&self, sink: &str) {
        let _ = fs::remove_file(self.mark(sink));
    }

    /// Takes all marks away: the process ends in order, whatever it was loading.
    pub fn forgive(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "loading")
        }) {
            let _ = fs::remove_file(entry.path());
        }
    }

    fn mark(&self, sink: &str) -> PathBuf {
        self.folder.join(format!("{}.loading", encoded(sink)))
    }

    fn files(&self, sink: &str) -> Vec<(PathBuf, Digest)> {
        let start = format!("{}-", encoded(sink));
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let digest = |path: &Path| {
            path.file_name()?
                .to_str()?
                .strip_prefix(&start)?
                .strip_suffix(".wasm")?
                .parse()
                .ok()
        };
        let own = |path: PathBuf| digest(&path).map(|digest| (path, digest));
        let mut files: Vec<(PathBuf, Digest)> =
            entries.filter_map(|entry| own(entry.path())).collect();
        // After a crash between writing and deleting there are two: the one written last counts.
        files.sort_by_key(|(path, _)| {
            std::cmp::Reverse(path.metadata().and_then(|about| about.modified()).ok())
        });
        files
    }
}

/// A sink's name as a part of a file's name: other bytes than letters, digits, `.` and `_` as two
/// hex digits after a `%`.
fn encoded(sink: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    sink.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02x}")
            }
        })
        .collect()
}
