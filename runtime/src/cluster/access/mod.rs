//! The way to the cluster, found once for all connections of a process: where the API server is,
//! whom to trust, who we are, through which proxy.
//!
//! - [`kubeconfig`]: reads the files, and a Pod's service account, as kubectl does.
//! - [`proxy`]: the proxy of a kubeconfig, or of the environment.
//! - [`trust`]: whether a server is whom it says to be.
//! - [`credentials`]: what is shown to it; [`plugin`]: the program that gives them, where there is
//!   one.
//! - [`road`]: connections, straight or through a proxy.
//! - [`transport`]: requests on them; [`failure`]: what can go wrong with them, in words.

mod credentials;
pub(super) mod failure;
mod kubeconfig;
mod pem;
mod plugin;
mod proxy;
mod road;
mod transport;
pub(super) mod trust;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Uri;
use kube::client::ConfigExt;
use rustls::ClientConfig;

use super::Error;
use credentials::{Credentials, Identity};
use kubeconfig::Found;
use proxy::Proxy;
use trust::Trust;

pub(super) use transport::client;

/// Files are read again after a failure, but not more often.
const AGAIN: Duration = Duration::from_secs(5);

/// What the operator says about where the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
}

/// The way to the cluster. What is found first serves every connection; after a failure it is read
/// again, and all follow.
#[derive(Default)]
pub struct Access(Mutex<State>);

#[derive(Default)]
struct State {
    place: Place,
    way: Option<Arc<Way>>,
    read: Option<Instant>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// A way that was found.
pub(super) struct Way {
    /// Scheme, host, perhaps a port and a path.
    pub url: Uri,
    /// What requests without a namespace mean.
    pub namespace: String,
    pub(self) proxy: Option<Proxy>,
    pub(self) credentials: Arc<Credentials>,
    /// Without credentials but the certificate of a client.
    pub(self) config: kube::Config,
    pub(self) tls: Arc<ClientConfig>,
    /// Another one where anything differs that connections are made of.
    pub(self) mark: u64,
}

impl Access {
    /// The way to a place; found the first time, and then the same.
    pub(super) fn find(&self, place: &Place) -> Result<Arc<Way>, Error> {
        let mut state = self.lock();
        if let Some(way) = &state.way {
            return Ok(way.clone());
        }
        let way = Arc::new(Way::load(place, None).map_err(Error::Kubeconfig)?);
        if let Some(proxy) = &way.proxy {
            tracing::info!("The API server is reached through the proxy {proxy}.");
        }
        *state = State {
            place: place.clone(),
            way: Some(way.clone()),
            read: Some(Instant::now()),
        };
        Ok(way)
    }

    /// The way that was found last.
    pub(super) fn current(&self) -> Option<Arc<Way>> {
        self.lock().way.clone()
    }

    /// Reads everything again, since certificates and tokens rotate. What can't be read leaves it
    /// as it is.
    pub(super) fn renew(&self) {
        let mut state = self.lock();
        let Some(way) = state
            .way
            .clone()
            .filter(|_| state.read.is_none_or(|read| read.elapsed() >= AGAIN))
        else {
            return;
        };
        state.read = Some(Instant::now());
        if let Ok(renewed) = Way::load(&state.place, Some(&way))
            && (renewed.mark != way.mark || !Arc::ptr_eq(&renewed.credentials, &way.credentials))
        {
            state.way = Some(Arc::new(renewed));
        }
    }

    /// Ends what runs for it: a credential plugin that hangs. What was issued serves on.
    pub fn close(&self) {
        if let Some(way) = self.current() {
            way.credentials.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// Credentials of the one before are kept where they come from the same source: a plugin is not
    /// run for nothing.
    fn load(place: &Place, before: Option<&Self>) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).ok();
        let Found {
            config,
            source,
            proxy,
            in_cluster,
        } = kubeconfig::find(place, &variable)?;
        let proxy = match proxy {
            Some(text) => Some(
                Proxy::parse(&text)
                    .map_err(|why| format!("the proxy-url of the kubeconfig's cluster {why}"))?,
            ),
            // Its own API server is beside a Pod, whatever proxy leads elsewhere.
            None if in_cluster => None,
            None => Proxy::of_environment(&config.cluster_url, &variable)?,
        };
        let tls = tls(&config, None)?;
        let credentials = match before.filter(|before| before.credentials.are_of(&source)) {
            Some(before) => before.credentials.clone(),
            None => Arc::new(Credentials::new(source)),
        };
        let mut mark = DefaultHasher::new();
        format!("{config:?}{proxy:?}").hash(&mut mark);
        let files = [
            &config.auth_info.client_certificate,
            &config.auth_info.client_key,
        ];
        files.iter().for_each(|path| {
            path.as_ref()
                .and_then(|path| std::fs::read(path).ok())
                .hash(&mut mark)
        });
        let (url, namespace) = (config.cluster_url.clone(), config.default_namespace.clone());
        Ok(Self {
            url,
            namespace,
            proxy,
            credentials,
            config,
            tls,
            mark: mark.finish(),
        })
    }

    /// With a certificate of a client that a plugin gave, where it gave one.
    fn tls(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
        identity.map_or_else(
            || Ok(self.tls.clone()),
            |identity| tls(&self.config, Some(identity)),
        )
    }

    /// For messages: scheme, host and port.
    fn shown(&self) -> String {
        format!(
            "{}://{}",
            self.url.scheme_str().unwrap_or("http"),
            self.url
                .authority()
                .map_or("", http::uri::Authority::as_str)
        )
    }
}

/// What kube makes of a configuration, and our own judgement of the server's certificate.
fn tls(config: &kube::Config, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
    let mut config = config.clone();
    if let Some(identity) = identity {
        identity.enter(&mut config.auth_info)?;
    }
    let client = pem::client(&config.auth_info)?;
    config.auth_info = kube::config::AuthInfo::default();
    let mut tls = config
        .rustls_client_config()
        .map_err(|why| failure::chain(&why))?;
    if let Some(authorities) = config
        .root_cert
        .as_ref()
        .filter(|_| !config.accept_invalid_certs)
    {
        tls.dangerous()
            .set_certificate_verifier(Arc::new(Trust::new(authorities)?));
    }
    if let Some(client) = client {
        tls.client_auth_cert_resolver = client;
    }
    Ok(Arc::new(tls))
}
