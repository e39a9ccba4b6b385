//! What the operator sees of the stages: their stats, read when somebody asks. No stage imports
//! this.

mod board;
mod exposition;
mod forecast;
mod log;
pub mod metrics;
mod observer;
mod places;
pub mod probe;
mod server;
mod status;
mod terminal;
mod words;

pub use board::{Board, Ready, Role, Watched};
pub use log::{Error, Format, init};
pub use observer::{Busy, Observer};
pub use server::{Error as ServerError, address, serve};
pub use status::{FailingStatus, FileStatus, JournalStatus, ScopeStatus, SinkStatus, Status};
pub use terminal::{STDERR, show};
pub use words::words;
