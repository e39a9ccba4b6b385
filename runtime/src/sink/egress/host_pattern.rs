//! Where a sink may send requests.
//!
//! | written | admits |
//! |---|---|
//! | `https://sls.example.com` | that scheme and name, port 443 |
//! | `http://sls.example.com:8080` | that scheme, name and port |
//! | `sls.example.com` | https, port 443 |
//! | `https://*.example.com` | any one label in place of the `*` |
//! | `https://${PROJECT}.${ENDPOINT}` | with the values of granted variables in place; a value that is a URL gives its host, its port, and its scheme where none is written |
//!
//! Paths, users, a wildcard elsewhere or out of a variable are refused. Names are compared without
//! regard to case, and a trailing dot is refused.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Scheme of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    pub(in crate::sink) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub(in crate::sink) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Scheme.
    pub scheme: Scheme,
    /// Name or address, lower case; an IPv6 address in brackets.
    pub host: String,
    /// Port, the scheme's own where none is given.
    pub port: u16,
}

impl Authority {
    /// Host and port, the port only where it isn't the scheme's own.
    pub(in crate::sink) fn place(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.place())
    }
}

/// A destination that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    scheme: Scheme,
    /// Without the `*.`.
    host: String,
    wildcard: bool,
    port: u16,
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = format!("{}{}", if self.wildcard { "*." } else { "" }, self.host);
        write!(
            f,
            "{}",
            Authority {
                scheme: self.scheme,
                host,
                port: self.port
            }
        )
    }
}

impl HostPattern {
    /// Whether requests may go there.
    pub fn admits(&self, authority: &Authority) -> bool {
        let named = if self.wildcard {
            let label = authority
                .host
                .strip_suffix(&self.host)
                .and_then(|rest| rest.strip_suffix('.'));
            label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        } else {
            authority.host == self.host
        };
        named && self.scheme == authority.scheme && self.port == authority.port
    }

    /// The host, without the `*.` of a wildcard.
    pub(in crate::sink) fn host(&self) -> &str {
        &self.host
    }

    /// Whether any one label stands before the host.
    pub(in crate::sink) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The port.
    pub(in crate::sink) fn port(&self) -> u16 {
        self.port
    }

    /// Whether this very name was written down, not a wildcard that fits it.
    pub fn names(&self, host: &str) -> bool {
        !self.wildcard && self.host == host
    }

    /// Fills variables into a template and reads the result.
    pub fn from_template(
        template: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let (scheme, mut rest) = match template.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
            None => (None, template),
        };
        let (mut scheme, mut port, mut host) = (scheme, None, String::new());
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or("a ${ without its }")?;
            let value = variable(name)
                .ok_or_else(|| format!("the variable {name} is not granted, or not set"))?;
            let (its_scheme, its_host, its_port) =
                url_parts(value.trim()).map_err(|why| format!("the value of {name} {why}"))?;
            host.push_str(before);
            host.push_str(its_host);
            scheme = scheme.or(its_scheme.map(str::to_owned));
            port = its_port.map(str::to_owned).or(port);
            rest = after;
        }
        host.push_str(rest);
        let scheme = scheme
            .map(|scheme| format!("{scheme}://"))
            .unwrap_or_default();
        let host = match (&port, host.rsplit_once(':')) {
            (Some(_), Some((host, written))) if !written.ends_with(']') => host.to_owned(),
            _ => host,
        };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}{host}{port}").parse()
    }
}

/// The variables that a template names.
pub(in crate::sink) fn variables(template: &str) -> impl Iterator<Item = &str> {
    template
        .split("${")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// Scheme, host and port of a value that is a URL, or a host with or without a port. Its path is
/// left out.
fn url_parts(value: &str) -> Result<(Option<&str>, &str, Option<&str>), &'static str> {
    let (scheme, rest) = value
        .split_once("://")
        .map_or((None, value), |(scheme, rest)| (Some(scheme), rest));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "has a user or a password in it: take out what stands before the @, and give it to the sink by a variable of its own",
        );
    }
    if scheme.is_none() && (value.contains(":/") || value.starts_with("//")) {
        return Err(
            "is no URL: between the scheme and the host stand a colon and two slashes, as in https://HOST/PATH",
        );
    }
    if authority.contains('*') || authority.contains("${") {
        return Err("has a wildcard or template in it");
    }
    if authority.is_empty() {
        return Err("names no host: write https://HOST/PATH");
    }
    if !authority.contains('[') && authority.matches(':').count() > 1 {
        return Err("has an IPv6 address without brackets: write https://[ADDRESS]:PORT");
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Ok((scheme, host, Some(port))),
        _ => Ok((scheme, authority, None)),
    }
}

/// Whether anybody can have names below a name (publicsuffix.org). One that the list doesn't have
/// is public where it is a single label, but for those that a network gives to itself.
fn is_public(host: &str) -> bool {
    psl::suffix(host.as_bytes()).is_some_and(|suffix| {
        suffix.as_bytes() == host.as_bytes() && (suffix.is_known() || !OWN.contains(&host))
    })
}

/// Top-level names for a network's own use (RFC 6761, RFC 6762, RFC 2606, ICANN on `internal`, and
/// what Kubernetes has).
const OWN: [&str; 9] = [
    "local",
    "localhost",
    "internal",
    "svc",
    "test",
    "example",
    "invalid",
    "lan",
    "home",
];

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, _)) => {
                return Err(format!(
                    "the scheme is {scheme:?}, but must be http or https"
                ));
            }
            None => (Scheme::Https, text),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (
                host,
                port.parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| format!("{port:?} is not a port"))?,
            ),
            _ => (rest, scheme.default_port()),
        };
        let (wildcard, host) = host
            .strip_prefix("*.")
            .map_or((false, host), |host| (true, host));
        let host = plain_host(host)?;
        if wildcard && is_public(&host) {
            return Err(format!(
                "*.{host} is everybody's: anyone can have a name below {host}. Write out the hosts, or a * below a name of your own"
            ));
        }
        Ok(Self {
            scheme,
            host,
            wildcard,
            port,
        })
    }
}

/// A plain name or address, in the one way that it is written in: lower case, an IPv6 address
/// shortened. What could be read as an address in another way (`127.1`, `0x7f.1`) is refused, and
/// so is a dot at the end.
pub(in crate::sink) fn plain_host(host: &str) -> Result<String, String> {
    let host = host.to_ascii_lowercase();
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner
            .parse::<Ipv6Addr>()
            .map(|address| format!("[{address}]"))
            .map_err(|_| format!("{host:?} is not an IPv6 address"));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.len() > 1 && host.ends_with('.') {
        return Err(format!("{host:?} ends with a dot: write it without"));
    }
    if host.is_empty() || host.len() > 253 || !host.split('.').all(label) {
        return Err(format!(
            "{host:?} is not the name of a host: letters, digits, - and _ in labels, and a * only as the first label"
        ));
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err(format!(
            "{host:?} is not an IPv4 address: it must be four numbers from 0 to 255, with dots between"
        ));
    }
    Ok(host)
}
