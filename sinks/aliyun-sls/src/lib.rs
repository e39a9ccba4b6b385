//! The sink `aliyun-sls`: stores Kubernetes events in a logstore of Aliyun SLS, as KubeDL did.
//!
//! # Layout, in the order in which a call passes through
//!
//! - [`settings`]: the environment, read and checked once.
//! - [`kubedl`]: an event as keys and values, KubeDL's twelve first.
//! - [`log_group`]: keys and values as the bytes of a protobuf `LogGroup`.
//! - [`parcel`]: which events share a request: one source, within the limits of SLS.
//! - [`request`]: a parcel as a compressed, signed HTTP request ([`signature`]).
//! - [`answer`]: what an answer means for the events that were sent ([`complaint`]: its words).
//! - [`save`]: the loop over all that, and [`tally`], what it tells the host in the end.
//! - `guest`: the exports; only this part is for WebAssembly alone.
//!
//! Everything but `guest` compiles natively too: HTTP, clock and environment are arguments.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod answer;
pub mod complaint;
pub mod describe;
pub mod kubedl;
pub mod log_group;
pub mod moment;
pub mod parcel;
pub mod request;
pub mod save;
pub mod settings;
pub mod signature;
pub mod tally;

#[cfg(target_arch = "wasm32")]
mod bare;
#[cfg(target_arch = "wasm32")]
mod guest;
mod prelude;

#[allow(
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package kubedl:aliyun-sls;

            package wasi:clocks@0.2.0 {
                interface wall-clock {
                    record datetime { seconds: u64, nanoseconds: u32 }
                    now: func() -> datetime;
                    resolution: func() -> datetime;
                }
            }

            world guest {
                include kubedl:events/sink@0.1.0;
                import wasi:clocks/wall-clock@0.2.0;
            }
        ",
        world: "kubedl:aliyun-sls/guest",
        generate_all,
    });
}

pub use bindings::exports::kubedl::events::event_sink::{
    Batch, Description, EnvVar, Error, Event, Failure, Retry,
};
pub use bindings::kubedl::events::http::{Error as HttpError, Request, Response};
pub use bindings::kubedl::events::types::{ObjectReference, Timestamp};
pub use save::{Sink, Transport};
pub use settings::Settings;
