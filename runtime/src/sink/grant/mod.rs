//! What a sink may reach: written down by the operator, read once into a value. Nothing written
//! means nothing granted.
//!
//! ```yaml
//! env:
//!   SLS_ENDPOINT: {from: SLS_ENDPOINT, secret: false}   # a variable of the host process
//!   SLS_KEY_SECRET: {file: /etc/sls/secret}             # the content of a file, without its last line end
//!   SLS_REGION: {value: cn-hangzhou}                    # a literal
//!   SLS_SECURITY_TOKEN: {from: SLS_SECURITY_TOKEN, optional: true}
//! http:
//!   - https://${SLS_PROJECT}.${SLS_ENDPOINT}            # see `host_pattern`
//! stdout: inherit                                      # the process's own; by default its lines go to the log
//! tls: {client-certificate: {cert: /etc/tls/tls.crt, key: /etc/tls/tls.key}}   # shown to destinations that ask for one; the sink never sees it
//! limits: {memory: 64MiB, call: 60s, batch-events: 4096, batch-bytes: 3MiB, http-width: 8}
//! ```
//!
//! All values but literals are secret unless the grant says otherwise. An empty variable counts as
//! absent, since a Kubernetes manifest can't leave one out.

mod document;
mod host_pattern;
mod limits;
mod network_policy;
pub mod wish;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::cluster::Subnet;
use crate::shown::{self, Shown};

use super::Digest;
use super::http::Identity;

pub use document::{Document, Environment, schema};
pub(in crate::sink) use host_pattern::plain_host;
pub use host_pattern::{Authority, HostPattern, Scheme};
pub use limits::Limits;

/// Lines of a proposal that an error shows.
const MOST_LINES: usize = 10;

/// A variable that the guest sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The guest's name of it.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether the value must not be shown.
    pub secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "(secret)" } else { &self.value };
        write!(f, "{}={value}", self.name)
    }
}

/// Which private addresses a sink's destinations may have, whatever their names are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Private {
    /// None: only hosts that are addresses, and names that can be the cluster's own alone, may have
    /// some.
    #[default]
    None,
    /// All.
    All,
    /// Those in these networks.
    Networks(Vec<Subnet>),
}

impl Private {
    /// Whether an address is one of them.
    pub fn admits(&self, address: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
        }
    }
}

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

/// A grant that can't be used.
#[derive(Debug)]
pub enum Error {
    /// The file can't be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The file isn't a grant.
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why, with the line.
        why: String,
    },
    /// Variables that the grant needs are not set, or empty.
    MissingEnv {
        /// Of which sink.
        sink: String,
        /// All of them.
        names: Vec<String>,
    },
    /// The sink requires variables that the grant does not give.
    NotGranted {
        /// Which sink.
        sink: String,
        /// All of them.
        names: Vec<String>,
        /// The grant's file.
        source: Option<PathBuf>,
    },
    /// The grant is for another component.
    OtherComponent {
        /// Which sink.
        sink: String,
        /// What the grant says.
        granted: Digest,
        /// What was found.
        found: Digest,
        /// The grant's file.
        source: Option<PathBuf>,
    },
    /// The sink writes to the process's stdout, and has secrets that can't be kept out of it.
    ShortSecret {
        /// Which sink.
        sink: String,
        /// All of them.
        names: Vec<String>,
        /// The grant's file.
        source: Option<PathBuf>,
    },
    /// Values are longer than they may be.
    TooLong {
        /// Of which sink.
        sink: String,
        /// What is too long.
        what: String,
        /// How long it is.
        bytes: usize,
        /// And may be.
        most: usize,
    },
    /// A file that feeds a variable can't be read.
    File {
        /// The variable.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "cannot read the grant {}: {why}", path.display())
            }
            Self::Malformed { path, why } => write!(
                f,
                "the grant {} can't be used: {}",
                path.display(),
                Shown(why)
            ),
            Self::MissingEnv { sink, names } => {
                write!(
                    f,
                    "the sink {sink} needs environment variables that are not set or empty: {}.",
                    shown::list(names)
                )?;
                let keys: Vec<String> = names
                    .iter()
                    .take(MOST_LINES)
                    .filter_map(|name| {
                        Some(format!(
                            "{} from key {}",
                            shown::brief(name),
                            secret_key(name)?
                        ))
                    })
                    .collect();
                if keys.is_empty() {
                    write!(f, " Set them, or change the sink's grant")
                } else {
                    write!(
                        f,
                        " They usually come from the Secret kubedl-sls-config in namespace kubedl-system: {}",
                        keys.join(", ")
                    )
                }
            }
            Self::NotGranted {
                sink,
                names,
                source,
            } => {
                let place = source.as_ref().map_or_else(
                    || format!("{sink}.yaml in a --grant-dir"),
                    |path| path.display().to_string(),
                );
                let lines: Vec<String> = names
                    .iter()
                    .take(MOST_LINES)
                    .map(|name| format!("\n  {name}: {{from: {name}}}", name = shown::brief(name)))
                    .collect();
                write!(
                    f,
                    "the sink {sink} requires variables that it was not granted: {}. To grant them, write under env: in {place}:{}",
                    shown::list(names),
                    lines.concat()
                )
            }
            Self::OtherComponent {
                sink,
                granted,
                found,
                source,
            } => {
                let place = source.as_ref().map_or_else(
                    || format!("the grant of {sink}"),
                    |path| path.display().to_string(),
                );
                write!(
                    f,
                    "the sink {sink} was granted its variables and hosts for another component: {place} says sha256: {granted}, and this one has {found}. \
                     If you trust it, write the new digest there; if not, put the component back that you know"
                )
            }
            Self::ShortSecret {
                sink,
                names,
                source,
            } => {
                let place = source
                    .as_ref()
                    .map_or_else(|| format!("{sink}.yaml"), |path| path.display().to_string());
                write!(
                    f,
                    "the sink {sink} writes to stdout, and these secrets of under 8 bytes can't be kept out of it: {}. Take them, or stdout: inherit, \
                     out of {place}, or write secret: false",
                    shown::list(names)
                )
            }
            Self::TooLong {
                sink,
                what,
                bytes,
                most,
            } => {
                write!(
                    f,
                    "{what}, for the sink {sink}, have {bytes} bytes, and at most {most} are allowed. Where one is no secret, write secret: false"
                )
            }
            Self::File { name, path, why } => write!(
                f,
                "cannot read {} for the variable {name}: {why}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

/// The key of KubeDL's Secret `kubedl-sls-config` that feeds a variable, as KubeDL's page on events
/// persistency has it.
fn secret_key(name: &str) -> Option<&'static str> {
    Some(match name {
        "SLS_ENDPOINT" => "endpoint",
        "SLS_KEY_ID" => "accessKey",
        "SLS_KEY_SECRET" => "accessSecret",
        "SLS_PROJECT" => "project",
        "SLS_LOG_STORE" => "logStore",
        _ => return None,
    })
}
