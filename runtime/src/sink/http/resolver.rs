//! Names -> addresses, each judged before it is connected to. There is no second look-up after this one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::sink::grant::HostPattern;

use super::address;

/// Marks an address that was refused, among the transport's errors.
pub(super) const REFUSED: &str = "refused address: ";

/// The resolver of one sink.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) granted: Vec<HostPattern>,
    pub(super) system: DefaultResolver,
}

impl Resolver for Judge {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let local = is_local(&host);
        let found: Vec<SocketAddr> = if local {
            // RFC 6761, section 6.3: these names are loopback without asking DNS.
            [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(|ip| SocketAddr::new(ip, port)).to_vec()
        } else if let Some(ip) = literal {
            vec![SocketAddr::new(ip, port)]
        } else {
            self.system.resolve(uri, config, timeout)?.to_vec()
        };
        let loopback = local || literal.is_some_and(|ip| ip.is_loopback());
        let exact = self.granted.iter().any(|pattern| pattern.names(&host));
        let mut allowed = self.empty();
        let mut refused = None;
        for socket in found.iter().take(16) {
            match address::refusal(socket.ip(), loopback, exact) {
                None => allowed.push(*socket),
                Some(why) => refused = Some(format!("{REFUSED}{host} is {}, {why}", socket.ip())),
            }
        }
        match refused {
            Some(why) if allowed.is_empty() => Err(ureq::Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, why))),
            _ if allowed.is_empty() => Err(ureq::Error::HostNotFound),
            _ => Ok(allowed),
        }
    }
}

/// `localhost` and the names below it.
pub(super) fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}
