//! Opens files that come from outside.

use std::fs::File;
use std::io;
use std::path::Path;

use super::packed;

/// Opens a file, unless it is something else, or has more bytes than any component may have: before
/// any of them is read.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let about = path.metadata()?;
    let place = path.canonicalize()?;
    if !about.is_file()
        || ["/proc", "/sys"]
            .iter()
            .any(|folder| place.starts_with(folder))
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no file, or one of the system's own",
        ));
    }
    if about.len() > packed::LARGEST {
        return Err(packed::too_large(packed::LARGEST));
    }
    File::open(path)
}
