//! What a sink may reach: written down by the operator, read once into a value. Nothing written means nothing granted.
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
//! limits: {memory: 64MiB, call: 60s, batch-events: 4096, batch-bytes: 3MiB, http-width: 8}
//! ```
//!
//! All values but literals are secret unless the grant says otherwise. An empty variable counts as absent, since a
//! Kubernetes manifest can't leave one out.

mod host_pattern;
mod limits;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use host_pattern::{Authority, HostPattern, Scheme};
pub use limits::Limits;

/// The file, as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Document {
    /// Environment by the guest's names.
    #[serde(default)]
    pub env: BTreeMap<String, Source>,
    /// Destinations.
    #[serde(default)]
    pub http: Vec<String>,
    /// Where the guest's stdout goes.
    #[serde(default)]
    pub stdout: Stdout,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: limits::Written,
    /// Digest of the component, in hex.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// Where a guest's stdout goes. Its stderr goes to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdout {
    /// To the log, line by line, cleaned of control characters.
    #[default]
    Log,
    /// To the stdout of the process, as it is.
    Inherit,
}

/// Where a variable's value comes from: exactly one of `from`, `file` and `value`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// A variable of the host process.
    #[serde(default)]
    pub from: Option<String>,
    /// A file.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A literal.
    #[serde(default)]
    pub value: Option<String>,
    /// Whether the value must not be shown; by default all but literals.
    #[serde(default)]
    pub secret: Option<bool>,
    /// Whether it may be absent.
    #[serde(default)]
    pub optional: bool,
}

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

/// What a sink may reach, with every value filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// The guest's whole environment.
    pub env: Vec<Variable>,
    /// Its destinations.
    pub http: Vec<HostPattern>,
    /// Whether its stdout is the process's own.
    pub stdout: bool,
    /// Its limits.
    pub limits: Limits,
    /// The file that says so.
    pub source: Option<PathBuf>,
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
            Self::Unreadable { path, why } => write!(f, "cannot read the grant {}: {why}", path.display()),
            Self::Malformed { path, why } => write!(f, "the grant {} can't be used: {why}", path.display()),
            Self::MissingEnv { sink, names } => {
                write!(f, "the sink {sink} needs environment variables that are not set or empty: {}.", names.join(", "))?;
                let keys: Vec<String> = names.iter().filter_map(|name| Some(format!("{name} from key {}", secret_key(name)?))).collect();
                if keys.is_empty() {
                    write!(f, " Set them, or change the sink's grant")
                } else {
                    write!(f, " They usually come from the Secret kubedl-sls-config in namespace kubedl-system: {}", keys.join(", "))
                }
            }
            Self::NotGranted { sink, names, source } => {
                let place = source.as_ref().map_or_else(|| format!("{sink}.yaml in a --grant-dir"), |path| path.display().to_string());
                let lines: Vec<String> = names.iter().map(|name| format!("\n  {name}: {{from: {name}}}")).collect();
                write!(
                    f,
                    "the sink {sink} requires variables that it was not granted: {}. To grant them, write under env: in {place}:{}",
                    names.join(", "),
                    lines.concat()
                )
            }
            Self::File { name, path, why } => write!(f, "cannot read {} for the variable {name}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// The key of KubeDL's Secret `kubedl-sls-config` that feeds a variable, as KubeDL's page on events persistency has it.
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

/// Looks a variable of the host process up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Document {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::Unreadable { path: path.to_owned(), why })?;
        Self::parse(&text).map_err(|why| Error::Malformed { path: path.to_owned(), why })
    }

    /// Reads a text; the error has the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        let document: Self = serde_saphyr::from_str(text).map_err(|why| why.to_string())?;
        for (name, source) in &document.env {
            let given = [source.from.is_some(), source.file.is_some(), source.value.is_some()];
            if given.into_iter().filter(|given| *given).count() != 1 {
                return Err(format!("env {name}: give exactly one of from, file and value"));
            }
            if let Some(reason) = forbidden(name).or(source.from.as_deref().and_then(forbidden)) {
                return Err(format!("env {name}: {reason}"));
            }
        }
        Ok(document)
    }

    /// Fills in the values.
    pub fn resolve(&self, sink: &str, path: Option<&Path>, environment: Environment<'_>) -> Result<Grant, Error> {
        let (mut env, mut missing) = (Vec::new(), Vec::new());
        for (name, source) in &self.env {
            let value = source.read(name, environment)?;
            match value.filter(|value| !value.is_empty()) {
                Some(value) => env.push(Variable { name: name.clone(), value, secret: source.secret.unwrap_or(source.value.is_none()) }),
                None if source.optional => {}
                None => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(Error::MissingEnv { sink: sink.to_owned(), names: missing });
        }
        let malformed = |why| Error::Malformed { path: path.map(Path::to_owned).unwrap_or_default(), why };
        let lookup = |name: &str| env.iter().find(|variable| variable.name == name).map(|variable| variable.value.clone());
        let patterns =
            self.http.iter().map(|template| HostPattern::from_template(template, &lookup).map_err(|why| format!("http {template}: {why}")));
        let http = patterns.collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        let limits = self.limits.resolve().map_err(malformed)?;
        Ok(Grant { env, http, stdout: self.stdout == Stdout::Inherit, limits, source: path.map(Path::to_owned) })
    }
}

impl Source {
    fn read(&self, name: &str, environment: Environment<'_>) -> Result<Option<String>, Error> {
        if let Some(variable) = &self.from {
            return Ok(environment(variable));
        }
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|why| Error::File { name: name.to_owned(), path: path.clone(), why })?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            return Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()));
        }
        Ok(self.value.clone())
    }
}

/// Variables that no sink gets.
fn forbidden(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("KUBERNETES_") || upper.starts_with("KUBEDL_EVENTS_") {
        return Some("variables KUBERNETES_* and KUBEDL_EVENTS_* are the host's own and can't be granted");
    }
    if matches!(upper.as_str(), "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "NO_PROXY") {
        return Some("the proxy is the operator's matter and its variables can't be granted");
    }
    None
}
