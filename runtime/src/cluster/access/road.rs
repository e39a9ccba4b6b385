//! The first part of the way: a connection to the server, or to the proxy before it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::failure::{Failure, words};
use super::proxy::{Kind, Proxy};

type Cause = Box<dyn std::error::Error + Send + Sync>;
/// A connection to a server or a proxy.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects to a server, straight or through a proxy. What TLS there is to the server comes on top.
#[derive(Clone)]
pub(super) struct Road {
    first: HttpsConnector<HttpConnector>,
    proxy: Option<Proxy>,
}

impl Service<Uri> for Road {
    type Response = Hop;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Hop, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let road = self.clone();
        Box::pin(async move { road.connect(&server).await })
    }
}

impl Road {
    /// `first` connects to whatever comes first: the server, or its proxy.
    pub(super) fn new(first: HttpsConnector<HttpConnector>, proxy: Option<Proxy>) -> Self {
        Self { first, proxy }
    }

    async fn connect(mut self, server: &Uri) -> Result<Hop, Cause> {
        let secure = server.scheme_str() == Some("https");
        let host = server.host().unwrap_or_default();
        let port = server.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target: Uri = format!("http://{host}:{port}/").parse()?;
        let Some(proxy) = self.proxy.clone() else {
            return Ok(Hop {
                stream: self.first.call(target).await?,
                forwards: false,
            });
        };
        let scheme = if proxy.kind == Kind::Https {
            "https"
        } else {
            "http"
        };
        let to: Uri = format!("{scheme}://{}/", proxy.authority).parse()?;
        let stream = self.first.call(to.clone()).await;
        let stream = stream.map_err(|why| {
            Failure::Unreachable(format!(
                "through the proxy: {}",
                words(why.as_ref(), &proxy.to_string())
            ))
        })?;
        if proxy.forwards(server) {
            return Ok(Hop {
                stream,
                forwards: true,
            });
        }
        let made = match proxy.kind {
            Kind::Socks5 => {
                let mut socks = SocksV5::new(to, Made(Some(stream)));
                if let Some((user, password)) = proxy.login.clone() {
                    socks = socks.with_auth(user, password);
                }
                socks.call(target).await.map_err(Cause::from)
            }
            Kind::Http | Kind::Https => {
                let mut tunnel = Tunnel::new(to, Made(Some(stream)));
                if let Some((user, password)) = &proxy.login {
                    tunnel = tunnel.with_auth(super::issued::basic(user, password)?);
                }
                tunnel.call(target).await.map_err(Cause::from)
            }
        };
        let made = made.map(|stream| Hop {
            stream,
            forwards: false,
        });
        made.map_err(|why| Failure::Unreachable(refused(why.as_ref(), &proxy, host, port)).into())
    }
}

/// What it is connected to: the server, or a proxy that is given whole requests.
pub(super) struct Hop {
    stream: Stream,
    /// Requests name the server's host, so that the proxy knows where they go (absolute form, RFC
    /// 9112, section 3.2.2).
    forwards: bool,
}

impl Connection for Hop {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.forwards)
    }
}

impl Read for Hop {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Hop {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}

/// A connection to the proxy, as the libraries want it that speak to proxies.
#[derive(Clone)]
struct Made<T>(Option<T>);

impl<T> Service<Uri> for Made<T> {
    type Response = T;
    type Error = std::io::Error;
    type Future = std::future::Ready<std::io::Result<T>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(
            self.0
                .take()
                .ok_or_else(|| std::io::Error::other("the connection is used up")),
        )
    }
}

/// What to do about a 407.
pub(super) fn asks_for_a_login(proxy: &Proxy) -> String {
    format!(
        "the proxy {proxy} asks for a user and a password, or for others: write them into its URL as USER:PASSWORD@ before the host"
    )
}

/// Why a proxy leads nowhere.
fn refused(
    why: &(dyn std::error::Error + 'static),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> String {
    let whole = super::failure::chain(why);
    if ["authorization", "authentication", "credentials"]
        .iter()
        .any(|word| whole.contains(word))
    {
        return asks_for_a_login(proxy);
    }
    format!("the proxy {proxy} does not lead to {host}:{port} ({whole})")
}
