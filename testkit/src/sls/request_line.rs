//! Lets the Go SDK v0.1.6 pass, which KubeDL uses: its GetHistograms writes the query's spaces into
//! the URL as they are.
//!
//! hyper refuses such a request line, as HTTP says. The service takes it, or KubeDL could not read.
//! So a space inside the target of a `GET` becomes a `+`, which has the same length and the same
//! meaning, before hyper sees it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection whose `GET` lines are mended.
pub(super) struct EscapedSpaces(TcpStream);

impl EscapedSpaces {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl AsyncRead for EscapedSpaces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        // A client that waits for its answers begins each request with a read of its own, and sends
        // the head at once.
        if let Some(read) = buf.filled_mut().get_mut(before..) {
            mend(read);
        }
        Poll::Ready(Ok(()))
    }
}

fn mend(read: &mut [u8]) {
    if !read.starts_with(b"GET /") {
        return;
    }
    let end = read
        .windows(11)
        .position(|part| part.starts_with(b" HTTP/1.") && part.ends_with(b"\r\n"));
    let target = end.and_then(|end| read.get_mut(4..end));
    for byte in target
        .unwrap_or_default()
        .iter_mut()
        .filter(|byte| **byte == b' ')
    {
        *byte = b'+';
    }
}

impl AsyncWrite for EscapedSpaces {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::mend;

    #[test]
    fn only_spaces_of_a_get_target_change() {
        let cases = [
            (
                "GET /a?q=x AND y HTTP/1.1\r\nA: b c\r\n\r\n",
                "GET /a?q=x+AND+y HTTP/1.1\r\nA: b c\r\n\r\n",
            ),
            ("GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n"),
            ("POST /a b HTTP/1.1\r\n\r\n", "POST /a b HTTP/1.1\r\n\r\n"),
            ("GET /without an end", "GET /without an end"),
        ];
        for (before, after) in cases {
            let mut bytes = before.as_bytes().to_vec();
            mend(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), after);
        }
    }
}
