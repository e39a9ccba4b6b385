//! A volume of ConfigMaps or Secrets, written by Kubernetes' own `AtomicWriter` (Go program in
//! `apiserver/atomicwriter`): all of its files change at one moment, by a link.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A volume that is mounted into no Pod: a folder.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    scratch: tempfile::TempDir,
}

impl Volume {
    /// An empty one, in a folder that need not be there yet.
    ///
    /// # Errors
    /// When there is no room for files in between.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            scratch: tempfile::tempdir()?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts these files, by name, in the place of all that were there.
    ///
    /// # Errors
    /// When the writer is not built, or fails.
    pub fn write(&self, files: &[(&str, &[u8])]) -> io::Result<()> {
        let mut command = Command::new(crate::apiserver::binaries().join("atomicwriter"));
        command.arg(&self.folder);
        for (place, (name, content)) in files.iter().enumerate() {
            let file = self.scratch.path().join(place.to_string());
            std::fs::write(&file, content)?;
            command.arg(format!("{name}=@{}", file.display()));
        }
        let output = command.output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(io::Error::other(
                String::from_utf8_lossy(&output.stderr).into_owned(),
            ))
        }
    }
}

/// A component with a section that means nothing, so that it is another one, or a larger one
/// (component-model, Binary.md: a custom section is a zero, its length, and a name).
#[must_use]
pub fn padded(component: &[u8], padding: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"\x07padding";
    let mut bytes = component.to_vec();
    bytes.push(0);
    let mut length = NAME.len() + padding.len();
    while length >= 0x80 {
        bytes.push((length % 0x80) as u8 | 0x80);
        length /= 0x80;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(NAME);
    bytes.extend_from_slice(padding);
    bytes
}
