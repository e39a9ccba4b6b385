//! Where a sink's requests may go, whatever carries them: by name against the grant, and by address
//! before it is connected to. It knows nothing of HTTP.

mod address;
pub(super) mod host_pattern;
mod judge;
mod look_up;
mod private;
mod surroundings;

pub(super) use address::{closed, is_local, is_of_this_machine, is_own_name};
pub(super) use host_pattern::plain_host;
pub use host_pattern::{Authority, HostPattern, Scheme};
pub(super) use judge::Judge;
pub use look_up::LookUp;
pub(super) use look_up::{Unreachable, look_up};
pub use private::Private;
pub(super) use surroundings::Surroundings;
