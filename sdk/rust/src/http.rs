//! Requests to the destination, sent by the host within the operator's grant, and what their
//! answers mean.
//!
//! Redirects are not followed: a 3xx is an answer. `Host`, `Content-Length` and the like are the
//! host's own to set.

mod request;
mod settle;

#[cfg(not(target_arch = "wasm32"))]
pub mod fake;

/// Why there is no answer. After `Timeout`, `Interrupted`, `Protocol` and `Other` the destination
/// may have acted on the request; after the others it certainly has not.
pub use crate::bindings::kubedl::events::http::Error;
/// A request; begin with [`Request::post`] or [`Request::get`].
pub use crate::bindings::kubedl::events::http::Request;
/// An answer of any status: 4xx and 5xx are answers too.
pub use crate::bindings::kubedl::events::http::Response;

pub use settle::{settle, settle_all};

/// An answer, or why there is none.
pub type Answer = Result<Response, Error>;

/// Sends one request and waits for its answer.
///
/// # Errors
/// When no answer came.
pub fn send(request: &Request) -> Answer {
    host::send(request)
}

/// Sends many side by side, in no order among them, and waits for all: answers come in the order of
/// the requests. After a connect error, 429 or 503 no new request is started, and the rest is
/// [`Error::NotSent`].
pub fn send_all(requests: &[Request]) -> Vec<Answer> {
    host::send_all(requests)
}

#[cfg(target_arch = "wasm32")]
use crate::bindings::kubedl::events::http as host;
#[cfg(not(target_arch = "wasm32"))]
use fake as host;
