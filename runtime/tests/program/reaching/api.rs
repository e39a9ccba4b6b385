//! A small API server on loopback: one event, one namespace, no Pods; in the clear or over TLS.
//! What it answers can be changed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Head of a request, when it came.
pub type Asked = (Instant, String);
/// What is answered to a request line (`GET /path HTTP/1.1`) in place of the usual; none: the
/// usual.
pub type Change = dyn Fn(&str, usize) -> Option<Vec<u8>> + Send + Sync;

#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    pub fn start() -> Self {
        Self::changed(|_, _| None)
    }

    /// `change` gets the request line, and how many requests came before it.
    pub fn changed(
        change: impl Fn(&str, usize) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, Arc::new(change))
    }

    pub fn tls(config: ServerConfig) -> Self {
        Self::listen(Some(Arc::new(config)), Arc::new(|_, _| None))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, change: Arc<Change>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let api = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let asked = api.asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, asked, change) = (tls.clone(), asked.clone(), change.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &asked, &*change),
                    Some(config) => serve(
                        StreamOwned::new(ServerConnection::new(config).unwrap(), stream),
                        &asked,
                        &*change,
                    ),
                });
            }
        });
        api
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub fn wait(&self, count: usize) -> Vec<Asked> {
        let until = Instant::now() + Duration::from_secs(120);
        while self.asked().len() < count {
            assert!(Instant::now() < until, "only {:?}", self.asked());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        self.asked()
    }

    pub fn heads(&self) -> Vec<String> {
        self.asked().into_iter().map(|(_, head)| head).collect()
    }
}

/// An answer, after which the connection is closed.
pub fn reply(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .as_bytes(),
        body,
    ]
    .concat()
}

pub fn json(status: &str, headers: &str, body: &str) -> Vec<u8> {
    reply(
        status,
        &format!("Content-Type: application/json\r\n{headers}"),
        body,
    )
}

/// The list that it usually answers with.
pub fn list(more: &str) -> String {
    format!(
        r#"{{"kind":"EventList","apiVersion":"v1","metadata":{{"resourceVersion":"2000"{more}}},"items":[{{"metadata":{{"name":"a.1","namespace":"lab","uid":"u-1","resourceVersion":"1001","creationTimestamp":"2026-03-01T10:00:00Z"}},"involvedObject":{{"kind":"Node","name":"n"}},"reason":"Pulled","message":"m","type":"Normal","count":1}}]}}"#
    )
}

/// What is asked first on each connection to it, and how it ends there.
fn usual(line: &str) -> Option<Vec<u8>> {
    let path = line.split(' ').nth(1).unwrap_or_default();
    if path.contains("watch=") {
        return None;
    }
    Some(match path.split('?').next().unwrap_or_default() {
        "/api/v1/namespaces/kube-system" => json(
            "200 OK",
            "",
            r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"ks"}}"#,
        ),
        path if path.ends_with("/events") => json("200 OK", "", &list("")),
        path if path.ends_with("/pods") => json(
            "200 OK",
            "",
            r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"2000"},"items":[]}"#,
        ),
        path if path.ends_with("/leases") => json(
            "201 Created",
            "",
            r#"{"metadata":{"name":"kubedl-events","namespace":"lab","resourceVersion":"1"}}"#,
        ),
        _ => json(
            "404 Not Found",
            "",
            r#"{"kind":"Status","status":"Failure","reason":"NotFound","message":"not found","code":404}"#,
        ),
    })
}

fn serve(mut stream: impl Read + Write, asked: &Mutex<Vec<Asked>>, change: &Change) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            return;
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let _ = stream.read_exact(&mut vec![0; length]);
    let line = head.lines().next().unwrap_or_default().to_owned();
    let before = {
        let mut asked = asked.lock().unwrap();
        asked.push((Instant::now(), head));
        asked.len() - 1
    };
    if let Some(answer) = change(&line, before).or_else(|| usual(&line)) {
        let _ = stream.write_all(&answer);
        let _ = stream.flush();
        return;
    }
    // A watch in which nothing happens.
    let _ = stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let _ = stream.flush();
    let _ = stream.read(&mut [0]);
}

/// Passes bytes on in both directions until one end closes.
pub fn join(client: TcpStream, server: TcpStream) {
    let (mut up, mut down) = (
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    );
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut up.0, &mut up.1);
        let _ = up.1.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut down.0, &mut down.1);
    let _ = down.1.shutdown(std::net::Shutdown::Both);
}
