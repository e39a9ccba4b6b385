//! An API server that misbehaves as a test says: each request is answered by a function. What a
//! real one does is tested with [`crate::apiserver`].

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::web::read_head;

/// What was asked for, and when.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// When.
    pub at: Instant,
}

impl Asked {
    /// Whether it is a watch of events.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.is_about("events") && self.path.contains("watch=1")
    }

    /// Whether it is about all objects of a resource.
    #[must_use]
    pub fn is_about(&self, resource: &str) -> bool {
        self.path
            .split('?')
            .next()
            .is_some_and(|path| path.ends_with(&format!("/{resource}")))
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status, and a body of JSON.
    Json(u16, String),
    /// Lines of a watch; then it stays open for so long, and ends.
    Lines(Vec<String>, Duration),
    /// None: the connection stays open, in silence.
    Silence,
}

impl Reply {
    /// As Kubernetes refuses.
    #[must_use]
    pub fn refusal(status: u16, reason: &str) -> Self {
        let body = format!(
            r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"m","reason":"{reason}","code":{status}}}"#
        );
        Self::Json(status, body)
    }

    /// A list of these objects as of a resource version.
    #[must_use]
    pub fn list(version: u64, items: &[String]) -> Self {
        Self::Json(
            200,
            format!(
                r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"{version}"}},"items":[{}]}}"#,
                items.join(",")
            ),
        )
    }
}

/// Listens on a port of its own of 127.0.0.1 until the process ends.
#[derive(Debug)]
pub struct FakeApi {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeApi {
    /// Starts to listen. `answer` is asked first; where it gives none, there are no objects of any
    /// kind, no rights to write, and watches stay open.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(
        answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, asked) = (listener.local_addr()?, Arc::<Mutex<Vec<Asked>>>::default());
        let (shared, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (asked, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                thread::spawn(move || serve(client, &asked, &*answer));
            }
        });
        Ok(Self { address, asked })
    }

    /// All requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes a kubeconfig for it into a folder.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn kubeconfig(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: t, cluster: {{server: 'http://{}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n\
             contexts: [{{name: c, context: {{cluster: t, user: u}}}}]\ncurrent-context: c\n",
            self.address
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// What an API server without any objects answers.
fn usual(asked: &Asked) -> Reply {
    if asked.method != "GET" {
        return Reply::refusal(403, "Forbidden");
    }
    if asked.path.contains("watch=") {
        return Reply::Lines(Vec::new(), Duration::from_secs(3_600));
    }
    if asked.is_about("events") || asked.is_about("pods") {
        Reply::list(10, &[])
    } else {
        Reply::refusal(404, "NotFound")
    }
}

/// Answers one request after the other.
fn serve(
    mut client: TcpStream,
    all: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Option<Reply>,
) -> io::Result<()> {
    loop {
        let head = read_head(&mut client)?;
        let mut words = head.split(' ');
        let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
        let asked = Asked {
            method: word(words.next()),
            path: word(words.next()),
            at: Instant::now(),
        };
        let lengths = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: u64 = lengths
            .filter_map(|(_, value)| value.trim().parse().ok())
            .next()
            .unwrap_or(0);
        io::copy(&mut (&mut client).take(length), &mut io::sink())?;
        all.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked.clone());
        match answer(&asked).unwrap_or_else(|| usual(&asked)) {
            Reply::Json(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                client.write_all(head.as_bytes())?;
                client.write_all(body.as_bytes())?;
            }
            Reply::Lines(lines, open) => {
                client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for line in lines {
                    write!(client, "{:x}\r\n{line}\n\r\n", line.len() + 1)?;
                }
                client.flush()?;
                thread::sleep(open);
                client.write_all(b"0\r\n\r\n")?;
            }
            Reply::Silence => loop {
                thread::park();
            },
        }
        client.flush()?;
    }
}
