//! A grant with its values.

use std::path::PathBuf;

use crate::sink::Digest;
use crate::sink::http::Identity;

use super::{Error, HostPattern, Limits, Private, Variable};

/// What a sink may reach, with every value filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// The guest's whole environment.
    pub env: Vec<Variable>,
    /// Its destinations.
    pub http: Vec<HostPattern>,
    /// Which private addresses its destinations may have.
    pub private: Private,
    /// Whether its stdout is the process's own.
    pub stdout: bool,
    /// Its limits.
    pub limits: Limits,
    /// The component that it is for; none: any.
    pub sha256: Option<Digest>,
    /// What it shows to destinations that ask for a certificate.
    pub identity: Option<Identity>,
    /// The file that says so.
    pub source: Option<PathBuf>,
}

impl Grant {
    /// Whether it is for a component.
    ///
    /// # Errors
    /// When it names another one.
    pub fn check(&self, sink: &str, found: Digest) -> Result<(), Error> {
        match self.sha256.filter(|granted| *granted != found) {
            Some(granted) => Err(Error::OtherComponent {
                sink: sink.to_owned(),
                granted,
                found,
                source: self.source.clone(),
            }),
            None => Ok(()),
        }
    }
}
