//! A variable with its value.

use std::fmt;

/// A variable that the guest sees.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// The guest's name of it.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether the value must not be shown.
    pub secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "(secret)" } else { &self.value };
        write!(f, "{}={value}", self.name)
    }
}
