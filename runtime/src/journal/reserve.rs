//! Room on the disk that is kept for when it is full.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes kept in reserve on the disk: enough for the log of deletions and acknowledgements. Of a
/// small journal's limit it takes an eighth at most.
const RESERVE: u64 = 4 << 20;

/// A file that is deleted when the disk is full, so that deleting rows, which needs room too, can
/// go on.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// How large it is when it is whole; 0 for a journal that ends with the process.
    pub(super) bytes: u64,
    pub(super) whole: bool,
}

impl Reserve {
    /// In a journal's folder; `wanted` is false for a journal that ends with the process. `most` is
    /// the journal's limit.
    pub(super) fn new(folder: &Path, wanted: bool, most: Option<u64>) -> Self {
        let bytes = if wanted {
            most.map_or(RESERVE, |most| RESERVE.min(most / 8))
        } else {
            0
        };
        let mut reserve = Self {
            path: folder.join("reserve"),
            bytes,
            whole: !wanted,
        };
        reserve.restore();
        reserve
    }

    /// Gives the room free.
    pub(super) fn spend(&mut self) {
        if fs::remove_file(&self.path).is_ok() {
            self.whole = false;
        }
    }

    /// Takes room again, if there is some; gives whether the reserve is whole.
    pub(super) fn restore(&mut self) -> bool {
        if !self.whole {
            let zeros = vec![0_u8; usize::try_from(self.bytes).unwrap_or(0)];
            let size = fs::metadata(&self.path).map_or(0, |meta| meta.len());
            self.whole = size == self.bytes
                || File::create(&self.path)
                    .and_then(|mut file| file.write_all(&zeros))
                    .is_ok();
            if !self.whole {
                let _ = fs::remove_file(&self.path);
            }
        }
        self.whole
    }
}

/// Half of the bytes of the volume that a folder lies on; none where that can't be told.
pub fn half_of_volume(folder: &Path) -> Option<u64> {
    // The folder itself may not be there yet.
    let volume = folder
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(volume.f_blocks.saturating_mul(volume.f_frsize) / 2)
}
