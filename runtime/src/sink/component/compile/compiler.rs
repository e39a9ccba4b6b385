//! Who compiles.

use super::child;

/// Where foreign bytes are looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// In a child process: this program again, with limits and without rights. For the service, and
    /// for whatever a person doesn't know.
    Child(child::Limits),
    /// In this process, without limits. For tests and benches that know their guests.
    #[default]
    Here,
}
