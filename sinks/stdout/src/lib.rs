//! The sink `stdout`: prints every event as one line of JSON.
//!
//! - [`line`]: an event as JSON.
//! - [`moment`]: a moment as text.
//! - `guest`: the exports; only this part is for WebAssembly alone.

use std::io::{self, Write};

pub mod line;
pub mod moment;

#[cfg(target_arch = "wasm32")]
mod guest;

#[allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "sink", generate_all });
}

pub use bindings::exports::kubedl::events::event_sink::{
    Batch, Description, Error, Event, Failure, Retry,
};
pub use bindings::kubedl::events::types::{ObjectReference, Timestamp};

/// Writes all events, a line each, and flushes.
pub fn print(events: &[Event], out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::with_capacity(events.len() * 512);
    for event in events {
        text.extend(
            serde_json::to_vec(&line::Line::from(event))
                .map_err(|why| io::Error::other(why.to_string()))?,
        );
        text.push(b'\n');
    }
    out.write_all(&text)?;
    out.flush()
}

/// The sink's description.
pub fn describe() -> Description {
    Description {
        name: "stdout".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Prints events to standard output, one line of JSON each".to_owned(),
        env: Vec::new(),
        hosts: Vec::new(),
        batch_events: 0,
        batch_bytes: 0,
        attributes: Vec::new(),
    }
}
