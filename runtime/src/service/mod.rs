//! The service: wires the stages, one pipeline a scope and one relay a sink, decides who delivers,
//! replaces sinks while it runs, and ends in order.

mod bind;
mod choice;
mod chosen;
pub(crate) mod control;
mod delivery;
mod exit;
mod heartbeat;
pub(crate) mod home;
mod keep;
mod lead;
pub(crate) mod loading;
pub(crate) mod network;
mod pipeline;
mod quantity;
mod relays;
mod run;
pub(crate) mod settings;
mod source;
mod supply;
mod work;

pub(crate) use chosen::{redaction, selections};
pub use exit::Exit;
pub use keep::keep as keep_lease;
pub use lead::{Lead, Sinks, read as read_lease};
pub(crate) use pipeline::decide;
pub use pipeline::{Pipeline, Seen};
pub use run::run;
pub(crate) use run::{region, stop_signal};
pub(crate) use settings::CONFIG_VARIABLE;
pub use settings::{Folders, LogFormat, Objects, Settings, ShownSetting};
pub use source::begin;
