//! Compiled code, kept for the next start.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};

use crate::sink::Digest;

/// Files that are kept; those used last.
const MOST: usize = 32;
/// Bytes of the checksum before the code.
const CHECKSUM: usize = 32;

/// A folder that only this program writes. A file's name has the component's digest, and what the code was made for.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder, or takes it away from everybody else.
    ///
    /// # Errors
    /// When it can't be made, or is not ours.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        if folder.is_dir() {
            // Compiled code is trusted: nobody else may put some here.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        } else {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    fn file(&self, engine: &wasmtime::Engine, digest: Digest) -> PathBuf {
        let mut compatible = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatible);
        self.folder.join(format!("{digest}-{:016x}", compatible.finish()))
    }

    /// The code of a component; none where there is none, or the disk has changed it.
    pub(super) fn find(&self, engine: &wasmtime::Engine, digest: Digest) -> Option<Vec<u8>> {
        let path = self.file(engine, digest);
        let mut code = fs::read(&path).ok()?;
        let (sum, rest) = code.split_at_checked(CHECKSUM)?;
        if Sha256::digest(rest).as_slice() != sum {
            warn!(path = %path.display(), "Compiled code was changed on the disk: it is compiled again.");
            return None;
        }
        let used = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(why) = used {
            debug!("The use of compiled code can't be noted: {why}.");
        }
        code.drain(..CHECKSUM);
        Some(code)
    }

    /// Keeps code. Where that fails, the next start compiles again.
    pub(super) fn keep(&self, engine: &wasmtime::Engine, digest: Digest, code: &[u8]) {
        let path = self.file(engine, digest);
        let temporary = path.with_extension(format!("{}", std::process::id()));
        let written = (|| {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)?;
            fs::rename(&temporary, &path)
        })();
        if let Err(why) = written {
            let _ = fs::remove_file(&temporary);
            debug!("Compiled code can't be kept: {why}.");
        }
        self.forget();
    }

    /// Deletes what was not used for longest.
    fn forget(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, PathBuf)> =
            entries.flatten().filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        files.sort();
        let surplus = files.len().saturating_sub(MOST);
        for (_, path) in files.into_iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
    }
}
