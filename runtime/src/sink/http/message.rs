//! Requests and answers, as guests see them, and why there is none.

use std::fmt;
use std::time::Duration;

/// A request, as a guest asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be empty.
    pub body: Vec<u8>,
    /// For the whole exchange.
    pub timeout: Option<Duration>,
}

/// An answer of any status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// May be cut.
    pub body: Vec<u8>,
    /// Whether it was.
    pub truncated: bool,
}

/// Why there is no answer. See `wit/http.wit`: up to `NotSent` it is certain that the destination
/// was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Outside of the grant.
    Denied(String),
    /// Not a request that can be sent.
    InvalidRequest(String),
    /// The body is over this limit.
    RequestTooLarge(u64),
    /// The name could not be resolved.
    Dns(String),
    /// No connection.
    Connect(String),
    /// No secure connection.
    Tls(String),
    /// The operator's proxy refused, or could not be reached.
    Proxy(String),
    /// Never started.
    NotSent(String),
    /// No whole answer in time.
    Timeout,
    /// Broken off.
    Interrupted(String),
    /// Not HTTP.
    Protocol(String),
    /// Anything else.
    Other(String),
}

impl Error {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::InvalidRequest(_) => "invalid",
            Self::RequestTooLarge(_) => "too-large",
            Self::Dns(_) => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Proxy(_) => "proxy",
            Self::NotSent(_) => "not-sent",
            Self::Timeout => "timeout",
            Self::Interrupted(_) => "interrupted",
            Self::Protocol(_) => "protocol",
            Self::Other(_) => "other",
        }
    }

    /// Whether the destination may have acted on the request.
    pub fn maybe_sent(&self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Interrupted(_) | Self::Protocol(_) | Self::Other(_)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::InvalidRequest(why) => write!(f, "not a request that can be sent: {why}"),
            Self::RequestTooLarge(limit) => {
                write!(f, "the body is over the limit of {limit} bytes")
            }
            Self::Dns(why) => write!(f, "the name could not be resolved: {why}"),
            Self::Connect(why) => write!(f, "no connection: {why}"),
            Self::Tls(why) => write!(f, "no secure connection: {why}"),
            Self::Proxy(why) => write!(f, "no way through the proxy: {why}"),
            Self::NotSent(why) => write!(f, "not sent: {why}"),
            Self::Timeout => write!(f, "no whole answer in time"),
            Self::Interrupted(why) => write!(f, "the connection broke: {why}"),
            Self::Protocol(why) => write!(f, "the answer is not HTTP: {why}"),
            Self::Other(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for Error {}
