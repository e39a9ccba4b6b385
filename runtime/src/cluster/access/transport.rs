//! Connections to the API server, and the requests on them: by the way that is known at that
//! moment, so that a renewal reaches all.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue,
    PROXY_AUTHORIZATION,
};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use tower_service::Service;

use super::Access;
use super::failure::{Failure, retry_after, status_of, words};
use super::foreign::foreign;
use super::issued::{Identity, Issued, basic};
use super::road::{self, Road};
use super::way::Way;

/// For a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// Bytes of an answer that is no success, at most.
const WORDS: usize = 64 << 10;
/// For a request to go out.
const WRITE: Duration = Duration::from_secs(295);

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Cause>>;
type Connections = Pool<TimeoutConnector<HttpsConnector<Road>>, Body>;

/// A client with connections of its own; `silence` is for how long an answer may say nothing.
pub(in crate::cluster) fn client(
    access: Arc<Access>,
    way: &Way,
    silence: Duration,
) -> Result<kube::Client, String> {
    let lane = Lane(Arc::new(Inner {
        access,
        silence,
        pool: Mutex::default(),
    }));
    let layer = way
        .config
        .extra_headers_layer()
        .map_err(|why| super::failure::chain(&why))?;
    Ok(ClientBuilder::new(lane, way.namespace.clone())
        .with_layer(&layer)
        .build())
}

/// What kube's client sends requests through.
#[derive(Clone)]
struct Lane(Arc<Inner>);

struct Inner {
    access: Arc<Access>,
    silence: Duration,
    /// What the connections are made of, and they.
    pool: Mutex<Option<(u64, Option<Identity>, Connections)>>,
}

/// Has the way read again where a request ends without an answer, or with a 401; also one that
/// nobody waits for any more: addresses, certificates and tokens change.
struct Doubt<'a>(Option<&'a Access>);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(access) = self.0 {
            access.renew();
        }
    }
}

impl Service<Request<Body>> for Lane {
    type Response = Answer;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let lane = self.0.clone();
        Box::pin(async move { lane.send(request).await.map_err(Cause::from) })
    }
}

impl Inner {
    async fn send(&self, mut request: Request<Body>) -> Result<Answer, Failure> {
        let mut doubt = Doubt(Some(&self.access));
        let way = self.access.current().ok_or_else(|| {
            Failure::Unreachable("the way to the cluster is not known".to_owned())
        })?;
        let issued = match way.credentials.issue().await {
            Ok(issued) => issued,
            Err(why) => {
                // What was ended by the end of the program is no fault of a plugin.
                return Err(if way.credentials.are_closed() {
                    Failure::Unreachable(why)
                } else {
                    Failure::Credentials(why)
                });
            }
        };
        *request.uri_mut() = absolute(&way.url, request.uri())
            .map_err(|why| Failure::Unreachable(format!("{}: {why}", way.shown())))?;
        request
            .headers_mut()
            .extend(issued.header.clone().map(|value| (AUTHORIZATION, value)));
        // Who compresses all the same is understood.
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let forwarder = way.proxy.as_ref().filter(|proxy| proxy.forwards(&way.url));
        let login = forwarder
            .and_then(|proxy| proxy.login.as_ref())
            .map(|(user, password)| basic(user, password));
        request.headers_mut().extend(
            login
                .transpose()
                .map_err(Failure::Credentials)?
                .map(|value| (PROXY_AUTHORIZATION, value)),
        );
        let pool = self.pool(&way, &issued).map_err(Failure::Credentials)?;
        match pool.request(request).await {
            Ok(response) => {
                if response.status() == 401 {
                    issued.are_refused();
                } else {
                    doubt.0 = None;
                }
                if let Some(proxy) = forwarder
                    .filter(|_| response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED)
                {
                    return Err(Failure::Unreachable(road::asks_for_a_login(proxy)));
                }
                match foreign(&response, &way) {
                    Some(failure) => Err(failure),
                    None if is_busy(response.status()) => Err(busy(decoded(response)?).await),
                    None => decoded(response),
                }
            }
            Err(why) => Err(Failure::Unreachable(words(&why, &way.shown()))),
        }
    }

    /// The connections, made anew where what they are made of has changed.
    fn pool(&self, way: &Way, issued: &Issued) -> Result<Connections, String> {
        let mut kept = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, pool)) = kept
            .as_ref()
            .filter(|(mark, identity, _)| *mark == way.mark && *identity == issued.identity)
        {
            return Ok(pool.clone());
        }
        let pool = connections(way, issued.identity.as_ref(), self.silence)?;
        *kept = Some((way.mark, issued.identity.clone(), pool.clone()));
        Ok(pool)
    }
}

/// A request's path and query below the server's URL, which may have a path of its own.
fn absolute(server: &Uri, request: &Uri) -> Result<Uri, http::Error> {
    let path = format!(
        "{}{}",
        server.path().trim_end_matches('/'),
        request.path_and_query().map_or("/", PathAndQuery::as_str)
    );
    let (scheme, authority) = (
        server.scheme_str().unwrap_or("http"),
        server.authority().map_or("", http::uri::Authority::as_str),
    );
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
}

fn connections(
    way: &Way,
    identity: Option<&Identity>,
    silence: Duration,
) -> Result<Connections, String> {
    let tls = way.tls(identity)?;
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    // To a proxy over TLS, with the same authorities, as kubectl does.
    let first = HttpsConnectorBuilder::new()
        .with_tls_config(tls.as_ref().clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(plain);
    let road = Road::new(first, way.proxy.clone());
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls.as_ref().clone())
        .https_or_http();
    if let Some(name) = &way.config.tls_server_name {
        let name =
            name.clone().try_into().map_err(|_| format!("the tls-server-name {name:?} of the kubeconfig's cluster is not the name of a server"))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut connector = TimeoutConnector::new(builder.enable_http1().wrap_connector(road));
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_read_timeout(Some(silence));
    connector.set_write_timeout(Some(WRITE));
    Ok(Pool::builder(TokioExecutor::new()).build(connector))
}

/// Whether an answer asks to come again; then it says when.
fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The same for all kinds of requests, of which kube's own know no headers.
async fn busy(answer: Answer) -> Failure {
    let (parts, body) = answer.into_parts();
    let mut body = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = body.next().await
        && bytes.len() < WORDS
    {
        bytes.extend_from_slice(&piece);
    }
    let said = status_of(&bytes);
    Failure::Foreign {
        status: parts.status.as_u16(),
        after: retry_after(&parts.headers).or(said.after),
        words: said.message,
    }
}

/// With the body as it was before somebody compressed it.
fn decoded(response: Response<Incoming>) -> Result<Answer, Failure> {
    let coding = response
        .headers()
        .get(CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (mut parts, body) = response.into_parts();
    let body = match coding.as_str() {
        "" | "identity" => body.map_err(Cause::from).boxed_unsync(),
        "gzip" | "x-gzip" => {
            let (_, _) = (
                parts.headers.remove(CONTENT_ENCODING),
                parts.headers.remove(CONTENT_LENGTH),
            );
            let mut decoder = MultiGzDecoder::new(Vec::new());
            let pieces = body.into_data_stream().map(move |piece| {
                decoder.write_all(&piece?)?;
                decoder.flush()?;
                Ok::<_, Cause>(Frame::data(Bytes::from(std::mem::take(decoder.get_mut()))))
            });
            StreamBody::new(pieces).boxed_unsync()
        }
        other => {
            let words = format!(
                "the answer is encoded as {other:?}, though nothing of the kind was asked for: look at what is between this program and the API server"
            );
            return Err(Failure::Foreign {
                status: parts.status.as_u16(),
                after: None,
                words,
            });
        }
    };
    Ok(Response::from_parts(parts, body))
}
