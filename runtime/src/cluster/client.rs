//! The way to the API server: where it is, and plain requests whose failures are ours to sort.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::line::Status;
use super::{Error, Options, Scope};

/// A connection pool to one API server.
#[derive(Clone)]
pub struct Client {
    pub(super) kube: kube::Client,
    /// How it was found; none for a given one.
    found: Option<Options>,
    /// The API server's URL; none for a given one.
    url: Option<http::Uri>,
}

/// Finds the cluster as kubectl does: `--kubeconfig`, then KUBECONFIG and `~/.kube/config`, then the Pod's service account.
pub async fn connect(options: &Options) -> Result<Client, Error> {
    let refuse = |why: &dyn std::fmt::Display| Error::Kubeconfig(why.to_string());
    let choice = KubeConfigOptions { context: options.context.clone(), ..Default::default() };
    let mut config = match &options.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|e| refuse(&e))?;
            kube::Config::from_custom_kubeconfig(file, &choice).await.map_err(|e| refuse(&e))?
        }
        None if options.context.is_some() => kube::Config::from_kubeconfig(&choice).await.map_err(|e| refuse(&e))?,
        None => kube::Config::infer().await.map_err(|e| refuse(&e))?,
    };
    // A watch may be silent until the server ends it.
    config.read_timeout = Some(options.watch_timeout + Duration::from_secs(30));
    let url = Some(config.cluster_url.clone());
    let kube = kube::Client::try_from(config).map_err(|e| refuse(&e))?;
    Ok(Client { kube, found: Some(options.clone()), url })
}

/// What a request is about, for the sentence when it is refused.
pub(super) struct About {
    pub verb: &'static str,
    pub resource: &'static str,
    pub group: &'static str,
    pub scope: Scope,
}

impl Client {
    /// Over a connection that is there already.
    pub fn over(kube: kube::Client) -> Self {
        Self { kube, found: None, url: None }
    }

    /// Host and port of the API server, where they are known. An IPv6 address has brackets.
    pub fn server(&self) -> Option<(&str, u16)> {
        let url = self.url.as_ref()?;
        let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
        Some((url.host()?, port))
    }

    /// Reads credentials anew, since certificates and tokens rotate; stays as it is where they can't be read.
    pub(super) async fn renew(&mut self) {
        if let Some(options) = &self.found
            && let Ok(renewed) = connect(options).await
        {
            *self = renewed;
        }
    }

    /// The uid of the namespace `kube-system`, which names a cluster; none where there is no such namespace.
    pub async fn cluster_uid(&self) -> Result<Option<String>, Error> {
        let api: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(self.kube.clone());
        match api.get_metadata("kube-system").await {
            Ok(namespace) => Ok(namespace.metadata.uid),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(sort(error, About { verb: "get", resource: "namespaces", group: "", scope: Scope::All })),
        }
    }

    /// Whether a namespace is there; none where that may not be read, or can't be asked now.
    pub async fn has_namespace(&self, name: &str) -> Option<bool> {
        let api: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(self.kube.clone());
        match api.get_metadata(name).await {
            Ok(_) => Some(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Some(false),
            Err(_) => None,
        }
    }

    /// The namespace that requests without one mean: the kubeconfig context's, or the Pod's, else `default`.
    pub fn namespace(&self) -> &str {
        self.kube.default_namespace()
    }

    /// Sends a GET and gives the body of a 2xx; everything else is an [`Error`].
    pub(super) async fn get(&self, path: &str, about: About) -> Result<Body, Error> {
        let request = http::Request::get(path).body(Body::empty()).map_err(|why| Error::Protocol(why.to_string()))?;
        let response = self.kube.send(request).await.map_err(|error| sort_transport(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let after = response.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let words: Status = serde_json::from_slice(&body).unwrap_or_default();
        let message = if words.message.is_empty() { String::from_utf8_lossy(&body).chars().take(200).collect() } else { words.message };
        Err(sort_status(status.as_u16(), message, after, about))
    }

    /// Like [`Client::get`], with the whole body; none where that has more bytes than `most`.
    pub(super) async fn get_bytes(&self, path: &str, about: About, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let mut body = self.get(path, about).await?;
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|why| Error::Unreachable(why.to_string()))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if bytes.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }
}

fn sort_status(status: u16, message: String, after: Option<Duration>, about: About) -> Error {
    match status {
        401 => Error::Unauthorized { message },
        403 => Error::Forbidden { verb: about.verb, resource: about.resource, group: about.group, scope: about.scope, message },
        410 => Error::Expired,
        status => Error::Busy { status, message, after },
    }
}

fn sort_transport(error: &kube::Error) -> Error {
    // The outermost error says little ("client error (Connect)"); the causes say why.
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    Error::Unreachable(words)
}

/// Sorts an error of a typed request.
pub(super) fn sort(error: kube::Error, about: About) -> Error {
    match error {
        kube::Error::Api(status) => sort_status(status.code, status.message.clone(), None, about),
        error => sort_transport(&error),
    }
}
