//! The sink's settings, read from the granted environment and checked before anything is sent.

use crate::prelude::{String, ToOwned, Vec, format};
use core::fmt;

use crate::Error;

/// Variables without which the sink can't work, the same as in KubeDL
/// (pkg/storage/backends/events/aliyun_sls/config.go).
pub const REQUIRED: [&str; 5] = [
    "SLS_ENDPOINT",
    "SLS_KEY_ID",
    "SLS_KEY_SECRET",
    "SLS_PROJECT",
    "SLS_LOG_STORE",
];

/// A secret shorter than this is not blotted out of texts: it would blot out half of each.
const SHORTEST_SECRET: usize = 4;

/// Where to write, and as whom.
pub struct Settings {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// `{project}.{endpoint}`, with a port where it is not the scheme's own: the value of the
    /// header `Host`.
    pub(crate) host: String,
    /// Path of PutLogs with the load balanced shard: `/logstores/{store}/shards/lb`.
    pub(crate) path: String,
    pub(crate) key_id: String,
    pub(crate) key_secret: String,
    /// Selects signature version 4, which can't be made without it.
    pub(crate) region: Option<String>,
    /// Of a temporary key (STS).
    pub(crate) security_token: Option<String>,
}

impl Settings {
    /// Reads all variables through `lookup`. White space around a value is dropped (files of a
    /// Secret often end in a line end), and an empty value counts as none. The error names all
    /// missing variables at once, and never shows a value.
    pub fn from_env(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Error> {
        let read = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let required = REQUIRED.map(read);
        let [
            Some(endpoint),
            Some(key_id),
            Some(key_secret),
            Some(project),
            Some(store),
        ] = required
        else {
            return Err(missing(&required));
        };
        let (region, security_token) = (read("SLS_REGION"), read("SLS_SECURITY_TOKEN"));
        check_name("SLS_PROJECT", &project)?;
        check_name("SLS_LOG_STORE", &store)?;
        region
            .as_deref()
            .map_or(Ok(()), |region| check_name("SLS_REGION", region))?;
        check_header("SLS_KEY_ID", &key_id)?;
        security_token
            .as_deref()
            .map_or(Ok(()), |token| check_header("SLS_SECURITY_TOKEN", token))?;
        let (scheme, authority) = parse_endpoint(&endpoint)?;
        let path = format!("/logstores/{store}/shards/lb");
        let host = format!("{project}.{authority}");
        Ok(Settings {
            scheme,
            host,
            path,
            key_id,
            key_secret,
            region,
            security_token,
        })
    }

    /// The text without the key and the token, should a destination have quoted them.
    pub fn redact(&self, text: &str) -> String {
        let secrets = [
            Some(&self.key_secret),
            self.security_token.as_ref(),
            Some(&self.key_id),
        ];
        let secrets = secrets
            .into_iter()
            .flatten()
            .filter(|secret| secret.len() >= SHORTEST_SECRET);
        secrets.fold(text.to_owned(), |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), "***")
            } else {
                text
            }
        })
    }
}

/// Shows where to, not as whom.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        shown
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("path", &self.path);
        shown.field("region", &self.region).finish_non_exhaustive()
    }
}

fn missing(values: &[Option<String>; 5]) -> Error {
    let names: Vec<&str> = REQUIRED
        .iter()
        .zip(values)
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| *name)
        .collect();
    Error::Misconfigured(format!("not set, or not granted: {}", names.join(", ")))
}

fn check_name(variable: &str, value: &str) -> Result<(), Error> {
    let fits = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        Ok(())
    } else {
        Err(malformed(
            variable,
            "may hold letters, digits, '-' and '_' only",
        ))
    }
}

fn check_header(variable: &str, value: &str) -> Result<(), Error> {
    let fits = value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(())
    } else {
        Err(malformed(
            variable,
            "may hold visible ASCII characters only",
        ))
    }
}

fn malformed(variable: &str, rule: &str) -> Error {
    Error::Misconfigured(format!("{variable} {rule}"))
}

/// Scheme and authority of `[http[s]://]host[:port][/]`; without a scheme it is https.
fn parse_endpoint(endpoint: &str) -> Result<(&'static str, String), Error> {
    let (scheme, rest) = match endpoint.split_once("://") {
        None => ("https", endpoint),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
        Some(_) => {
            return Err(malformed(
                "SLS_ENDPOINT",
                "must begin with https:// or http://, or have no scheme",
            ));
        }
    };
    let authority = rest.trim_end_matches('/').to_ascii_lowercase();
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority.as_str(), None),
    };
    let name_fits = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if name.is_empty() || !name_fits || !port_fits {
        return Err(malformed(
            "SLS_ENDPOINT",
            "must be a host as in cn-hangzhou.log.aliyuncs.com, without a path",
        ));
    }
    // HTTP clients leave a scheme's own port out of `Host`, which signature version 4 covers.
    let shown = port.filter(|port| !matches!((scheme, *port), ("https", "443") | ("http", "80")));
    Ok((
        scheme,
        shown.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")),
    ))
}
