//! The body of an answer: whole, or broken off.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The connection is to be closed without a (whole) answer.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut by a test's order")
    }
}

impl std::error::Error for Cut {}

/// What is sent after the headers.
#[derive(Debug, Default)]
pub(super) struct Body {
    bytes: Bytes,
    end: End,
}

/// What comes after the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Whole,
    /// One more look at the body, so that what was sent leaves this machine; then the cut.
    Flush,
    Cut,
}

impl Body {
    /// Bytes after which the connection is closed, though the headers promise more.
    pub(super) fn broken_after(bytes: &'static [u8]) -> Self {
        Self {
            bytes: Bytes::from_static(bytes),
            end: End::Flush,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes,
            end: End::Whole,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Flush => {
                self.end = End::Cut;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::Cut => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.end == End::Whole
    }

    fn size_hint(&self) -> SizeHint {
        if self.end == End::Whole {
            SizeHint::with_exact(self.bytes.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
