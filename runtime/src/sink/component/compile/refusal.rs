//! Why a component is no sink for this host, before it is known which file it came from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sink::Error;

/// Why a component is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sink::component) enum Refusal {
    /// It is this instead.
    NotAComponent(String),
    /// It is one of another world, or of another version of the contract.
    OtherWorld(String),
    /// It imports this, which this host does not give.
    Import(String),
    /// It can't be compiled, or did not describe itself.
    Faulty(String),
}

impl Refusal {
    /// As an error about a file.
    pub(in crate::sink::component) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::NotAComponent(is) => Error::NotAComponent { path, is },
            Self::OtherWorld(why) => Error::OtherWorld { path, why },
            Self::Import(name) => Error::Import { path, name },
            Self::Faulty(why) => Error::Faulty { path, why },
        }
    }
}
