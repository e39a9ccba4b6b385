//! What judges a sink without a cluster: the checks of the contract, and recorded sessions.

pub(crate) mod cast;
pub(crate) mod conformance;
mod described;
pub(crate) mod playing;
pub(crate) mod recorder;

pub(crate) use described::{Described, load};

/// The checks of `sink test`, in order: name, and what each expects.
pub fn checks() -> impl Iterator<Item = (&'static str, &'static str)> {
    conformance::CHECKS
        .iter()
        .map(|check| (check.name, check.expected))
}
