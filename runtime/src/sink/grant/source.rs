//! Where a variable's value comes from, and how it is read.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Error;
use super::name::Name;

/// Bytes of a variable's value.
pub(super) const LONGEST_VALUE: usize = 256 << 10;

/// Folders whose files are no values: of the system, and of the service account, whose token would
/// be all that this process may do in the cluster.
const NOT_VALUES: [&str; 4] = [
    "/proc",
    "/sys",
    "/var/run/secrets/kubernetes.io",
    "/run/secrets/kubernetes.io",
];

/// Looks a variable of the host process up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where a variable's value comes from: exactly one of from, file and value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenSource")]
#[schemars(with = "WrittenSource")]
pub(super) struct Source {
    pub(super) from: From,
    pub(super) secret: bool,
    pub(super) optional: bool,
}

/// The one place.
#[derive(Clone, Debug)]
pub(super) enum From {
    Variable(Name),
    File(PathBuf),
    Value(String),
}

/// Where a variable's value comes from: exactly one of from, file and value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Source", extend("oneOf" = [{"required": ["from"]}, {"required": ["file"]}, {"required": ["value"]}]))]
struct WrittenSource {
    /// A variable of the host process.
    #[schemars(with = "Option<Name>")]
    from: Option<Name>,
    /// A file, as of a mounted Secret; its last line end is left out. When it changes, the sink
    /// gets the new value.
    file: Option<PathBuf>,
    /// A literal.
    value: Option<String>,
    /// Whether the value must not be shown; by default all but literals.
    secret: Option<bool>,
    /// Whether it may be absent, or empty.
    optional: bool,
}

impl TryFrom<WrittenSource> for Source {
    type Error = &'static str;

    fn try_from(written: WrittenSource) -> Result<Self, Self::Error> {
        let from = match (written.from, written.file, written.value) {
            (Some(name), None, None) => From::Variable(name),
            (None, Some(path), None) if path.is_absolute() => From::File(path),
            (None, Some(_), None) => return Err("file must be an absolute path"),
            (None, None, Some(value)) => From::Value(value),
            _ => return Err("give exactly one of from, file and value"),
        };
        let secret = written.secret.unwrap_or(!matches!(from, From::Value(_)));
        Ok(Self {
            from,
            secret,
            optional: written.optional,
        })
    }
}

impl Source {
    /// The value; none where there is none, and may be.
    pub(super) fn read(
        &self,
        name: &str,
        environment: Environment<'_>,
    ) -> Result<Option<String>, Error> {
        Ok(match &self.from {
            From::Variable(Name(variable)) => environment(variable),
            From::File(path) => {
                refuse_own(name, path)?;
                let text = match value(path) {
                    Err(why) if why.kind() == std::io::ErrorKind::NotFound && self.optional => {
                        return Ok(None);
                    }
                    text => text.map_err(|why| Error::File {
                        name: name.to_owned(),
                        path: path.clone(),
                        why,
                    })?,
                };
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Some(text.strip_suffix('\r').unwrap_or(text).to_owned())
            }
            From::Value(value) => Some(value.clone()),
        })
    }
}

/// Refuses a file that is the host's own, by its path or where that leads.
fn refuse_own(name: &str, path: &Path) -> Result<(), Error> {
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let own = NOT_VALUES
        .iter()
        .find(|folder| path.starts_with(folder) || place.starts_with(folder));
    let Some(folder) = own else {
        return Ok(());
    };
    let why = std::io::Error::new(
        std::io::ErrorKind::PermissionDenied,
        format!("what lies in {folder} is the host's own, and can't be granted"),
    );
    Err(Error::File {
        name: name.to_owned(),
        path: path.to_owned(),
        why,
    })
}

/// The text of a file; one that is no file, as a pipe that nobody writes, or too large, is not
/// opened.
fn value(path: &Path) -> std::io::Result<String> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "it is no file",
        ));
    }
    if about.len() > LONGEST_VALUE as u64 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!(
                "it has {} bytes, and at most {LONGEST_VALUE} are allowed",
                about.len()
            ),
        ));
    }
    std::fs::read_to_string(path)
}
