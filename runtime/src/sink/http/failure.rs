//! Sorts what can go wrong with a request.

use std::io;

use crate::cluster::tls_words;

use super::Error;
use super::resolver::REFUSED;

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
pub(super) fn sort(error: &ureq::Error) -> Error {
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
