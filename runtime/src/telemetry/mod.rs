//! What the operator sees of the stages. No stage imports this.

mod log;

pub use log::{Error, Format, init};
