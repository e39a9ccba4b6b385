//! What the program's own web server says: pages, and metrics as numbers.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Metrics, each with its labels as Prometheus' text has them: `name{label="value"}`.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The page itself.
    pub text: String,
    samples: BTreeMap<String, f64>,
}

/// Status and body of a page.
///
/// # Errors
/// When there is no answer.
pub fn get(server: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let garbled = || io::Error::other(format!("not an answer of HTTP: {text}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(garbled)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(garbled)?;
    Ok((status, body.to_owned()))
}

impl Scrape {
    /// Reads `/metrics`.
    ///
    /// # Errors
    /// When there is no answer, or another than 200.
    pub fn of(server: SocketAddr) -> io::Result<Self> {
        let (status, text) = get(server, "/metrics")?;
        if status != 200 {
            return Err(io::Error::other(format!("/metrics: {status} {text}")));
        }
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
        Ok(Self {
            samples: samples.collect(),
            text,
        })
    }

    /// Reads `/metrics` until it is as wanted.
    ///
    /// # Errors
    /// When it isn't in time, with what it was.
    pub fn wait(
        server: SocketAddr,
        patience: Duration,
        mut wanted: impl FnMut(&Self) -> bool,
    ) -> io::Result<Self> {
        let until = Instant::now() + patience;
        loop {
            let scrape = Self::of(server)?;
            if wanted(&scrape) {
                return Ok(scrape);
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!(
                    "not what was waited for:\n{}",
                    scrape.text
                )));
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// One sample, by name and labels.
    #[must_use]
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    /// All samples of a metric together; 0 without any.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        let of = |sample: &str| sample.split('{').next() == Some(name);
        self.samples
            .iter()
            .filter(|(sample, _)| of(sample))
            .map(|(_, number)| number)
            .sum()
    }

    /// Names of all metrics that have a sample, by their `# TYPE` lines, with what they are.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, String> {
        let types = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        types
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect()
    }
}
