//! In which form a component lies in a folder, told by the end of its file's name.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{packed, parts};
use crate::sink::{Compiler, Error, child};

/// How a component is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// In parts, which this file lists.
    Parts,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Gzip, Self::Zstd, Self::Parts];

    /// What a file's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => ".wasm",
            Self::Gzip => ".wasm.gz",
            Self::Zstd => ".wasm.zst",
            Self::Parts => ".wasm.parts",
        }
    }

    /// The sink's name and the form, by a file's name. Names that begin with a dot are Kubernetes'
    /// own.
    pub fn of(file: &str) -> Option<(&str, Self)> {
        let form = Self::ALL
            .into_iter()
            .find_map(|form| Some((file.strip_suffix(form.suffix())?, form)));
        form.filter(|(name, _)| !name.is_empty() && !name.starts_with('.'))
    }
}

/// Reads a component, whatever its form is. A file of another name is read as it is. What is packed
/// is unpacked where the compiler is.
pub(in crate::sink) fn read(path: &Path, compiler: &Compiler) -> Result<Vec<u8>, Error> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let form = Form::of(name).map_or(Form::Plain, |(_, form)| form);
    if form == Form::Parts {
        return parts::join(path, compiler);
    }
    let file = open(path).map_err(|why| packed::error(path, why))?;
    match compiler {
        Compiler::Child(limits) if form != Form::Plain => child::unpack(file, form, limits)
            .map_err(|why| Error::Packed {
                path: path.to_owned(),
                why,
            }),
        _ => packed::unpack(form, file, packed::LARGEST).map_err(|why| packed::error(path, why)),
    }
}

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
