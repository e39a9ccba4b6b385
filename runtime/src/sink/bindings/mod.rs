//! The one place where generated names of the contract are seen: one module a version.

pub(super) mod v0_1;
