//! A strict server of the log API of Aliyun Simple Log Service (SLS).
//!
//! It takes what the official SDKs send and refuses everything else: signatures are computed again,
//! limits are the strictest that any version of the vendor's pages names, and a group with one bad
//! log is refused whole.
//!
//! ```
//! use testkit::sls::{Options, Order, Server};
//!
//! let server = Server::start(Options::default())?;
//! server.order(Order::answer(503, "ServerBusy", "Server is busy.").times(2));
//! assert!(server.endpoint().starts_with("http://localhost:"));
//! assert!(server.stored().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Layout, in the order in which a request sees it
//! - `http`: connections, one body, one answer (`body`). `route`: which call it is.
//! - `order`: what a test ordered to go wrong.
//! - `admission`: host, date, headers, `signature`.
//! - `receive`: `compression`, `wire`, `limits`, then the `store`.
//! - `read`: histograms and logs, chosen by `query`.
//! - `inspect`: `/_testkit/...`, for a test in another process; no part of SLS.
//!
//! Names of pages and files in comments: "doc X" is page X of the vendor's help site; `py`, `go`,
//! `rs` are `aliyun-log-python-sdk` 0.9.52, `aliyun-log-go-sdk` v0.1.117 and `aliyun-log-rust-sdk`
//! 0.3.3; "own" marks a choice of ours where no source says what the service does.

mod admission;
mod body;
mod call;
mod clock;
mod compression;
mod http;
mod inspect;
mod limits;
mod options;
mod order;
pub mod query;
mod read;
mod receive;
mod refusal;
mod request_line;
mod route;
mod server;
pub mod signature;
mod store;
pub mod wire;

pub use limits::Limits;
pub use options::Options;
pub use order::{Fault, Order};
pub use server::{Server, TooFew};
pub use store::{RequestRecord, StoredLog};
