//! In which form a component lies in a folder, told by the end of its file's name.

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
