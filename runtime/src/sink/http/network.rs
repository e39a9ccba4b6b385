//! The operator's network: what no sink may reach, the proxy on the way out, authorities that are
//! trusted. The same for all sinks.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::cluster::Exemptions;
use crate::sink::egress::{Surroundings, look_up};

use super::script::{self, Script};
use super::{Request, Response};

pub use crate::sink::egress::LookUp;

/// Sees requests and their answers.
pub type Tap = Arc<dyn Fn(&Request, &Result<Response, super::Error>) + Send + Sync>;

/// How sinks' requests leave this process.
#[derive(Clone)]
pub struct Network {
    /// Names and ports that no sink may reach: the API server's.
    pub refused_names: Vec<(String, u16)>,
    /// Addresses and ports that no sink may reach: the API server's.
    pub refused_addresses: Vec<SocketAddr>,
    /// Resolves names.
    pub look_up: LookUp,
    pub(super) proxy: Option<Proxy>,
    pub(super) roots: RootCerts,
    /// Plays all destinations, in place of a network.
    pub(super) script: Option<Arc<dyn Script>>,
    /// Sees every exchange.
    pub(super) tap: Option<Tap>,
}

/// The operator's proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) way: ureq::Proxy,
    pub(super) exempt: Exemptions,
}

impl Default for Network {
    /// Straight, with Mozilla's authorities and the system's resolver.
    fn default() -> Self {
        let look_up = Arc::new(look_up);
        Self {
            refused_names: Vec::new(),
            refused_addresses: Vec::new(),
            look_up,
            proxy: None,
            roots: RootCerts::WebPki,
            script: None,
            tap: None,
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("refused", &(&self.refused_names, &self.refused_addresses))
            .finish_non_exhaustive()
    }
}

impl Network {
    /// None at all: a script plays every destination that the grant allows. For trying sinks out.
    pub fn scripted(script: Arc<dyn Script>) -> Self {
        Self {
            look_up: Arc::new(script::look_up),
            script: Some(script),
            ..Self::default()
        }
    }

    /// The same, with somebody who sees every exchange: what the sink asked for, and what it was
    /// answered.
    #[must_use]
    pub fn tapped(self, tap: Tap) -> Self {
        Self {
            tap: Some(tap),
            ..self
        }
    }

    /// Through a proxy for https, but to the hosts that are excepted; with the authorities of a PEM
    /// file besides Mozilla's.
    pub fn new(
        proxy: Option<&str>,
        no_proxy: &[String],
        authorities: Option<&Path>,
    ) -> Result<Self, Error> {
        let mut network = Self::default();
        if let Some(url) = proxy {
            let exempt = Exemptions::parse(no_proxy).map_err(Error::NoProxy)?;
            network.proxy = Some(Proxy {
                way: way(url).ok_or(Error::Proxy)?,
                exempt,
            });
        }
        if let Some(path) = authorities {
            let unreadable = |why: io::Error| Error::Unreadable {
                path: path.to_owned(),
                why,
            };
            let pem = std::fs::read(path).map_err(unreadable)?;
            let own = certificates(&pem).map_err(|why| Error::Authorities {
                path: path.to_owned(),
                why,
            })?;
            let shipped = webpki_root_certs::TLS_SERVER_ROOT_CERTS
                .iter()
                .map(|der| Certificate::from_der(der));
            network.roots = own.into_iter().chain(shipped).collect::<Vec<_>>().into();
        }
        Ok(network)
    }

    /// The proxy for a host, if requests to it go through one. This machine's own names and
    /// addresses never do: at the proxy they would mean the proxy's machine.
    pub(super) fn proxy_for(&self, host: &str, local: bool) -> Option<&ureq::Proxy> {
        self.proxy
            .as_ref()
            .filter(|proxy| !local && !proxy.exempt.contain(host))
            .map(|proxy| &proxy.way)
    }

    /// What of it those have to know who judge hosts and addresses.
    pub(super) fn surroundings(&self) -> Surroundings {
        let way_out = self
            .proxy
            .as_ref()
            .map(|proxy| (proxy.way.host().to_owned(), proxy.way.port()));
        Surroundings {
            refused_names: self.refused_names.clone(),
            refused_addresses: self.refused_addresses.clone(),
            look_up: self.look_up.clone(),
            way_out,
        }
    }
}

/// An HTTP proxy, reached in the clear or by TLS.
fn way(url: &str) -> Option<ureq::Proxy> {
    let known = ["http://", "https://"].iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    ureq::Proxy::new(url).ok().filter(|_| known)
}

/// The certificates of a PEM file: at least one, and each of them readable.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|why| why.to_string())? {
            let added = rustls::RootCertStore::empty().add(certificate.der().into());
            added.map_err(|why| {
                format!("certificate {} in it can't be used: {why}", found.len() + 1)
            })?;
            found.push(certificate);
        }
    }
    if found.is_empty() {
        Err("there is no certificate in it: it must be PEM, with BEGIN CERTIFICATE".to_owned())
    } else {
        Ok(found)
    }
}

/// A network that can't be used.
#[derive(Debug)]
pub enum Error {
    /// The proxy's URL. It may have a password in it, and is not shown.
    Proxy,
    /// An entry of the exceptions.
    NoProxy(String),
    /// The file of authorities can't be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The file has no authorities in it.
    Authorities {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy => write!(
                f,
                "--https-proxy is not the URL of a proxy: write http://HOST:PORT, with USER:PASSWORD@ before the host where it asks for them"
            ),
            Self::NoProxy(entry) => write!(
                f,
                "--no-proxy has {entry:?}, which is not a name, an address or a network: write such as example.com, .example.com, 10.0.0.1 or 10.0.0.0/8"
            ),
            Self::Unreadable { path, why } => {
                write!(f, "cannot read --ca-file {}: {why}", path.display())
            }
            Self::Authorities { path, why } => {
                write!(f, "--ca-file {} can't be used: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {}
