//! Judges a request, sends it, sorts what can go wrong.

use std::collections::HashSet;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, warn};
use ureq::config::Config;
use ureq::http::header::LOCATION;
use ureq::http::{HeaderValue, Method, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::cluster::tls_words;
use crate::shown::Shown;
use crate::sink::grant::{Authority, Grant, Limits, Scheme};
use crate::sink::redact::Redactor;
use crate::sink::stats::result;
use crate::sink::{Exchange, Stats, Term};

use super::budget::Budget;
use super::headers::{HEADER_BYTES, headers};
use super::resolver::{Hanging, Judge, REFUSED, address_of, is_local};
use super::script::Scripted;
use super::skew::Skew;
use super::{Error, Network, Request, Response, address, url};

/// What a sink may ask by (RFC 9110, section 9.3; RFC 5789). A server may take what it doesn't know
/// for the beginning of another protocol.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// What a header takes beside its bytes.
const HEADER: usize = 48;
/// Bytes of an answer's headers that don't count.
const FREE: usize = 4 << 10;
/// Destinations whose denial is said.
const MOST_SAID: usize = 20;
/// Time for resolving a name, and then for connecting.
const CONNECT: Duration = Duration::from_secs(10);

/// The way out of one sink. Clones share its connections.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    sink: String,
    grant: Arc<Grant>,
    redactor: Redactor,
    limits: Limits,
    term: Term,
    judge: Arc<Judge>,
    agent: ureq::Agent,
    stats: Arc<Stats>,
    /// Destinations whose denial, or redirect, was said.
    said: Mutex<HashSet<String>>,
    skew: Skew,
    budget: Mutex<Budget>,
}

impl Gate {
    /// For a sink, what it was granted, the time for which it may send, the way out, and where
    /// requests are counted.
    pub fn new(
        sink: &str,
        grant: Arc<Grant>,
        term: Term,
        network: &Network,
        stats: Arc<Stats>,
    ) -> Self {
        // TLS 1.2 and 1.3, with certificates checked, is what the library does and can't be told
        // otherwise here. Whether the identity can be read was seen when the grant was.
        let identity = grant
            .identity
            .as_ref()
            .and_then(|identity| identity.ready().ok());
        let tls = TlsConfig::builder()
            .root_certs(network.roots.clone())
            .client_cert(identity);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("")
            .accept("")
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .max_response_header_size(HEADER_BYTES)
            .max_idle_connections(grant.limits.http_width)
            .max_idle_connections_per_host(grant.limits.http_width)
            .tls_config(tls.build())
            .build();
        let judge = Arc::new(Judge {
            granted: grant.http.clone(),
            private: grant.private.clone(),
            network: network.clone(),
            hanging: Hanging::default(),
            found: Mutex::default(),
        });
        let agent = match &network.script {
            Some(script) => {
                ureq::Agent::with_parts(config, Scripted(script.clone()), Shared(judge.clone()))
            }
            None => ureq::Agent::with_parts(config, DefaultConnector::new(), Shared(judge.clone())),
        };
        let (limits, redactor) = (grant.limits, Redactor::new(&grant.env));
        let budget = Mutex::new(Budget::new(
            limits.requests_per_minute,
            limits.bytes_per_minute,
            Instant::now(),
        ));
        Self(Arc::new(Inner {
            sink: sink.to_owned(),
            grant,
            redactor,
            limits,
            term,
            judge,
            agent,
            stats,
            said: Mutex::default(),
            skew: Skew::default(),
            budget,
        }))
    }

    /// How many requests may run at a time.
    pub fn width(&self) -> usize {
        self.0.limits.http_width
    }

    /// Breaks the requests that are open, on whichever thread, and refuses new ones.
    pub fn cut(&self) {
        self.0.agent.clone().shutdown();
    }

    /// Judges and sends; blocks for at most `time`, and takes at most so many bytes of an answer's
    /// body, or the limit of the grant.
    pub fn send(&self, request: Request, time: Duration, most: usize) -> Result<Response, Error> {
        let tap = self
            .0
            .judge
            .network
            .tap
            .as_ref()
            .map(|tap| (tap, request.clone()));
        let (asked, began, sent) = (
            self.asked(&request),
            Instant::now(),
            request.body.len() as u64,
        );
        let answer = self.pass(request, time, most);
        self.0.stats.requested(&answer);
        if let Some(asked) = asked {
            let received = answer.as_ref().map_or(0, |answer| answer.body.len() as u64);
            let address = self.0.judge.last(&asked.host);
            let host = self.0.redactor.words(&asked.host);
            let milliseconds = began.elapsed().as_millis() as u64;
            self.0.stats.exchanged(Exchange {
                host,
                address,
                sent,
                received,
                milliseconds,
                result: result(&answer).to_owned(),
                ..asked
            });
        }
        if let Some((tap, request)) = tap {
            tap(&request, &answer);
        }
        answer
    }

    /// What is known of a request before it goes out; none where its URL is none.
    fn asked(&self, request: &Request) -> Option<Exchange> {
        let (_, authority) = url::parse(&request.url).ok()?;
        Some(Exchange {
            at: SystemTime::now(),
            batch: self.0.stats.batch(),
            method: self.0.redactor.words(
                request
                    .method
                    .get(..request.method.len().min(16))
                    .unwrap_or_default(),
            ),
            scheme: authority.scheme.as_str().to_owned(),
            host: authority.host,
            port: authority.port,
            address: None,
            sent: 0,
            received: 0,
            result: String::new(),
            milliseconds: 0,
        })
    }

    fn pass(&self, request: Request, time: Duration, most: usize) -> Result<Response, Error> {
        if self.0.term.is_over() {
            return Err(Error::NotSent(
                "another replica may be delivering now".to_owned(),
            ));
        }
        let time = request.timeout.map_or(time, |asked| asked.min(time));
        let limit = self.0.limits.request_body;
        if request.body.len() > limit {
            return Err(Error::RequestTooLarge(limit as u64));
        }
        let (bytes, (ready, authority)) = (request.body.len(), self.judge(request)?);
        let taken = self
            .0
            .budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(bytes, Instant::now());
        // A played destination takes whatever comes, as fast as it comes.
        if let (Err(spent), None) = (taken, &self.0.judge.network.script) {
            self.0.stats.spent();
            return Err(Error::NotSent(spent.to_string()));
        }
        let answer = self.exchange(ready, &authority, time, most)?;
        // A played destination has the clock of another day.
        if self.0.judge.network.script.is_none()
            && let Some(seconds) = self.0.skew.of(&answer, SystemTime::now())
        {
            // The name may be made of a secret.
            let (sink, authority) = (
                self.0.sink.as_str(),
                self.0.redactor.words(&authority.to_string()),
            );
            warn!(
                sink,
                "The clock of this machine differs from that of {authority} by {seconds} s: set it, since requests that are signed may be refused."
            );
        }
        Ok(answer)
    }

    /// Builds the request anew from checked parts.
    fn judge(&self, request: Request) -> Result<(ureq::http::Request<Vec<u8>>, Authority), Error> {
        let invalid = |why: String| Error::InvalidRequest(why);
        let (uri, authority) = url::parse(&request.url).map_err(invalid)?;
        if !self
            .0
            .grant
            .http
            .iter()
            .any(|pattern| pattern.admits(&authority))
        {
            let short = format!("{authority} is not in the grant of the sink");
            return Err(self.deny(&authority, self.not_granted(&authority), short));
        }
        self.judge_place(&authority).map_err(|why| {
            self.deny(
                &authority,
                format!("{authority} is {why}"),
                format!("{authority} is {why}"),
            )
        })?;
        if !METHODS.contains(&request.method.as_str()) {
            return Err(invalid(format!(
                "the method {} is not for sinks, which have {}",
                Shown(&request.method),
                METHODS.join(", ")
            )));
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|why| invalid(why.to_string()))?;
        let mut ready = ureq::http::Request::new(request.body);
        *ready.method_mut() = method;
        *ready.uri_mut() = uri;
        *ready.headers_mut() = headers(request.headers).map_err(invalid)?;
        Ok((ready, authority))
    }

    /// Says why a destination is refused even if it is granted, as far as can be seen without
    /// resolving it.
    fn judge_place(&self, authority: &Authority) -> Result<(), &'static str> {
        let Authority { host, port, .. } = authority;
        if self.0.judge.network.refuses_name(host, *port) {
            return Err("the cluster's API server, which no sink may reach");
        }
        if address::is_metadata_name(host) {
            return Err("a cloud's metadata service");
        }
        // An address is judged by the resolver, too; but the way through a proxy asks none.
        let refusal =
            address_of(host).and_then(|ip| self.0.judge.refusal(host, SocketAddr::new(ip, *port)));
        refusal.map_or(Ok(()), Err)
    }

    /// A destination in words that a sink may repeat: without a host that is a part of a secret.
    fn named(&self, authority: &Authority) -> String {
        let plain = authority.to_string();
        if self.0.redactor.words(&plain) == plain {
            plain
        } else {
            "the destination".to_owned()
        }
    }

    /// Says that a destination is not in the grant, and the line to add.
    fn not_granted(&self, authority: &Authority) -> String {
        let Inner { sink, grant, .. } = &*self.0;
        let place = grant.source.as_ref().map_or_else(
            || format!("{sink}.yaml in a --grant-dir"),
            |path| path.display().to_string(),
        );
        format!(
            "{authority} is not in the grant of the sink {sink}; to allow it, add this line under http: in {place}:   - {authority}"
        )
    }

    /// Says once for each destination, and for a few of them, that it is denied; the sink gets the
    /// short words.
    fn deny(&self, authority: &Authority, words: String, short: String) -> Error {
        let Inner {
            sink,
            redactor,
            said,
            judge,
            ..
        } = &*self.0;
        if let Some(script) = &judge.network.script {
            script.denied(&redactor.words(&words));
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_SAID && said.insert(authority.to_string()) {
            // The name may be made of a secret.
            let [host, words] = [&authority.host, &words].map(|text| redactor.words(text));
            warn!(sink, host, "The sink was denied a destination: {words}");
            if said.len() == MOST_SAID {
                warn!(
                    sink,
                    "The sink was denied {MOST_SAID} destinations: further ones are denied, but not said."
                );
            }
        }
        // Where the grant lies, and which address a name has, is the operator's to know.
        Error::Denied(short)
    }

    /// Says once for each destination, and for a few of them, that it sends on: nobody goes there,
    /// and a sink may say no more than the status.
    fn say_redirect(&self, authority: &Authority, status: u16, location: Option<&HeaderValue>) {
        let Inner {
            sink,
            redactor,
            said,
            ..
        } = &*self.0;
        let to: Option<Uri> = location.and_then(|to| to.to_str().ok()?.parse().ok());
        let to = to
            .as_ref()
            .and_then(Uri::host)
            .unwrap_or("another place")
            .to_owned();
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_SAID && said.insert(format!("redirect of {authority}")) {
            // The names may be made of a secret.
            let [from, to] = [&authority.to_string(), &to].map(|text| redactor.words(text));
            warn!(
                sink,
                "{from} sends on to {to} ({status}). Redirects are not followed: give the sink the URL of that place, and grant it."
            );
        }
    }

    fn exchange(
        &self,
        request: ureq::http::Request<Vec<u8>>,
        authority: &Authority,
        time: Duration,
        most: usize,
    ) -> Result<Response, Error> {
        let local = is_local(&authority.host)
            || address_of(&authority.host).is_some_and(|ip| ip.is_loopback());
        let proxy = self
            .0
            .judge
            .network
            .proxy_for(&authority.host, local)
            .filter(|_| authority.scheme == Scheme::Https);
        let sort = |error: &ureq::Error| match sort(error) {
            Error::Dns(why) | Error::Connect(why) if proxy.is_some() => Error::Proxy(why),
            Error::Dns(why) => Error::Dns(format!("{}: {why}", self.named(authority))),
            Error::Connect(why) => Error::Connect(format!("{}: {why}", self.named(authority))),
            Error::Tls(why) => Error::Tls(format!("{}: {why}", self.named(authority))),
            Error::Denied(why) => {
                let reason = why.split_once(", ").map_or("refused", |(_, reason)| reason);
                let short = format!("{authority} is at {reason}");
                self.deny(authority, why, short)
            }
            sorted => sorted,
        };
        let request = self
            .0
            .agent
            .configure_request(request)
            .timeout_global(Some(time))
            .proxy(proxy.cloned())
            .build();
        let answer = self.0.agent.run(request).map_err(|error| sort(&error))?;
        let (parts, body) = answer.into_parts();
        if parts.status.is_redirection() {
            self.say_redirect(
                authority,
                parts.status.as_u16(),
                parts.headers.get(LOCATION),
            );
        }
        let headers: Vec<(String, Vec<u8>)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        let taken: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + HEADER)
            .sum::<usize>()
            .saturating_sub(FREE);
        let Some(left) = most.checked_sub(taken) else {
            return Err(Error::Protocol(format!(
                "the answer has {taken} bytes of headers, and {most} are left for answers"
            )));
        };
        let limit = self.0.limits.response_body.min(left);
        let mut bytes = Vec::new();
        let mut reader = body.into_reader().take(limit as u64 + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| sort(&ureq::Error::from(error)))?;
        let truncated = bytes.len() > limit;
        bytes.truncate(limit);
        debug!(
            sink = self.0.sink,
            status = parts.status.as_u16(),
            bytes = bytes.len(),
            "Answered."
        );
        Ok(Response {
            status: parts.status.as_u16(),
            headers,
            body: bytes,
            truncated,
        })
    }
}

/// The judge, for the library and for the gate.
#[derive(Debug)]
struct Shared(Arc<Judge>);

impl Resolver for Shared {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout)
    }
}

/// What TLS stumbled on. The library of sinks' requests takes no authority's own certificate from a
/// destination, even where it is one of --ca-file.
fn tls(why: &rustls::Error) -> String {
    let words = tls_words(why);
    if words.contains("(CA:TRUE)") {
        return "shows a certificate that is an authority's own (CA:TRUE): make one for the destination with CA:FALSE".to_owned();
    }
    words
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
        ureq::Error::ConnectProxyFailed(_) => Error::Proxy(words),
        ureq::Error::ConnectionFailed => Error::Connect(words),
        ureq::Error::Rustls(why) => Error::Tls(tls(why)),
        ureq::Error::Tls(_) | ureq::Error::Pem(_) => Error::Tls(words),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::BodyExceedsLimit(_) => {
            Error::InvalidRequest(words)
        }
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) => Error::Protocol(words),
        ureq::Error::Io(io)
            if let Some(why) = io
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>()) =>
        {
            Error::Tls(tls(why))
        }
        ureq::Error::Io(io) => match io.kind() {
            io::ErrorKind::PermissionDenied if words.contains(REFUSED) => {
                Error::Denied(io.to_string().replace(REFUSED, ""))
            }
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
