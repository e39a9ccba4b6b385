//! A way to the cluster: found by what the operator says, kubeconfigs and the environment.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::Uri;
use kube::client::ConfigExt;
use rustls::ClientConfig;

use super::credentials::Credentials;
use super::failure;
use super::issued::Identity;
use super::kubeconfig::{self, Found};
use super::pem;
use super::place::Place;
use super::proxy::Proxy;
use super::trust::Trust;

/// A way that was found.
pub(in crate::cluster) struct Way {
    /// Scheme, host, perhaps a port and a path.
    pub url: Uri,
    /// What requests without a namespace mean.
    pub namespace: String,
    pub(super) proxy: Option<Proxy>,
    pub(super) credentials: Arc<Credentials>,
    /// Without credentials but the certificate of a client.
    pub(super) config: kube::Config,
    pub(super) tls: Arc<ClientConfig>,
    /// Another one where anything differs that connections are made of.
    pub(super) mark: u64,
}

impl Way {
    /// Credentials of the one before are kept where they come from the same source: a plugin is not
    /// run for nothing.
    pub(super) fn load(place: &Place, before: Option<&Self>) -> Result<Self, String> {
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
    pub(super) fn tls(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>, String> {
        identity.map_or_else(
            || Ok(self.tls.clone()),
            |identity| tls(&self.config, Some(identity)),
        )
    }

    /// For messages: scheme, host and port.
    pub(super) fn shown(&self) -> String {
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
