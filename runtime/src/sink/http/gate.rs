//! Judges a request, sends it, sorts what can go wrong.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, warn};
use ureq::http::{HeaderName, HeaderValue, Method, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

use crate::sink::Term;
use crate::sink::grant::{Authority, Grant, Limits, Scheme};

use super::resolver::{Judge, REFUSED};
use super::{Error, Request, Response};

/// Headers that frame a message or steer a proxy: the host's own to set.
const HOSTS_OWN: [&str; 10] =
    ["host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "proxy"];
/// The most headers of a request.
const MOST_HEADERS: usize = 100;
/// Time for resolving and connecting.
const CONNECT: Duration = Duration::from_secs(10);

/// The way out of one sink. Clones share its connections.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    sink: String,
    grant: Arc<Grant>,
    limits: Limits,
    term: Term,
    agent: ureq::Agent,
    /// Destinations whose denial was said.
    said: Mutex<HashSet<String>>,
}

impl Gate {
    /// For a sink, what it was granted, and the time for which it may send.
    pub fn new(sink: &str, grant: Arc<Grant>, term: Term) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("")
            .accept("")
            .timeout_connect(Some(CONNECT))
            .max_idle_connections(grant.limits.http_width)
            .max_idle_connections_per_host(grant.limits.http_width)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::WebPki).build())
            .build();
        let judge = Judge { granted: grant.http.clone(), system: DefaultResolver::default() };
        let agent = ureq::Agent::with_parts(config, DefaultConnector::new(), judge);
        let limits = grant.limits;
        Self(Arc::new(Inner { sink: sink.to_owned(), grant, limits, term, agent, said: Mutex::default() }))
    }

    /// How many requests may run at a time.
    pub fn width(&self) -> usize {
        self.0.limits.http_width
    }

    /// Breaks the requests that are open, on whichever thread, and refuses new ones.
    pub fn cut(&self) {
        self.0.agent.clone().shutdown();
    }

    /// Judges and sends; blocks for at most `time`.
    pub fn send(&self, request: Request, time: Duration) -> Result<Response, Error> {
        if self.0.term.is_over() {
            return Err(Error::NotSent("another replica may be delivering now".to_owned()));
        }
        let time = request.timeout.map_or(time, |asked| asked.min(time));
        let limit = self.0.limits.request_body;
        if request.body.len() > limit {
            return Err(Error::RequestTooLarge(limit as u64));
        }
        let ready = self.judge(request)?;
        self.exchange(ready, time)
    }

    /// Builds the request anew from checked parts.
    fn judge(&self, request: Request) -> Result<ureq::http::Request<Vec<u8>>, Error> {
        let invalid = |why: String| Error::InvalidRequest(why);
        let (uri, authority) = parse_url(&request.url).map_err(invalid)?;
        if !self.0.grant.http.iter().any(|pattern| pattern.admits(&authority)) {
            return Err(Error::Denied(self.deny(&authority)));
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid(format!("{:?} is not a method", request.method)))?;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(invalid(format!("the method {method} is not for sinks")));
        }
        if request.headers.len() > MOST_HEADERS {
            return Err(invalid(format!("{} headers, at most {MOST_HEADERS} are allowed", request.headers.len())));
        }
        let mut ready = ureq::http::Request::new(request.body);
        *ready.method_mut() = method;
        *ready.uri_mut() = uri;
        for (name, value) in request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("{name:?} is not the name of a header")))?;
            if HOSTS_OWN.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
                return Err(invalid(format!("the header {name} is the host's to set")));
            }
            let value = HeaderValue::from_bytes(&value).map_err(|_| invalid(format!("the value of the header {name} has a forbidden character")))?;
            ready.headers_mut().append(name, value);
        }
        Ok(ready)
    }

    /// Says once for each destination that it is denied, and gives the words.
    fn deny(&self, authority: &Authority) -> String {
        let Inner { sink, grant, said, .. } = &*self.0;
        let place = grant.source.as_ref().map_or_else(|| format!("{sink}.yaml in a --grant-dir"), |path| path.display().to_string());
        let words = format!("{authority} is not in the grant of the sink {sink}; to allow it, add this line under http: in {place}:   - {authority}");
        if said.lock().unwrap_or_else(PoisonError::into_inner).insert(authority.to_string()) {
            warn!(sink, host = authority.host, "A sink asked for a destination that was not granted: {words}");
        }
        words
    }

    fn exchange(&self, request: ureq::http::Request<Vec<u8>>, time: Duration) -> Result<Response, Error> {
        let request = self.0.agent.configure_request(request).timeout_global(Some(time)).build();
        let answer = self.0.agent.run(request).map_err(|error| sort(&error))?;
        let (parts, body) = answer.into_parts();
        let limit = self.0.limits.response_body;
        let mut bytes = Vec::new();
        let mut reader = body.into_reader().take(limit as u64 + 1);
        reader.read_to_end(&mut bytes).map_err(|error| sort(&ureq::Error::from(error)))?;
        let truncated = bytes.len() > limit;
        bytes.truncate(limit);
        debug!(sink = self.0.sink, status = parts.status.as_u16(), bytes = bytes.len(), "Answered.");
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Ok(Response { status: parts.status.as_u16(), headers, body: bytes, truncated })
    }
}

/// Takes a URL apart once; odd forms are refused, so that no two readers can differ about it.
fn parse_url(url: &str) -> Result<(Uri, Authority), String> {
    if !url.is_ascii() || url.bytes().any(|b| b == b'\\' || b.is_ascii_control() || b == b' ') {
        return Err("the URL has a backslash, a space, a control or a non-ASCII character".to_owned());
    }
    let uri: Uri = url.parse().map_err(|why| format!("{url:?} is not a URL: {why}"))?;
    let (scheme, standard) = match uri.scheme_str() {
        Some("http") => (Scheme::Http, 80),
        Some("https") => (Scheme::Https, 443),
        _ => return Err("the URL must begin with http:// or https://".to_owned()),
    };
    let authority = uri.authority().ok_or("the URL names no host")?;
    if authority.as_str().contains('@') {
        return Err("the URL has a user in it".to_owned());
    }
    let port = match (authority.port(), authority.as_str().rsplit_once(':')) {
        (Some(port), _) => port.as_u16(),
        (None, Some((_, rest))) if !rest.ends_with(']') => return Err("the URL's port is not a number".to_owned()),
        _ => standard,
    };
    let host = authority.host().to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = !last.is_empty() && (last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
    if host.is_empty() || host.ends_with('.') || (numeric && host.parse::<std::net::Ipv4Addr>().is_err()) {
        return Err(format!("{host:?} is not a plain host name or address"));
    }
    Ok((uri, Authority { scheme, host, port }))
}

/// Sorts by what it means for a retry: whether the destination can have been asked.
fn sort(error: &ureq::Error) -> Error {
    use ureq::Timeout;
    let words = error.to_string();
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => Error::Dns(words),
        ureq::Error::Timeout(Timeout::Connect) => Error::Connect(words),
        ureq::Error::Timeout(_) => Error::Timeout,
        ureq::Error::HostNotFound => Error::Dns(words),
        ureq::Error::ConnectionFailed => Error::Connect(words),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => Error::Tls(words),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::BodyExceedsLimit(_) => Error::InvalidRequest(words),
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Error::Protocol(words),
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::PermissionDenied if words.contains(REFUSED) => Error::Denied(io.to_string().replace(REFUSED, "")),
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Error::Connect(words),
            io::ErrorKind::InvalidData if words.contains("certificate") => Error::Tls(words),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::Timeout,
            _ => Error::Interrupted(words),
        },
        _ => Error::Other(words),
    }
}
