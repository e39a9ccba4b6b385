//! The way to the API server: where it is, and plain requests whose failures are ours to sort.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::timeout;

use super::access::failure::{Failure, chain, retry_after, status_of, unreadable};
use super::access::{self, Place};
use super::raw::{members, text};
use super::{Error, Options, Scope};

/// Bytes of a namespace, at most: an API server takes no object over etcd's 1.5 MiB.
const NAMESPACE_BYTES: usize = 4 << 20;
/// A watch may be silent until the server ends it, and an answer for a little longer.
const SILENCE: Duration = Duration::from_secs(30);
/// For so long an answer, or the next piece of it, is waited for where it is no watch:
/// kube-apiserver itself ends a request after it (`--request-timeout`).
const ANSWER: Duration = Duration::from_secs(60);

/// A connection pool to one API server.
#[derive(Clone)]
pub struct Client {
    pub(super) kube: kube::Client,
    /// The API server's URL; none for a given one.
    url: Option<http::Uri>,
}

/// Finds the cluster as kubectl does: `--kubeconfig`, then KUBECONFIG and `~/.kube/config`, then
/// the Pod's service account. Nothing is asked yet; each call gives connections of its own, by the
/// way that the first call with these options found.
pub async fn connect(options: &Options) -> Result<Client, Error> {
    let place = Place {
        kubeconfig: options.kubeconfig.clone(),
        context: options.context.clone(),
    };
    let way = options.access.find(&place)?;
    let kube = access::client(
        options.access.clone(),
        &way,
        options.watch_timeout + SILENCE,
    )
    .map_err(Error::Kubeconfig)?;
    Ok(Client {
        kube,
        url: Some(way.url.clone()),
    })
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
        Self { kube, url: None }
    }

    /// Host and port of the API server, where they are known. An IPv6 address has brackets.
    pub fn server(&self) -> Option<(&str, u16)> {
        let url = self.url.as_ref()?;
        let port = url
            .port_u16()
            .unwrap_or(if url.scheme_str() == Some("http") {
                80
            } else {
                443
            });
        Some((url.host()?, port))
    }

    /// The uid of the namespace `kube-system`, which names a cluster; none where there is no such
    /// namespace.
    pub async fn cluster_uid(&self) -> Result<Option<String>, Error> {
        let about = About {
            verb: "get",
            resource: "namespaces",
            group: "",
            scope: Scope::All,
        };
        let bytes = match self
            .get_bytes("/api/v1/namespaces/kube-system", about, NAMESPACE_BYTES)
            .await
        {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(Error::Busy { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let uid = |json: &str| {
            let [metadata] = members(json, &["metadata"]).ok()?;
            let [uid] = members(metadata?.get(), &["uid"]).ok()?;
            text(uid).map(|uid| uid.into_owned())
        };
        let found = std::str::from_utf8(&bytes)
            .ok()
            .and_then(uid)
            .filter(|uid| !uid.is_empty());
        found
            .map(Some)
            .ok_or_else(|| Error::Protocol(unreadable(&bytes, "it is no namespace with a uid")))
    }

    /// Whether a namespace is there; none where that may not be read, or can't be asked now.
    pub async fn has_namespace(&self, name: &str) -> Option<bool> {
        let api: kube::Api<k8s_openapi::api::core::v1::Namespace> =
            kube::Api::all(self.kube.clone());
        match api.get_metadata(name).await {
            Ok(_) => Some(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Some(false),
            Err(_) => None,
        }
    }

    /// The namespace that requests without one mean: the kubeconfig context's, or the Pod's, else
    /// `default`.
    pub fn namespace(&self) -> &str {
        self.kube.default_namespace()
    }

    /// Sends a GET and gives the body of a 2xx; everything else is an [`Error`].
    pub(super) async fn get(&self, path: &str, about: About) -> Result<Body, Error> {
        let request = http::Request::get(path)
            .body(Body::empty())
            .map_err(|why| Error::Protocol(why.to_string()))?;
        let response = self
            .kube
            .send(request)
            .await
            .map_err(|error| sort_transport(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let after = retry_after(response.headers());
        let body = response
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let said = status_of(&body);
        Err(sort_status(
            status.as_u16(),
            &said.reason,
            said.message,
            after,
            about,
        ))
    }

    /// Like [`Client::get`], with the whole body; none where that has more bytes than `most`. What
    /// falls silent is unreachable.
    pub(super) async fn get_bytes(
        &self,
        path: &str,
        about: About,
        most: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let silent = |_| Error::silent(ANSWER);
        let mut body = timeout(ANSWER, self.get(path, about))
            .await
            .map_err(silent)??;
        let mut bytes = Vec::new();
        while let Some(frame) = timeout(ANSWER, body.frame()).await.map_err(silent)? {
            let frame = frame.map_err(|why| broken(&why))?;
            bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if bytes.len() > most {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }
}

/// What is busy comes from [`access`] as a failure, with the time that it asks for.
fn sort_status(
    status: u16,
    reason: &str,
    message: String,
    after: Option<Duration>,
    about: About,
) -> Error {
    match status {
        401 => Error::Unauthorized { message },
        403 => Error::Forbidden {
            verb: about.verb,
            resource: about.resource,
            group: about.group,
            scope: about.scope,
            message,
        },
        410 => Error::Expired,
        // An API server that has no such object says so in a Status.
        404 if reason != "NotFound" => {
            let message = format!(
                "{}. Is the server's URL, with its path, that of the API server?",
                message.trim().trim_end_matches('.')
            );
            Error::Busy {
                status: 404,
                message,
                after,
            }
        }
        status => Error::Busy {
            status,
            message,
            after,
        },
    }
}

/// A body that ended before its time, or can't be taken apart.
fn broken(error: &kube::Error) -> Error {
    Error::Unreachable(format!("the answer broke off: {}", chain(error)))
}

fn sort_transport(error: &kube::Error) -> Error {
    match error {
        kube::Error::Service(why) => why.downcast_ref::<Failure>().map_or_else(
            || Error::Unreachable(chain(error)),
            |failure| failure.clone().into(),
        ),
        kube::Error::SerdeError(why) if why.is_eof() => Error::Protocol(unreadable(b"", "")),
        kube::Error::SerdeError(why) => {
            Error::Protocol(format!("it is not what was asked for: {why}"))
        }
        kube::Error::FromUtf8(why) => {
            Error::Protocol(unreadable(why.as_bytes(), "it is not UTF-8"))
        }
        kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
            Error::Protocol(format!("it can't be asked for: {}", chain(error)))
        }
        error => Error::Unreachable(chain(error)),
    }
}

/// Sorts an error of a typed request.
pub(super) fn sort(error: kube::Error, about: About) -> Error {
    match error {
        kube::Error::Api(status) => sort_status(
            status.code,
            &status.reason,
            status.message.clone(),
            None,
            about,
        ),
        error => sort_transport(&error),
    }
}
