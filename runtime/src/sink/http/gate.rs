//! Judges a request, sends it, sorts what can go wrong.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, warn};
use ureq::http::header::LOCATION;
use ureq::http::{HeaderValue, Method, Uri};

use crate::shown::Shown;
use crate::sink::egress::{Judge, is_of_this_machine};
use crate::sink::grant::{Authority, Grant, Limits, Scheme};
use crate::sink::redact::Redactor;
use crate::sink::stats::result;
use crate::sink::{Exchange, Stats, Term};

use super::answer::take_answer;
use super::budget::Budget;
use super::failure::sort;
use super::headers::headers;
use super::skew::Skew;
use super::{Error, Network, Request, Response, connections, url};

/// What a sink may ask by (RFC 9110, section 9.3; RFC 5789). A server may take what it doesn't know
/// for the beginning of another protocol.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Destinations whose denial is said.
const MOST_SAID: usize = 20;
/// The way out of one sink. Clones share its connections.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    sink: String,
    grant: Arc<Grant>,
    redactor: Redactor,
    limits: Limits,
    term: Term,
    network: Network,
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
        let judge = Arc::new(Judge::new(
            grant.http.clone(),
            grant.private.clone(),
            network.surroundings(),
        ));
        let agent = connections::open(&grant, network, &judge);
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
            network: network.clone(),
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
        if let (Err(spent), None) = (taken, &self.0.network.script) {
            self.0.stats.spent();
            return Err(Error::NotSent(spent.to_string()));
        }
        let answer = self.exchange(ready, &authority, time, most)?;
        // A played destination has the clock of another day.
        if self.0.network.script.is_none()
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
        if let Some(why) = self.0.judge.refuses_place(&authority.host, authority.port) {
            let words = format!("{authority} is {why}");
            return Err(self.deny(&authority, words.clone(), words));
        }
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
            network,
            ..
        } = &*self.0;
        if let Some(script) = &network.script {
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
        let local = is_of_this_machine(&authority.host);
        let proxy = self
            .0
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
        if answer.status().is_redirection() {
            self.say_redirect(
                authority,
                answer.status().as_u16(),
                answer.headers().get(LOCATION),
            );
        }
        let answer = take_answer(answer, most, self.0.limits.response_body, &sort)?;
        debug!(
            sink = self.0.sink,
            status = answer.status,
            bytes = answer.body.len(),
            "Answered."
        );
        Ok(answer)
    }
}
