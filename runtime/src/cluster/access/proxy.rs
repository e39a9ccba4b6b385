//! The proxy on the way to the API server: `proxy-url` of a kubeconfig, else the variables that
//! Go's programs read. Pure.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::cluster::Exemptions;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// CONNECT; whole requests to a server without TLS.
    Http,
    /// The same, over TLS.
    Https,
    /// SOCKS 5; the proxy looks names up.
    Socks5,
}

/// A proxy. Displays without its password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub kind: Kind,
    /// Host and port; an IPv6 address has brackets.
    pub authority: String,
    /// User and password.
    pub login: Option<(String, String)>,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {}", self.login.is_some())
    }
}

impl Proxy {
    /// Reads a URL. The error follows on the name of the setting; it never has the URL in it, since
    /// that may have a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refuse = || {
            "is not the URL of a proxy: write http://HOST:PORT, https:// or socks5://, with USER:PASSWORD@ before the host where it asks for them"
                .to_owned()
        };
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(refuse)?;
        let (kind, port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            other => {
                return Err(format!(
                    "begins with {other}://, and must be http, https or socks5"
                ));
            }
        };
        let whole = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, place) = whole
            .rsplit_once('@')
            .map_or((None, whole), |(login, place)| (Some(login), place));
        let uri: Uri = format!("http://{place}/").parse().map_err(|_| refuse())?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(refuse)?;
        let names_a_port = place
            .strip_prefix(host)
            .is_some_and(|rest| rest.starts_with(':'));
        if names_a_port && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(refuse());
        }
        Ok(Self {
            kind,
            authority: format!("{host}:{}", uri.port_u16().unwrap_or(port)),
            login: login.map(login_of),
        })
    }

    /// Whether it is given whole requests to this server, and passes them on: as Go does without
    /// TLS, since many proxies allow CONNECT to port 443 alone.
    pub(super) fn forwards(&self, server: &Uri) -> bool {
        self.kind != Kind::Socks5 && server.scheme_str() != Some("https")
    }

    /// That of the environment for a server, if requests to it go through one. As in Go: by the
    /// scheme of the server, never for this machine itself, and not for what NO_PROXY has; a proxy
    /// without a scheme is one of HTTP.
    pub(super) fn of_environment(
        server: &Uri,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let any = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                variable(name)
                    .filter(|value| !value.trim().is_empty())
                    .map(|value| (name, value.trim().to_owned()))
            })
        };
        let secure = server.scheme_str() == Some("https");
        let names = if secure {
            ["HTTPS_PROXY", "https_proxy"]
        } else {
            ["HTTP_PROXY", "http_proxy"]
        };
        let Some((name, value)) = any(names) else {
            return Ok(None);
        };
        let host = server.host().unwrap_or_default().to_ascii_lowercase();
        let port = server.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let exempt =
            any(["NO_PROXY", "no_proxy"]).is_some_and(|(_, list)| is_exempt(&list, &host, port));
        if exempt || is_this_machine(&host) {
            return Ok(None);
        }
        let value = if value.contains("://") {
            value
        } else {
            format!("http://{value}")
        };
        Self::parse(&value)
            .map(Some)
            .map_err(|why| format!("the environment variable {name} {why}"))
    }
}

/// User and password of a URL, without the escapes that they have there.
pub(super) fn login_of(text: &str) -> (String, String) {
    let plain = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    (plain(user), plain(password))
}

fn is_this_machine(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host.trim_end_matches('.') == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Entries may have a port, and count for it alone then. What can't be read is passed over, as Go
/// does.
fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    list.split(',').map(str::trim).any(|entry| {
        let split = entry
            .rsplit_once(':')
            .filter(|(name, _)| !name.contains(':') || name.ends_with(']'));
        let (name, own) =
            match split.and_then(|(name, number)| Some((name, number.parse::<u16>().ok()?))) {
                Some((name, number)) => (name, Some(number)),
                None => (entry, None),
            };
        own.is_none_or(|own| own == port)
            && Exemptions::parse(&[name.to_owned()]).is_ok_and(|entry| entry.contain(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Proxy::of_environment(&server.parse().unwrap(), &variable)
            .unwrap()
            .map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_environment_means_what_it_means_for_kubectl() {
        // Long: a table of cases.
        let proxy = Some("http://p:3128".to_owned());
        for (server, variables, wanted) in [
            (
                "https://api.example:6443",
                &[("HTTPS_PROXY", "http://p:3128")][..],
                &proxy,
            ),
            ("https://api.example", &[("https_proxy", "p:3128")], &proxy),
            (
                "https://api.example",
                &[("HTTPS_PROXY", ""), ("https_proxy", "http://p:3128/")],
                &proxy,
            ),
            (
                "https://api.example",
                &[("HTTP_PROXY", "http://p:3128"), ("ALL_PROXY", "http://p:1")],
                &None,
            ),
            (
                "http://api.example",
                &[
                    ("HTTP_PROXY", "http://p:3128"),
                    ("HTTPS_PROXY", "http://q:1"),
                ],
                &proxy,
            ),
            (
                "https://api.example",
                &[
                    ("HTTPS_PROXY", "http://u:s@p:3128"),
                    ("NO_PROXY", "other,  10.0.0.0/8,,"),
                ],
                &proxy,
            ),
            (
                "https://api.example",
                &[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", "*")],
                &None,
            ),
            (
                "https://api.example",
                &[
                    ("HTTPS_PROXY", "http://p:3128"),
                    ("no_proxy", "a b, .example"),
                ],
                &None,
            ),
            (
                "https://api.example:6443",
                &[
                    ("HTTPS_PROXY", "http://p:3128"),
                    ("NO_PROXY", "api.example:6443"),
                ],
                &None,
            ),
            (
                "https://api.example:6443",
                &[
                    ("HTTPS_PROXY", "http://p:3128"),
                    ("NO_PROXY", "api.example:443"),
                ],
                &proxy,
            ),
            (
                "https://10.1.2.3:6443",
                &[("HTTPS_PROXY", "http://p:3128"), ("NO_PROXY", "10.0.0.0/8")],
                &None,
            ),
            (
                "https://[fd00::1]:6443",
                &[
                    ("HTTPS_PROXY", "http://p:3128"),
                    ("NO_PROXY", "[fd00::1]:6443"),
                ],
                &None,
            ),
            (
                "https://127.0.0.1:6443",
                &[("HTTPS_PROXY", "http://p:3128")],
                &None,
            ),
            (
                "https://localhost:6443",
                &[("HTTPS_PROXY", "http://p:3128")],
                &None,
            ),
            (
                "https://[::1]:6443",
                &[("HTTPS_PROXY", "http://p:3128")],
                &None,
            ),
        ] {
            assert_eq!(&chosen(server, variables), wanted, "{server} {variables:?}");
        }
    }

    #[test]
    fn a_proxy_has_a_kind_a_place_and_perhaps_a_login() {
        let read = |text: &str| Proxy::parse(text).map(|proxy| (proxy.to_string(), proxy.login));
        let login = Some(("u".to_owned(), "p@ss:w".to_owned()));
        assert_eq!(
            read("HTTP://u:p%40ss%3Aw@proxy/"),
            Ok(("http://proxy:80".to_owned(), login))
        );
        assert_eq!(
            read("socks5h://[::1]"),
            Ok(("socks5://[::1]:1080".to_owned(), None))
        );
        assert_eq!(
            read("https://proxy:8443"),
            Ok(("https://proxy:8443".to_owned(), None))
        );
        for bad in [
            "",
            "proxy:3128",
            "ftp://proxy",
            "http://",
            "http://u:hunter2@",
            "http://proxy:0",
            "http://proxy:99999",
            "http://a b",
        ] {
            let why = read(bad).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
