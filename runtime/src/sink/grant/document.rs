//! A grant as it is written, and how values come into it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use schemars::transform::{RecursiveTransform, Transform};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::sink::Digest;
use crate::sink::egress::host_pattern;
use crate::sink::redact::Redactor;

use super::certificate::{ClientCertificate, Tls};
use super::destinations::{Template, WrittenPrivate};
use super::name::Name;
use super::source::{Environment, From, LONGEST_VALUE, Source};
use super::{Error, Grant, HostPattern, Variable, limits};

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

/// Bytes of all secret values of a sink together: each of them is searched for, with its parts and
/// in many forms, in whatever is written of the sink.
const LONGEST_SECRETS: usize = 64 << 10;

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
