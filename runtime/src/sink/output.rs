//! A guest's stdout and stderr: lines for the log, or for the process's own stdout where the grant says so.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use tracing::info;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// A longer line is cut into several.
const LONGEST_LINE: usize = 64 << 10;

/// Where a guest's lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the log, cleaned of control characters.
    Log(&'static str),
    /// To the process's stdout, as they are.
    Stdout,
}

/// One of a guest's output streams. Clones share the line that is not yet whole.
#[derive(Clone)]
pub(super) struct Output {
    sink: Arc<str>,
    target: Target,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Output {
    pub(super) fn new(sink: &Arc<str>, target: Target) -> Self {
        Self { sink: sink.clone(), target, line: Arc::default() }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.extend_from_slice(bytes);
        let whole = match line.iter().rposition(|b| *b == b'\n') {
            Some(end) => end + 1,
            None if line.len() > LONGEST_LINE => line.len(),
            None => return,
        };
        let lines: Vec<u8> = line.drain(..whole).collect();
        match self.target {
            Target::Stdout => {
                // Nobody reads any more: that is not the guest's fault.
                let _ = io::stdout().lock().write_all(&lines);
                let _ = io::stdout().lock().flush();
            }
            Target::Log(stream) => {
                for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                    let text = super::bindings::v0_1::words(&String::from_utf8_lossy(line));
                    info!(sink = &*self.sink, stream, "{text}");
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
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
