//! A grant as it is written, and how values come into it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::transform::{RecursiveTransform, Transform};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Error, Grant, HostPattern, Private, Variable, limits};
use crate::cluster::Subnet;
use crate::sink::Digest;
use crate::sink::egress::host_pattern;
use crate::sink::http::Identity;
use crate::sink::redact::Redactor;

/// What a sink may reach. What is not written here is not granted.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(title = "Grant of a kubedl-events sink")]
pub struct Document {
    /// The sink's whole environment, by its own names.
    env: BTreeMap<Name, Source>,
    /// Where it may send requests: SCHEME://HOST[:PORT], with ${NAME} for a variable under env, and
    /// *. for one label on the left.
    #[schemars(with = "Vec<Template>")]
    http: Vec<Spanned<Template>>,
    /// Whether, or in which networks, its destinations may have private addresses: by default only
    /// addresses, and the cluster's own names such as NAME.NAMESPACE.svc.
    pub(super) private: WrittenPrivate,
    /// Where its stdout goes; its stderr goes to the log.
    stdout: Stdout,
    /// What destinations see of the sink's side of TLS.
    tls: Tls,
    /// Limits that differ from the defaults.
    limits: limits::Written,
    /// SHA-256 of the component, not packed, in hex: another one is refused.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-fA-F]{64}$"))]
    sha256: Option<Digest>,
}

/// What destinations see of the sink's side of TLS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Tls {
    /// Shown to a destination that asks for a certificate.
    client_certificate: Option<ClientCertificate>,
}

/// A certificate and its key. The sink never sees them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ClientCertificate {
    /// PEM file of the certificate, and of those between it and the authority.
    cert: PathBuf,
    /// PEM file of its key.
    key: PathBuf,
}

impl ClientCertificate {
    fn read(&self) -> Result<Identity, Error> {
        let read = |name: &str, path: &Path| {
            std::fs::read(path).map_err(|why| Error::File {
                name: name.to_owned(),
                path: path.to_owned(),
                why,
            })
        };
        let (cert, key) = (
            read("tls.client-certificate.cert", &self.cert)?,
            read("tls.client-certificate.key", &self.key)?,
        );
        let refused = |why| Error::Malformed {
            path: self.cert.clone(),
            why: format!(
                "it is no client certificate with the key {}: {why}",
                self.key.display()
            ),
        };
        Identity::new(cert, key).map_err(refused)
    }
}

/// Bytes of a variable's value.
const LONGEST_VALUE: usize = 256 << 10;
/// Bytes of all secret values of a sink together: each of them is searched for, with its parts and
/// in many forms, in whatever is written of the sink.
const LONGEST_SECRETS: usize = 64 << 10;

/// Folders whose files are no values: of the system, and of the service account, whose token would
/// be all that this process may do in the cluster.
const NOT_VALUES: [&str; 4] = [
    "/proc",
    "/sys",
    "/var/run/secrets/kubernetes.io",
    "/run/secrets/kubernetes.io",
];

/// Where a guest's stdout goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Stdout {
    /// To the log, line by line, cleaned of control characters.
    #[default]
    Log,
    /// To the stdout of the process, as it is.
    Inherit,
}

/// Name of a variable that can be granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.len() > 255
            || !name.chars().all(plain)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!(
                "{name:?} is not the name of a variable: letters, digits and _, not a digit first"
            ));
        }
        match forbidden(&name) {
            Some(reason) => Err(format!("{name}: {reason}")),
            None => Ok(Self(name)),
        }
    }
}

/// Variables that no sink gets.
fn forbidden(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("KUBERNETES_") || upper.starts_with("KUBEDL_EVENTS_") {
        return Some(
            "variables KUBERNETES_* and KUBEDL_EVENTS_* are the host's own and can't be granted",
        );
    }
    if matches!(
        upper.as_str(),
        "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "NO_PROXY"
    ) {
        return Some("the proxy is the operator's matter and its variables can't be granted");
    }
    None
}

/// Where a variable's value comes from: exactly one of from, file and value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenSource")]
#[schemars(with = "WrittenSource")]
struct Source {
    from: From,
    secret: bool,
    optional: bool,
}

#[derive(Clone, Debug)]
enum From {
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

/// A destination, with or without variables in it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = r"^([Hh][Tt][Tt][Pp][Ss]?://)?[^/?#@\s]+$"))]
pub(super) struct Template(String);

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // What stands around the variables must be right whatever their values are.
        HostPattern::from_template(&text, &|_| Some("x".to_owned()))
            .map_err(|why| format!("{text}: {why}"))?;
        Ok(Self(text))
    }
}

/// Whether destinations may have private addresses: true, false, or networks such as 10.0.0.0/8.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "private is true, false, or a list of networks such as 10.0.0.0/8"
)]
#[schemars(rename = "Private")]
pub(super) enum WrittenPrivate {
    /// All of them, or none.
    All(bool),
    /// Those in these networks.
    Networks(Vec<Written>),
}

impl Default for WrittenPrivate {
    fn default() -> Self {
        Self::All(false)
    }
}

impl WrittenPrivate {
    pub(super) fn resolve(&self) -> Private {
        match self {
            Self::All(false) => Private::None,
            Self::All(true) => Private::All,
            Self::Networks(networks) => {
                Private::Networks(networks.iter().map(|network| network.0).collect())
            }
        }
    }
}

/// A network, as it is written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("pattern" = "^[0-9A-Fa-f.:]+/[0-9]+$"))]
pub(super) struct Written(Subnet);

impl TryFrom<String> for Written {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Subnet::parse(&text).map(Self).ok_or_else(|| {
            format!("{text:?} is not a network: write such as 10.0.0.0/8 or fd00::/8")
        })
    }
}

/// Looks a variable of the host process up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Document {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::Unreadable {
            path: path.to_owned(),
            why,
        })?;
        Self::parse(&text).map_err(|why| Error::Malformed {
            path: path.to_owned(),
            why,
        })
    }

    /// Reads a text; the error has the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(Self::default());
        }
        let document: Self = serde_saphyr::from_str(text).map_err(|why| why.to_string())?;
        for template in &document.http {
            let granted = |name: &str| document.env.keys().any(|known| known.0 == name);
            if let Some(name) =
                host_pattern::variables(&template.value.0).find(|name| !granted(name))
            {
                return Err(at(
                    template,
                    format!("the variable {name} is not granted: write it under env, too"),
                ));
            }
        }
        Ok(document)
    }

    /// Names of the variables that it gives.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.env.keys().map(|Name(name)| name.as_str())
    }

    /// Destinations that it gives, as they are written.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.http.iter().map(|template| template.value.0.as_str())
    }

    /// Files that values come from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let values = self.env.values().filter_map(|source| {
            if let From::File(path) = &source.from {
                Some(path.as_path())
            } else {
                None
            }
        });
        values.chain(
            self.tls
                .client_certificate
                .iter()
                .flat_map(|ClientCertificate { cert, key }| [cert.as_path(), key.as_path()]),
        )
    }

    /// Fills in the values.
    pub fn resolve(
        &self,
        sink: &str,
        path: Option<&Path>,
        environment: Environment<'_>,
    ) -> Result<Grant, Error> {
        let env = self.values(sink, &|_| true, environment)?;
        let http = self.patterns(&env, path)?;
        let limits = self.limits.resolve();
        let identity = self
            .tls
            .client_certificate
            .as_ref()
            .map(ClientCertificate::read)
            .transpose()?;
        Ok(Grant {
            env,
            http,
            private: self.private.resolve(),
            stdout: self.stdout == Stdout::Inherit,
            limits,
            sha256: self.sha256,
            identity,
            source: path.map(Path::to_owned),
        })
    }

    /// The values of these variables.
    pub(super) fn values(
        &self,
        sink: &str,
        wanted: &dyn Fn(&str) -> bool,
        environment: Environment<'_>,
    ) -> Result<Vec<Variable>, Error> {
        let (mut env, mut missing) = (Vec::new(), Vec::new());
        for (Name(name), source) in self.env.iter().filter(|(Name(name), _)| wanted(name)) {
            match source
                .read(name, environment)?
                .filter(|value| !value.is_empty())
            {
                Some(value) if value.len() > LONGEST_VALUE => {
                    return Err(Error::TooLong {
                        sink: sink.to_owned(),
                        what: format!("the value of {name}"),
                        bytes: value.len(),
                        most: LONGEST_VALUE,
                    });
                }
                Some(value) => env.push(Variable {
                    name: name.clone(),
                    value,
                    secret: source.secret,
                }),
                None if source.optional => {}
                None => missing.push(name.clone()),
            }
        }
        let secret: usize = env
            .iter()
            .filter(|variable| variable.secret)
            .map(|variable| variable.value.len())
            .sum();
        if secret > LONGEST_SECRETS {
            let what = "the values of its secret variables together".to_owned();
            return Err(Error::TooLong {
                sink: sink.to_owned(),
                what,
                bytes: secret,
                most: LONGEST_SECRETS,
            });
        }
        if !missing.is_empty() {
            return Err(Error::MissingEnv {
                sink: sink.to_owned(),
                names: missing,
            });
        }
        Ok(env)
    }

    /// Its destinations, with the values in place.
    pub(super) fn patterns(
        &self,
        env: &[Variable],
        path: Option<&Path>,
    ) -> Result<Vec<HostPattern>, Error> {
        let malformed = |why| Error::Malformed {
            path: path.map(Path::to_owned).unwrap_or_default(),
            why,
        };
        let lookup = |name: &str| {
            env.iter()
                .find(|variable| variable.name == name)
                .map(|variable| variable.value.clone())
        };
        let pattern = |template: &Spanned<Template>| {
            let Template(text) = &template.value;
            // The reason may have values in it.
            let clean = |why: String| Redactor::new(env).words(&why);
            HostPattern::from_template(text, &lookup)
                .map_err(|why| malformed(at(template, format!("{text}: {}", clean(why)))))
        };
        self.http.iter().map(pattern).collect()
    }
}

/// With the place of what is wrong.
fn at<T>(what: &Spanned<T>, why: impl fmt::Display) -> String {
    format!(
        "line {}, column {}: {why}",
        what.referenced.line(),
        what.referenced.column()
    )
}

impl Source {
    fn read(&self, name: &str, environment: Environment<'_>) -> Result<Option<String>, Error> {
        Ok(match &self.from {
            From::Variable(Name(variable)) => environment(variable),
            From::File(path) => {
                let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                if let Some(folder) = NOT_VALUES
                    .iter()
                    .find(|folder| path.starts_with(folder) || place.starts_with(folder))
                {
                    let why = std::io::Error::new(
                        std::io::ErrorKind::PermissionDenied,
                        format!("what lies in {folder} is the host's own, and can't be granted"),
                    );
                    return Err(Error::File {
                        name: name.to_owned(),
                        path: path.clone(),
                        why,
                    });
                }
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

/// The JSON Schema of a grant (draft 2020-12), as text.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Document);
    RecursiveTransform(join_lines).transform(&mut schema);
    format!("{:#}\n", schema.as_value())
}

/// A description is a doc comment, whose lines end where they do in the source alone.
fn join_lines(schema: &mut schemars::Schema) {
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
