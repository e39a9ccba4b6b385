//! A disk that can be filled: a file system in memory with a size of its own (tmpfs). Mounting
//! needs root.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Mounted until it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes at a folder, which is made where it isn't there.
    ///
    /// # Errors
    /// When mounting is not permitted (not root, a container without `CAP_SYS_ADMIN`), with the
    /// words of `mount`.
    pub fn mount(at: &Path, bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(at)?;
        let mut command = Command::new("mount");
        command
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=0700"),
                "tmpfs",
            ])
            .arg(at)
            .stdin(Stdio::null());
        let output = command.output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "cannot mount a tmpfs: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        Ok(Self { at: at.to_owned() })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Takes all room that is left, to the last page, with a file; gives its bytes.
    ///
    /// # Errors
    /// When writing fails for another reason than a full disk.
    pub fn fill(&self) -> io::Result<u64> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())?;
        for block in [1 << 20, 4_096] {
            let zeros = vec![0; block];
            loop {
                match file.write(&zeros) {
                    Ok(written) if written == block => {}
                    // A part was written: there is no more.
                    Ok(_) => break,
                    Err(why) if why.kind() == io::ErrorKind::StorageFull => break,
                    Err(why) => return Err(why),
                }
            }
        }
        Ok(file.metadata()?.len())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// When the file can't be removed; not when there is none.
    pub fn free(&self) -> io::Result<()> {
        match fs::remove_file(self.filler()) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a process that still has a file open there must not keep the mount in sight.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(&self.at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
