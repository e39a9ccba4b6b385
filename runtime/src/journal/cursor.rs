//! Cursors: how far each sink has come.

use super::row::Position;

/// Where a sink stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last position that the sink is done with.
    pub position: Position,
    /// Rows up to here may have been sent before, without an acknowledgement: the last process did
    /// not end in order.
    pub unsure_through: Position,
}

/// Where a sink that the journal does not know begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the oldest row.
    #[default]
    Oldest,
    /// With what comes from now on.
    Now,
}
