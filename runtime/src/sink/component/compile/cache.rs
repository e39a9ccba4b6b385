//! Compiled code, and what is known of its component, kept for the next start.

use std::fs::{self, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};

use super::Report;
use super::report::{framed, unframed};
use crate::sink::component::{CONTRACT, Digest};

/// Bytes of all files together, at most, and never more than an eighth of the volume: what was not
/// used for longest goes.
const MOST_BYTES: u64 = 128 << 20;
/// The part of a volume.
const OF_VOLUME: u64 = 8;
/// Bytes of the seal before the rest of a file.
const SEAL: usize = 32;
/// The file with this installation's key.
const KEY: &str = "key";

/// A folder that only this program writes. A file's name has the component's digest, and what the
/// code was made for; its content is sealed with a key that is made with the folder, so that code
/// of another component, or of another installation, is none.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    key: Vec<u8>,
}

impl Cache {
    /// Makes the folder, or takes it away from everybody else, and removes what was left half
    /// written.
    ///
    /// # Errors
    /// When it can't be made, or is not ours.
    pub fn open(folder: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(folder) {
            Ok(found) => {
                is_ours(&found, found.is_dir())?;
                // Compiled code is trusted: nobody else may put some here.
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            }
            Err(_) => fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?,
        }
        let cache = Self {
            folder: folder.to_owned(),
            key: key(&folder.join(KEY))?,
        };
        for (path, _) in cache
            .files()
            .into_iter()
            .filter(|(path, _)| path.extension().is_some())
        {
            let _ = fs::remove_file(path);
        }
        Ok(cache)
    }

    fn file(&self, engine: &wasmtime::Engine, digest: Digest) -> PathBuf {
        let mut compatible = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatible);
        // What is known of it is by the rules of a version.
        (CONTRACT, env!("CARGO_PKG_VERSION")).hash(&mut compatible);
        self.folder
            .join(format!("{digest}-{:016x}", compatible.finish()))
    }

    /// HMAC (RFC 2104) would do the same; twice hashed, nothing can be added to what was sealed.
    fn seal(&self, digest: Digest, content: &[u8]) -> [u8; SEAL] {
        let inner = Sha256::new()
            .chain_update(&self.key)
            .chain_update(digest.to_string())
            .chain_update(content)
            .finalize();
        Sha256::new()
            .chain_update(&self.key)
            .chain_update(inner)
            .finalize()
            .into()
    }

    /// Of a component; none where there is none, or something else has changed it.
    pub(super) fn find(
        &self,
        engine: &wasmtime::Engine,
        digest: Digest,
    ) -> Option<(Report, Vec<u8>)> {
        let path = self.file(engine, digest);
        fs::symlink_metadata(&path).ok().filter(Metadata::is_file)?;
        let mut file = File::options()
            .read(true)
            .append(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .ok()?;
        let about = file.metadata().ok()?;
        if is_ours(&about, about.is_file()).is_err() {
            warn!(path = %path.display(), "Compiled code is not this user's own: it is compiled again.");
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let (seal, content) = bytes.split_at_checked(SEAL)?;
        if self.seal(digest, content) != seal {
            warn!(path = %path.display(), "Compiled code was changed on the disk, or is of another installation: it is compiled again.");
            return None;
        }
        let (report, code) = unframed(content)?;
        let report = serde_json::from_slice(report).ok()?;
        let start = bytes.len() - code.len();
        if let Err(why) = file.set_modified(SystemTime::now()) {
            debug!("The use of compiled code can't be noted: {why}.");
        }
        bytes.drain(..start);
        Some((report, bytes))
    }

    /// Keeps code. Where that fails, the next start compiles again.
    pub(super) fn keep(
        &self,
        engine: &wasmtime::Engine,
        digest: Digest,
        report: &Report,
        code: &[u8],
    ) {
        let Ok(json) = serde_json::to_vec(report) else {
            return;
        };
        let head = framed(&json);
        let length = (SEAL + head.len() + code.len()) as u64;
        let most = self.most();
        if length > most {
            return debug!(
                "Compiled code of {length} bytes is not kept: all of it together may have {most}."
            );
        }
        self.forget(most - length);
        let path = self.file(engine, digest);
        let temporary = path.with_extension("new");
        let written = (|| {
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)?;
            let content = [head.as_slice(), code].concat();
            file.write_all(&self.seal(digest, &content))?;
            file.write_all(&content)?;
            fs::rename(&temporary, &path)
        })();
        if let Err(why) = written {
            let _ = fs::remove_file(&temporary);
            debug!("Compiled code can't be kept: {why}.");
        }
    }

    fn most(&self) -> u64 {
        let volume = rustix::fs::statvfs(&self.folder).map_or(u64::MAX, |volume| {
            volume.f_blocks.saturating_mul(volume.f_frsize)
        });
        MOST_BYTES.min(volume / OF_VOLUME)
    }

    /// Deletes what was not used for longest, until the rest has no more than so many bytes.
    fn forget(&self, most: u64) {
        let mut files = self.files();
        let mut bytes: u64 = files.iter().map(|(_, about)| about.len()).sum();
        files.sort_by_key(|(_, about)| about.modified().ok());
        for (path, about) in files {
            if bytes <= most {
                return;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= about.len();
            }
        }
    }

    /// All but the key.
    fn files(&self) -> Vec<(PathBuf, Metadata)> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name() != KEY)
            .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
            .collect()
    }
}

/// Whether nobody but this user can have written something. `right`: it is of the kind that it
/// should be.
fn is_ours(about: &Metadata, right: bool) -> io::Result<()> {
    let own = about.uid() == rustix::process::geteuid().as_raw();
    let writable = about.permissions().mode() & 0o022 != 0 && !about.is_dir();
    if right && own && !writable {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        "it is not this user's own, others may write it, or it is a link: remove it",
    ))
}

/// The key of a folder; made when there is none, or one that others could have read or written.
fn key(path: &Path) -> io::Result<Vec<u8>> {
    let open = || -> io::Result<Vec<u8>> {
        // Opening a pipe that nobody writes would wait for ever.
        if !fs::symlink_metadata(path)?.is_file() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut file = File::options()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        let about = file.metadata()?;
        is_ours(
            &about,
            about.is_file()
                && about.permissions().mode() & 0o077 == 0
                && about.len() == SEAL as u64,
        )?;
        let mut key = Vec::new();
        file.read_to_end(&mut key)?;
        Ok(key)
    };
    if let Ok(key) = open() {
        return Ok(key);
    }
    let _ = fs::remove_file(path);
    let mut key = vec![0; SEAL];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(&key)?;
    Ok(key)
}
