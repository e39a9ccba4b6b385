//! From the value of `--event-storage` to a component's bytes and its grant, again and again while
//! the service runs.
//!
//! A component lies in a folder as `NAME.wasm`, packed as `NAME.wasm.gz` or `NAME.wasm.zst`, or in
//! parts that `NAME.wasm.parts` lists ([`Index`]). Folders may be volumes of Kubernetes: their
//! names that begin with a dot are its own, and the rest are links that change together.

mod directory;
mod fingerprint;
mod form;
mod kept;
mod loader;
mod mount;
mod open;
mod packed;
mod parts;
mod read;
mod slot;
mod version;

pub use directory::{Directories, Found, find};
pub use fingerprint::Fingerprint;
pub use form::Form;
pub use kept::Kept;
pub use loader::{Loaded, Loader, files};
pub use mount::fixed;
pub use packed::{LARGEST, pack};
pub use parts::{Index, Part};
pub use slot::{Opened, Slot};
pub use version::Version;

pub(super) use packed::unpack;
pub(super) use read::read;
