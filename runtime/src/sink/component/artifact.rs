//! A component as it was read: its bytes, and the digest that it is known by.

use std::path::{Path, PathBuf};

use crate::sink::{Error, loading};

use super::{Compiler, Digest};

/// A component's bytes.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Where they came from.
    pub path: PathBuf,
    /// The component.
    pub bytes: Vec<u8>,
    /// Of the bytes.
    pub digest: Digest,
}

impl Artifact {
    /// Of bytes that were read from a place.
    pub fn new(path: &Path, bytes: Vec<u8>) -> Self {
        Self {
            path: path.to_owned(),
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// Reads a file, and unpacks it where its name says that it is packed or in parts.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(path, loading::read(path, &Compiler::Here)?))
    }
}
