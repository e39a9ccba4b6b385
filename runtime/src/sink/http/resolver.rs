//! Gives the library that carries requests the addresses that were judged, and no others.

use std::io;
use std::sync::Arc;

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::sink::egress::{Judge, Unreachable};

/// Marks an address that was refused, among the transport's errors.
pub(super) const REFUSED: &str = "refused address: ";

/// The judge, for the library and for the gate.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<Judge>);

impl Resolver for Shared {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let mut addresses = self.empty();
        self.0
            .addresses(&host, port, *timeout.after)
            .map_err(error)?
            .into_iter()
            .for_each(|socket| addresses.push(socket));
        Ok(addresses)
    }
}

/// As the library knows it.
fn error(why: Unreachable) -> ureq::Error {
    match why {
        Unreachable::Late => ureq::Error::Timeout(Timeout::Resolve),
        Unreachable::Unknown => ureq::Error::HostNotFound,
        Unreachable::Refused(why) => ureq::Error::Io(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{REFUSED}{why}"),
        )),
        Unreachable::Failed(why) => why.into(),
    }
}
