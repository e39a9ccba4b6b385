//! A component in parts, since a ConfigMap holds 1 MiB at most: several ConfigMaps in one projected
//! volume.
//!
//! `NAME.wasm.parts` is JSON and lists them:
//!
//! ```json
//! {"component": "SHA-256 of the component, not packed", "encoding": "zstd",
//!  "parts": [{"name": "NAME.wasm.1f2e3d4c5b6a7988.000", "sha256": "SHA-256 of this file"}]}
//! ```
//!
//! A part's name has the beginning of the component's digest, so that parts of two versions never
//! have one name; and only a whole set, of which every digest fits, is loaded. Kubernetes updates
//! each ConfigMap of a volume by itself: in between, the set is waited for.

use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::open::open;
use super::{Form, packed};
use crate::sink::{Compiler, Digest, Error, child};

/// The most parts. Each has 1 MiB at most in a ConfigMap: so many are what unpacks to the largest
/// component, not packed at all.
const MOST_PARTS: usize = 64;
/// The longest index, in bytes: a part takes some 200.
const LONGEST_INDEX: u64 = 64 << 10;
/// Digits of the component's digest in the name of a part.
const DIGITS: usize = 16;

/// The list of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Of the component, not packed.
    pub component: Digest,
    /// How the joined parts are packed.
    pub encoding: Encoding,
    /// In order.
    pub parts: Vec<Part>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name, in the folder of the index.
    pub name: String,
    /// Of the file.
    pub sha256: Digest,
}

/// How joined parts are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    fn form(self) -> Form {
        match self {
            Self::None => Form::Plain,
            Self::Gzip => Form::Gzip,
            Self::Zstd => Form::Zstd,
        }
    }
}

impl From<Form> for Encoding {
    fn from(form: Form) -> Self {
        match form {
            Form::Plain | Form::Parts => Self::None,
            Form::Gzip => Self::Gzip,
            Form::Zstd => Self::Zstd,
        }
    }
}

impl Index {
    /// Cuts a packed component into parts of so many bytes at most, and gives them with their
    /// index.
    pub fn cut<'a>(
        name: &str,
        component: Digest,
        form: Form,
        packed: &'a [u8],
        most: usize,
    ) -> (Self, Vec<&'a [u8]>) {
        let files: Vec<&[u8]> = packed.chunks(most.max(1)).collect();
        let digits: String = component.to_string().chars().take(DIGITS).collect();
        let part = |(place, file): (usize, &&[u8])| Part {
            name: format!("{name}.wasm.{digits}.{place:03}"),
            sha256: Digest::of(file),
        };
        let parts = files.iter().enumerate().map(part).collect();
        (
            Self {
                component,
                encoding: form.into(),
                parts,
            },
            files,
        )
    }

    /// Reads the text of a sink's index. An index comes from outside: it may name nothing but parts
    /// of its own sink.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, String> {
        let index: Self = serde_json::from_slice(text)
            .map_err(|why| format!("it is not an index of parts: {why}"))?;
        if index.parts.is_empty() || index.parts.len() > MOST_PARTS {
            return Err(format!(
                "it lists {} parts: from 1 to {MOST_PARTS} are allowed",
                index.parts.len()
            ));
        }
        let own = |part: &Part| {
            part.name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(".wasm."))
                && !part.name.contains('/')
        };
        match index.parts.iter().find(|part| !own(part)) {
            Some(part) => Err(format!(
                "it lists the file {:?}: the name of a part begins with {name}.wasm. and has no slash",
                part.name
            )),
            None => Ok(index),
        }
    }
}

/// Reads all parts that an index lists, and unpacks them.
pub(super) fn join(path: &Path, compiler: &Compiler) -> Result<Vec<u8>, Error> {
    let unreadable = |why: io::Error| Error::Unreadable {
        path: path.to_owned(),
        why,
    };
    let broken = |why: String| Error::Packed {
        path: path.to_owned(),
        why,
    };
    let mut text = Vec::new();
    open(path)
        .and_then(|file| file.take(LONGEST_INDEX).read_to_end(&mut text))
        .map_err(unreadable)?;
    let file = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(Form::of);
    let index = Index::parse(file.map_or("", |(name, _)| name), &text).map_err(broken)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut joined = Vec::new();
    for part in &index.parts {
        joined.extend(read_part(
            path,
            folder,
            part,
            packed::LARGEST.saturating_sub(joined.len() as u64),
        )?);
    }
    let component = match (index.encoding.form(), compiler) {
        (Form::Plain, _) => joined,
        (form, Compiler::Child(limits)) => {
            child::unpack_bytes(&joined, form, limits).map_err(broken)?
        }
        (form, Compiler::Here) => packed::unpack(form, &*joined, packed::LARGEST)
            .map_err(|why| packed::error(path, why))?,
    };
    let digest = Digest::of(&component);
    if digest != index.component {
        return Err(broken(format!(
            "its parts give the component {digest}, and it says {}",
            index.component
        )));
    }
    Ok(component)
}

fn read_part(index: &Path, folder: &Path, part: &Part, most: u64) -> Result<Vec<u8>, Error> {
    let incomplete = |why: String| Error::Incomplete {
        path: index.to_owned(),
        why,
    };
    let path = folder.join(&part.name);
    let bytes = match open(&path) {
        Ok(file) => {
            packed::unpack(Form::Plain, file, most).map_err(|why| packed::error(&path, why))?
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            return Err(incomplete(format!("{} is not there", part.name)));
        }
        Err(why) => return Err(Error::Unreadable { path, why }),
    };
    let digest = Digest::of(&bytes);
    if digest != part.sha256 {
        return Err(incomplete(format!(
            "{} has another digest than the index wants, {}",
            part.name, part.sha256
        )));
    }
    Ok(bytes)
}
