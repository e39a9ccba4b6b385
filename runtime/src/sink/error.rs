//! Why a sink can't be used.

use std::fmt;
use std::path::PathBuf;

use crate::shown::{self, Shown};

use super::component::CONTRACT;
use super::grant;

/// Why a sink can't be used. None is retryable: the operator has to change something.
#[derive(Debug)]
pub enum Error {
    /// No component of the name was found.
    Unknown {
        /// As given to `--event-storage`.
        name: String,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
        /// Names that are there.
        found: Vec<String>,
    },
    /// Two folders have a component of the name.
    Ambiguous {
        /// The name.
        name: String,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// A file can't be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// A packed component can't be unpacked.
    Packed {
        /// Which file.
        path: PathBuf,
        /// Why, with the limit.
        why: String,
    },
    /// The parts of a component don't belong together, or are not all there yet.
    Incomplete {
        /// The index.
        path: PathBuf,
        /// Which part.
        why: String,
    },
    /// Not a component.
    NotAComponent {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        is: String,
    },
    /// A component of another world, or of another version of the contract.
    OtherWorld {
        /// Which file.
        path: PathBuf,
        /// What is missing or different.
        why: String,
    },
    /// It imports something that this host does not give.
    Import {
        /// Which file.
        path: PathBuf,
        /// The import.
        name: String,
    },
    /// It can't be compiled, or did not describe itself.
    Faulty {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The process was killed while it loaded this very file before.
    Killed {
        /// Which.
        path: PathBuf,
    },
    /// All sinks at once may take more memory than the container has.
    TooLittleMemory {
        /// Bytes that they and the service may take.
        wanted: u64,
        /// Bytes that the container has.
        most: u64,
        /// Each sink, with what it may take.
        sinks: Vec<String>,
    },
    /// The grant can't be used.
    Grant(grant::Error),
    /// The engine can't be set up.
    Engine(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long: one arm a case, each a sentence.
        match self {
            Self::Unknown {
                name,
                looked_in,
                found,
            } => {
                let places: Vec<String> = looked_in
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                let found = if found.is_empty() {
                    "nothing".to_owned()
                } else {
                    shown::list(found)
                };
                write!(
                    f,
                    "unknown event storage {name:?}: there is no {name}.wasm in {}. Found there: {found}. \
                     Name one of these, add a folder with --sink-dir, or give the path of a .wasm file",
                    if places.is_empty() {
                        "any sink folder".to_owned()
                    } else {
                        places.join(", ")
                    }
                )
            }
            Self::Ambiguous { name, files } => {
                let files: Vec<String> = files
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                write!(
                    f,
                    "two sinks are named {name:?}: {}. Remove one, or give the path of the one that is meant",
                    files.join(" and ")
                )
            }
            Self::Unreadable { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Packed { path, why } => {
                write!(f, "cannot unpack {}: {}", path.display(), Shown(why))
            }
            Self::Incomplete { path, why } => {
                write!(
                    f,
                    "{} lists parts that are not all there: {}. Apply all files that `kubedl-events sink pack` wrote",
                    path.display(),
                    Shown(why)
                )
            }
            Self::NotAComponent { path, is } => write!(
                f,
                "{} is not a WebAssembly component but {is}: build it for the component model (for Rust: --target wasm32-wasip2)",
                path.display()
            ),
            Self::OtherWorld { path, why } => write!(
                f,
                "{} is not a sink for this host: {}",
                path.display(),
                Shown(why)
            ),
            Self::Import { path, name } => {
                write!(
                    f,
                    "{} imports {}, which this host does not give: a sink may import kubedl:events@{CONTRACT} and WASI 0.2",
                    path.display(),
                    Shown(name)
                )
            }
            Self::Faulty { path, why } => {
                write!(f, "{} can't be used: {}", path.display(), Shown(why))
            }
            Self::Killed { path } => write!(
                f,
                "{} was being loaded when the process was killed before, as for want of memory (OOMKilled): give the container more, or put another version there",
                path.display()
            ),
            Self::TooLittleMemory {
                wanted,
                most,
                sinks,
            } => write!(
                f,
                "the sinks may take {} MiB of memory at once with the service, and the container has {} MiB: set resources.limits.memory of the container to \
                 {} MiB, or lower limits.memory in a sink's grant ({})",
                wanted >> 20,
                most >> 20,
                wanted >> 20,
                shown::list(sinks)
            ),
            Self::Grant(why) => write!(f, "{why}"),
            Self::Engine(why) => write!(f, "cannot set up the WebAssembly engine: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<grant::Error> for Error {
    fn from(why: grant::Error) -> Self {
        Self::Grant(why)
    }
}
