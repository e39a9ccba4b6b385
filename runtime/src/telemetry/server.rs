//! The web server of probes and metrics, on a thread of its own: it answers from the start of the
//! process to its end.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::places::Places;
use super::{Observer, exposition, probe};

/// How long a connection may live, on which one request is answered. One that takes longer to read
/// its answer gets no more of it.
const LONGEST: Duration = Duration::from_secs(30);
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);
/// After a connection that could not be taken.
const AGAIN: Duration = Duration::from_millis(100);

/// Why there is no server.
#[derive(Debug)]
pub struct Error {
    address: String,
    why: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot listen on {} for metrics and probes: {}. Give another ADDRESS:PORT with --listen-address",
            self.address, self.why
        )
    }
}

impl std::error::Error for Error {}

/// Whether a text can be an address to listen on: `ADDRESS:PORT`, `NAME:PORT` or `:PORT`. Names are
/// not looked up.
///
/// # Errors
/// With a sentence that says what to write.
pub fn address(text: &str) -> Result<String, String> {
    let refuse = |what: &str| {
        format!(
            "{text:?} is not an address to listen on: {what}. Write ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080, or :8080 for all addresses"
        )
    };
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(refuse(if text.parse::<u16>().is_ok() {
            "it is a port alone"
        } else {
            "it has no port"
        }));
    };
    if port.parse::<u16>().is_err() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse(&format!(
            "{port:?} is not a port, which is a number up to 65535"
        )));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    // An address of one link has its interface behind a %.
    let wide = |inner: &str| {
        inner
            .split('%')
            .next()
            .unwrap_or_default()
            .parse::<Ipv6Addr>()
            .is_ok()
    };
    let good = host.is_empty()
        || inner.is_some_and(wide)
        || (inner.is_none() && host.split('.').all(label));
    let numeric = host
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if !good || (numeric && host.parse::<Ipv4Addr>().is_err()) {
        return Err(refuse(&format!(
            "{host:?} is neither an address nor a name, and an IPv6 address has brackets"
        )));
    }
    Ok(text.to_owned())
}

/// Where to listen. As in Go, `:8080` is port 8080 of all addresses, IPv6 and IPv4.
fn bind(address: &str) -> std::io::Result<TcpListener> {
    let Some(port) = address.strip_prefix(':') else {
        return TcpListener::bind(&*address.to_socket_addrs()?.collect::<Vec<_>>());
    };
    let port: u16 = port
        .parse()
        .map_err(|_| std::io::Error::other(format!("{port:?} is not a port")))?;
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Err(why) if why.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        // Where a kernel does not do both with one socket (net.ipv6.bindv6only), IPv6 alone would
        // leave out what most clusters have.
        Ok(_) if !is_dual() => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
        bound => bound,
    }
}

fn is_dual() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|only| only.trim() == "0")
}

/// Listens, and answers for as long as the process runs. Gives the address.
///
/// # Errors
/// When the address can't be listened on.
pub fn serve(address: &str, observer: Arc<Observer>) -> Result<SocketAddr, Error> {
    let refuse = |why: std::io::Error| Error {
        address: address.to_owned(),
        why: why.to_string(),
    };
    let listener = bind(address).map_err(refuse)?;
    listener.set_nonblocking(true).map_err(refuse)?;
    let local = listener.local_addr().map_err(refuse)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(refuse)?;
    let work = move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => match accept(listener, observer).await {},
                Err(why) => debug!("No metrics and probes: {why}."),
            }
        });
    };
    std::thread::Builder::new()
        .name("telemetry".to_owned())
        .spawn(work)
        .map_err(refuse)?;
    info!(address = %local, "Metrics and probes: /metrics, /livez, /readyz.");
    Ok(local)
}

async fn accept(listener: tokio::net::TcpListener, observer: Arc<Observer>) -> Infallible {
    let open: Arc<Mutex<Places<AbortHandle>>> = Arc::default();
    let places = || open.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // As when there are no file descriptors left.
            sleep(AGAIN).await;
            continue;
        };
        let (observer, number) = (observer.clone(), places().next());
        let own = open.clone();
        let task = tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(request, observer.clone()));
            let mut http = hyper::server::conn::http1::Builder::new();
            http.keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD);
            let _ = timeout(
                LONGEST,
                http.serve_connection(TokioIo::new(stream), service),
            )
            .await;
            own.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .leave(number);
        });
        // The task begins after this, as both are of one thread.
        if let Some(gone) = places().enter(number, peer.ip().to_canonical(), task.abort_handle()) {
            gone.abort();
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    observer: Arc<Observer>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD\n".to_owned(),
        );
        answer
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(answer);
    }
    let query = request.uri().query().unwrap_or_default();
    let verbose = query
        .split('&')
        .any(|part| part == "verbose" || part.starts_with("verbose="));
    let probed = |name, checks: &[probe::Check]| {
        let (well, page) = probe::page(name, checks, verbose);
        text(
            if well {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            },
            page,
        )
    };
    let board = observer.board();
    Ok(match request.uri().path() {
        "/metrics" => metrics_page(observer.clone()).await,
        "/livez" => probed("livez", &probe::live(board)),
        "/readyz" => probed("readyz", &probe::ready(board)),
        "/" => text(
            StatusCode::OK,
            "kubedl-events: /metrics, /livez?verbose, /readyz?verbose\n".to_owned(),
        ),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /livez and /readyz\n".to_owned(),
        ),
    })
}

/// Beside the probes, which are to answer while the disk hangs.
async fn metrics_page(observer: Arc<Observer>) -> Response<Full<Bytes>> {
    let Ok(Ok(status)) = tokio::task::spawn_blocking(move || observer.status()).await else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "another look at the journal is still going on\n".to_owned(),
        );
    };
    let mut answer = text(StatusCode::OK, exposition::page(&status));
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    answer
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
