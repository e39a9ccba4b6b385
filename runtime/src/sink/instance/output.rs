//! A guest's stdout and stderr: lines for the log, or for the process's own stdout where the grant
//! says so.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncWrite;
use tracing::{info, warn};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::sink::grant::Grant;
use crate::sink::redact::Redactor;

use super::rate::{Dropped, Rate};

/// The rest of a longer line is left out of the log; on stdout nothing is left out.
const LONGEST_LINE: usize = 64 << 10;

/// Listens to what a sink says, without its secrets, line by line, in place of the log and of
/// stdout.
pub type Ear = Arc<dyn Fn(Target, &str) + Send + Sync>;

/// What is heard of a sink: without its secrets, and not more than a log can bear. Instances that
/// replace each other share it.
pub(in crate::sink) struct Voice {
    sink: Arc<str>,
    pub(in crate::sink) redactor: Redactor,
    rate: Mutex<Rate>,
    ear: Option<Ear>,
    now: fn() -> Instant,
}

impl Voice {
    /// Of a sink that knows the values of its grant.
    pub(in crate::sink) fn new(sink: &Arc<str>, grant: &Grant, now: fn() -> Instant) -> Arc<Self> {
        let (redactor, rate) = (Redactor::new(&grant.env), Mutex::new(Rate::new(now())));
        Arc::new(Self {
            sink: sink.clone(),
            redactor,
            rate,
            ear: None,
            now,
        })
    }

    /// The same, for somebody who listens.
    pub(in crate::sink) fn heard_by(
        sink: &Arc<str>,
        grant: &Grant,
        now: fn() -> Instant,
        ear: Ear,
    ) -> Arc<Self> {
        let (redactor, rate) = (Redactor::new(&grant.env), Mutex::new(Rate::new(now())));
        Arc::new(Self {
            sink: sink.clone(),
            redactor,
            rate,
            ear: Some(ear),
            now,
        })
    }

    fn say(&self, stream: &str, line: &[u8]) {
        let now = (self.now)();
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (admitted, dropped) = (rate.admits(now, line.len()), rate.account(now));
        drop(rate);
        // Without its secrets a sink's words would say nothing; that was said when it was loaded.
        if admitted && self.redactor.unsearchable().is_empty() {
            let text = self.redactor.words(&String::from_utf8_lossy(line));
            info!(sink = &*self.sink, stream, "{text}");
        }
        if let Some(dropped) = dropped {
            self.tell(dropped);
        }
    }

    /// Says what was left out and has yet to be said. To be called when an instance is closed,
    /// since the process may end then.
    pub(super) fn settle(&self) {
        let rest = self
            .rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rest();
        if rest != Dropped::default() {
            self.tell(rest);
        }
    }

    fn tell(&self, Dropped { lines, bytes }: Dropped) {
        warn!(
            sink = &*self.sink,
            lines, bytes, "The sink says more than the log takes: these lines were left out."
        );
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Where a guest's lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the log, cleaned of control characters.
    Log(&'static str),
    /// To the process's stdout, all of them: they are what the sink stores.
    Stdout,
}

/// One of a guest's output streams. Clones share the line that is not yet whole.
#[derive(Clone)]
pub(super) struct Output {
    voice: Arc<Voice>,
    target: Target,
    line: Arc<Mutex<Line>>,
}

/// A line that is not yet whole.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// Its beginning was said, and the rest is left out.
    cut: bool,
}

impl Output {
    pub(super) fn new(voice: &Arc<Voice>, target: Target) -> Self {
        Self {
            voice: voice.clone(),
            target,
            line: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.bytes.extend_from_slice(bytes);
        if let Some(end) = line.bytes.iter().rposition(|b| *b == b'\n') {
            let mut rest = line.bytes.split_off(end + 1);
            std::mem::swap(&mut rest, &mut line.bytes);
            self.put(&rest, &mut line.cut);
            line.cut = false;
        }
        let redactor = &self.voice.redactor;
        if line.bytes.len() > LONGEST_LINE + redactor.longest() {
            let end = redactor.cut(&line.bytes, usize::MAX);
            let begin: Vec<u8> = line.bytes.drain(..end).collect();
            self.put(&begin, &mut line.cut);
            if self.target != Target::Stdout {
                line.cut = true;
                line.bytes.clear();
            }
        }
    }

    /// Says whole lines, or the beginning of one.
    fn put(&self, lines: &[u8], cut: &mut bool) {
        if let Some(ear) = &self.voice.ear {
            let clean = self.voice.redactor.redact(lines);
            return String::from_utf8_lossy(&clean)
                .lines()
                .for_each(|line| ear(self.target, line));
        }
        match self.target {
            Target::Stdout => {
                let clean = self.voice.redactor.redact(lines);
                // Nobody reads any more: that is not the guest's fault.
                let _ = io::stdout().lock().write_all(&clean);
                let _ = io::stdout().lock().flush();
            }
            Target::Log(stream) => {
                // What comes first may be the end of a line that was cut.
                let skipped = usize::from(std::mem::take(cut));
                for line in lines
                    .split(|b| *b == b'\n')
                    .skip(skipped)
                    .filter(|line| !line.is_empty())
                {
                    self.voice.say(stream, line);
                }
            }
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        self.target == Target::Stdout && io::IsTerminal::is_terminal(&io::stdout())
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LONGEST_LINE)
    }
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
