//! The one place where generated names of the contract are seen: one module a version.

pub(in crate::sink) mod v0_1;
