//! A client of one request at a time, which says exactly what a test wants it to say. Signs with
//! the functions of `testkit::sls::signature`, which have their own vectors and the vendor's SDKs
//! against them.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "clippy allows it in test functions only, and this is what they call"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use testkit::sls::signature::{Signable, v1, v4};
use testkit::sls::{Options, Server};

pub const REGION: &str = "cn-hangzhou";

/// A server with the names that [`Request`] uses.
pub fn server() -> Server {
    Server::start(Options {
        region: Some(REGION.into()),
        ..Options::default()
    })
    .unwrap()
}

pub fn now() -> u32 {
    u32::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}

/// A protobuf field of wire type 2.
pub fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    field.extend(varint(bytes.len() as u64));
    field.extend(bytes);
    field
}

/// A protobuf field of wire type 0.
pub fn varint_field(number: u8, value: u64) -> Vec<u8> {
    let mut field = vec![number << 3];
    field.extend(varint(value));
    field
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub fn content(key: &str, value: &str) -> Vec<u8> {
    bytes_field(
        2,
        &[
            bytes_field(1, key.as_bytes()),
            bytes_field(2, value.as_bytes()),
        ]
        .concat(),
    )
}

pub fn log(time: u32, contents: &[(&str, &str)]) -> Vec<u8> {
    let contents: Vec<u8> = contents
        .iter()
        .flat_map(|(key, value)| content(key, value))
        .collect();
    bytes_field(1, &[varint_field(1, time.into()), contents].concat())
}

/// A group of one log.
pub fn group(contents: &[(&str, &str)]) -> Vec<u8> {
    log(now(), contents)
}

/// A request that is right until a test changes it. `send` signs what is then there.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub params: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub key_id: String,
    pub secret: String,
    /// Sign by version 4.
    pub v4: bool,
    /// Sign nothing.
    pub unsigned: bool,
    /// Compute Content-MD5 or x-log-content-sha256 of the body that is there when it is sent.
    pub hashes: bool,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The `errorCode`, or nothing.
    pub fn error_code(&self) -> String {
        serde_json::from_slice::<serde_json::Value>(&self.body)
            .ok()
            .and_then(|json| json["errorCode"].as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

impl Request {
    fn new(server: &Server, method: &str, path: &str, body: Vec<u8>) -> Self {
        let options = Options::default();
        let host = format!("{}.localhost:{}", options.project, server.address().port());
        let date = httpdate::fmt_http_date(SystemTime::now());
        Self {
            method: method.into(),
            path: path.into(),
            params: Vec::new(),
            headers: Vec::new(),
            body,
            key_id: options.access_key_id,
            secret: options.access_key_secret,
            v4: false,
            unsigned: false,
            hashes: true,
        }
        .with("host", &host)
        .with("date", &date)
        .with("x-log-apiversion", "0.6.0")
        .with("x-log-signaturemethod", "hmac-sha1")
    }

    /// A write without compression.
    pub fn put(server: &Server, raw: Vec<u8>) -> Self {
        let size = raw.len().to_string();
        let request = Self::new(server, "POST", "/logstores/events/shards/lb", raw);
        request
            .with("content-type", "application/x-protobuf")
            .with("x-log-bodyrawsize", &size)
    }

    /// A read of `type=log` or `type=histogram`, from an hour ago to an hour ahead.
    pub fn get(server: &Server, kind: &str, query: &str) -> Self {
        let request = Self::new(server, "GET", "/logstores/events", Vec::new());
        let request = request
            .with("x-log-bodyrawsize", "0")
            .param("type", kind)
            .param("query", query);
        request
            .param("from", &(now() - 3600).to_string())
            .param("to", &(now() + 3600).to_string())
    }

    /// A read by JSON.
    pub fn logs_v3(server: &Server, json: &serde_json::Value) -> Self {
        let body = json.to_string().into_bytes();
        let size = body.len().to_string();
        let request = Self::new(server, "POST", "/logstores/events/logs", body);
        request
            .with("content-type", "application/json")
            .with("x-log-bodyrawsize", &size)
    }

    pub fn by_v4(mut self) -> Self {
        self.v4 = true;
        let date = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        self.without("date")
            .without("x-log-signaturemethod")
            .with("x-log-date", &date)
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    pub fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// Another body, with the size before compression that belongs to it.
    pub fn compressed(mut self, name: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.with("x-log-compresstype", name)
    }

    /// The answer, or `None` when the connection was closed without one.
    pub fn send(self, server: &Server) -> Option<Answer> {
        let request = self.sign();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // A server that cuts the connection may do so while this is being written.
        let _ = stream.write_all(&request.to_bytes());
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
        parse(&received)
    }

    /// The status, and the `errorCode` if there is one.
    pub fn outcome(self, server: &Server) -> (u16, String) {
        let answer = self.send(server).expect("an answer");
        (answer.status, answer.error_code())
    }

    fn sign(mut self) -> Self {
        if self.hashes && self.v4 {
            let hash = v4::body_hash(&self.body);
            self = self.with("x-log-content-sha256", &hash);
        } else if self.hashes && !self.body.is_empty() {
            let hash = format!("{:X}", Md5::digest(&self.body));
            self = self.with("content-md5", &hash);
        }
        if self.unsigned {
            return self;
        }
        let signable = Signable {
            method: &self.method,
            path: &self.path,
            params: &self.params,
            headers: &self.headers,
        };
        let authorization = if self.v4 {
            let date = self
                .headers
                .iter()
                .find(|(name, _)| name == "x-log-date")
                .map_or("", |(_, value)| value);
            let scope = v4::scope(date.get(..8).unwrap_or(date), REGION);
            let signature = v4::signature(&self.secret, REGION, &signable);
            format!(
                "SLS4-HMAC-SHA256 Credential={}/{scope},Signature={signature}",
                self.key_id
            )
        } else {
            format!(
                "LOG {}:{}",
                self.key_id,
                v1::signature(&self.secret, &signable)
            )
        };
        self.with("authorization", &authorization)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let params: Vec<_> = self
            .params
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let query = if params.is_empty() {
            String::new()
        } else {
            format!("?{}", params.join("&"))
        };
        let mut head = format!(
            "{} {}{query} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        );
        let chunked = self
            .headers
            .iter()
            .any(|(name, _)| name == "transfer-encoding");
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.method == "POST" && !chunked {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if chunked {
            bytes.extend(format!("{:x}\r\n", self.body.len()).into_bytes());
            bytes.extend(&self.body);
            bytes.extend(b"\r\n0\r\n\r\n");
        } else {
            bytes.extend(&self.body);
        }
        bytes
    }
}

fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(Answer {
        status,
        headers: headers.collect(),
        body: received[end + 4..].to_vec(),
    })
}

/// The authorization of KubeDL's Go SDK: `SLS` in place of `LOG`.
pub fn sls_scheme(request: Request) -> Request {
    let mut signed = request.sign();
    let value = signed
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap()
        .1
        .replacen("LOG ", "SLS ", 1);
    signed.unsigned = true;
    signed.with("authorization", &value)
}
