//! A web server with answers that a client must bear: huge, slow, with many headers; in the clear,
//! or over TLS with a made-up authority.
//!
//! | path | answer |
//! |---|---|
//! | `/redirect` | 302 to a metadata service |
//! | `/huge` | a body of a gibibyte, as long as it is read |
//! | `/headers` | 110 headers |
//! | `/long-header` | a header of 100,000 bytes |
//! | `/zeros.gz` | a body that says it is gzip: 1,000 bytes that are not |
//! | `/slow` | none, for an hour |
//! | anything else | 200 with two bytes |

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// Serves on a port of its own of 127.0.0.1 until the process ends.
#[derive(Debug)]
pub struct Web {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// In the clear.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> io::Result<Self> {
        Self::serve(|stream, seen| answer(&mut { stream }, seen))
    }

    /// Over TLS.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start_tls(config: ServerConfig) -> io::Result<Self> {
        let config = Arc::new(config);
        Self::serve(move |stream, seen| {
            let connection =
                ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            answer(&mut stream, seen)?;
            stream.conn.send_close_notify();
            stream.flush()
        })
    }

    pub(crate) fn serve(
        handle: impl Fn(TcpStream, &Mutex<Vec<String>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, heads) = (listener.local_addr()?, Arc::<Mutex<Vec<String>>>::default());
        let (seen, handle) = (Arc::clone(&heads), Arc::new(handle));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, handle) = (Arc::clone(&seen), Arc::clone(&handle));
                thread::spawn(move || handle(stream, &seen));
            }
        });
        Ok(Self { address, heads })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Reads up to the empty line, and no further.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn answer(stream: &mut (impl Read + Write), seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = read_head(stream)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    let ok = |more: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
            body.len()
        )
    };
    let text = match path.as_str() {
        "/redirect" => "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/headers" => ok(&(0..110).map(|n| format!("x-{n}: v\r\n")).collect::<String>(), "ok"),
        path if path.starts_with("/headers/") => {
            let bytes = path.rsplit('/').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            ok(&format!("x: {}\r\n", "v".repeat(bytes)), "ok")
        }
        "/long-header" => ok(&format!("x: {}\r\n", "v".repeat(100_000)), "ok"),
        "/zeros.gz" => ok("Content-Encoding: gzip\r\n", &"0".repeat(1_000)),
        "/slow" => {
            thread::sleep(Duration::from_secs(3600));
            String::new()
        }
        "/huge" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1073741824\r\n\r\n")?;
            for _ in 0..1024 {
                stream.write_all(&[b'h'; 1 << 20])?;
            }
            String::new()
        }
        _ => ok("", "ok"),
    };
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// A made-up authority. Another one each time.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that it gave, and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

/// A certificate that signed itself and says that it is an authority's (CA:TRUE), as `openssl req
/// -x509` makes it: as PEM, and what a server of these names needs that shows it. With `over`, its
/// time is over.
///
/// # Errors
/// When the library can't.
pub fn self_signed(
    names: &[&str],
    over: bool,
) -> Result<(String, ServerConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    )?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    if over {
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate()?;
    let own = params.self_signed(&key)?;
    let builder =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?;
    let config = builder.with_no_client_auth().with_single_cert(
        vec![own.der().clone()],
        PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    )?;
    Ok((own.pem(), config))
}

impl Authority {
    /// Makes a key and a certificate for it.
    ///
    /// # Errors
    /// When the library can't.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let own = params.self_signed(&key)?;
        Ok(Self {
            pem: own.pem(),
            der: own.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Certifies names, of a server or of a client.
    ///
    /// # Errors
    /// When the library can't.
    pub fn certify(&self, names: &[&str]) -> Result<Certified, rcgen::Error> {
        let params = CertificateParams::new(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        })
    }

    /// What a server of these names needs; with `clients`, only those that show a certificate of
    /// this authority are served.
    ///
    /// # Errors
    /// When the library can't.
    pub fn server(
        &self,
        names: &[&str],
        clients: bool,
    ) -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let own = self.certify(names)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.der.clone())?;
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?,
            )
        } else {
            builder.with_no_client_auth()
        };
        Ok(builder.with_single_cert(vec![own.der], PrivateKeyDer::Pkcs8(own.key_der.into()))?)
    }
}
