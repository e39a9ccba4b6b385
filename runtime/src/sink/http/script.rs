//! A destination that is played: it takes the place of the network below the gate, which goes on
//! judging every request as it would for a real one.
//!
//! For a sink's author, who tries a sink without its destination. No flag of the service leads
//! here.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// The address of every name that is played: TEST-NET-3 (RFC 5737), where nothing is.
pub(super) const NOWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The most headers of a request; the gate lets fewer through.
const MOST_HEADERS: usize = 256;

/// A request as it would have gone over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `POST`, ...
    pub method: String,
    /// Scheme, host, port where it isn't the scheme's own, path and query.
    pub url: String,
    /// In order; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// As it was sent: maybe compressed.
    pub body: Vec<u8>,
}

/// What the destination does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Play {
    /// Answers.
    Answer(Answer),
    /// Sends these bytes, and closes the connection: none, or an answer that breaks off.
    Cut(Vec<u8>),
    /// Says nothing until the time is up. No time passes for that.
    Silence,
    /// Is not there: as if no connection could be made.
    Unreachable,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// 200, ...
    pub status: u16,
    /// Without those that frame the message.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Vec<u8>,
}

impl Answer {
    /// Without headers or body.
    #[must_use]
    pub fn of(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// In the form of HTTP/1.1 (RFC 9112).
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Played\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        // RFC 9110, section 8.6: no length where there can be no content.
        if self.status >= 200 && self.status != 204 {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Plays a destination.
pub trait Script: Send + Sync + 'static {
    /// Says what the destination does about a request. May be called on several threads at a time.
    fn answer(&self, request: Sent) -> Play;

    /// The gate denied a request; with its words for the operator.
    fn denied(&self, words: &str);
}

/// Where every name of a scripted network is.
pub(super) fn look_up(_: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(vec![SocketAddr::from((NOWHERE, port))])
}

/// Connects to a script.
#[derive(Clone)]
pub(super) struct Scripted(pub(super) Arc<dyn Script>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Connector for Scripted {
    type Out = Wire;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Wire>, ureq::Error> {
        let place = format!(
            "{}://{}",
            details.uri.scheme_str().unwrap_or_default(),
            details.uri.authority().map_or("", |place| place.as_str())
        );
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Wire {
            script: self.clone(),
            place,
            buffers,
            tls: details.needs_tls(),
            sent: Vec::new(),
            coming: Coming::default(),
            open: true,
        }))
    }
}

/// What has yet to arrive.
#[derive(Debug, Default)]
struct Coming {
    bytes: Vec<u8>,
    read: usize,
    /// Nothing comes after it, and the connection is closed then.
    last: bool,
    silent: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    script: Scripted,
    place: String,
    buffers: LazyBuffers,
    tls: bool,
    sent: Vec<u8>,
    coming: Coming,
    open: bool,
}

impl Wire {
    /// Has the script answer what was sent.
    fn play(&mut self) -> Result<(), ureq::Error> {
        let request = read(&self.place, &std::mem::take(&mut self.sent))
            .map_err(|why| ureq::Error::Io(std::io::Error::other(why)))?;
        self.coming = match self.script.0.answer(request) {
            Play::Answer(answer) => Coming {
                bytes: answer.bytes(),
                ..Coming::default()
            },
            Play::Cut(bytes) => Coming {
                bytes,
                last: true,
                ..Coming::default()
            },
            Play::Silence => Coming {
                silent: true,
                ..Coming::default()
            },
            Play::Unreachable => {
                return Err(ureq::Error::Io(std::io::Error::from(
                    std::io::ErrorKind::ConnectionRefused,
                )));
            }
        };
        Ok(())
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.sent.extend(self.buffers.output().iter().take(amount));
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if !self.sent.is_empty() {
            self.play()?;
        }
        if self.coming.silent {
            self.open = false;
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        let rest = self
            .coming
            .bytes
            .get(self.coming.read..)
            .unwrap_or_default();
        let room = self.buffers.input_append_buf();
        let count = rest.len().min(room.len());
        room.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.buffers.input_appended(count);
        self.coming.read += count;
        if count == 0 && self.coming.last {
            self.open = false;
        }
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.open
    }

    /// What is played needs no secrecy: the library takes it for encrypted where the URL says
    /// https.
    fn is_tls(&self) -> bool {
        self.tls
    }
}

/// Reads one whole request, framed by its length, as the gate's library writes it.
fn read(place: &str, bytes: &[u8]) -> Result<Sent, String> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let end = match head.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Err("a request without its end".to_owned()),
        Err(why) => return Err(format!("not a request: {why}")),
    };
    Ok(Sent {
        method: head.method.unwrap_or_default().to_owned(),
        url: format!("{place}{}", head.path.unwrap_or_default()),
        headers: head
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
            .collect(),
        body: bytes.get(end..).unwrap_or_default().to_vec(),
    })
}
