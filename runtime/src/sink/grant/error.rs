//! Why a grant can't be used.

use std::fmt;
use std::path::PathBuf;

use crate::shown::{self, Shown};
use crate::sink::Digest;

/// Lines of a proposal that an error shows.
const MOST_LINES: usize = 10;

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
        // Long: one arm a case, each a sentence.
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
