//! What a sink does.

use crate::{Batch, Description, Error, Event, Failure};

/// A sink. The value is one instance: it holds what `open` has read, and is dropped when the host
/// closes it.
///
/// An instance may vanish between any two calls, without `close`: what `save` calls stored must be
/// stored, there is no later flush.
pub trait EventSink: Sized + 'static {
    /// What the sink is and wants. Must answer without environment and network.
    fn describe() -> Description;

    /// Reads the settings and checks them, with no more than one round trip. Called once, before
    /// the first `save`.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] where a person must mend a setting, [`Error::Retry`] where the
    /// destination is not ready.
    fn open() -> Result<Self, Error>;

    /// Stores these events, in this order where the destination has one. Returns those that were
    /// not stored; all others were.
    ///
    /// # Errors
    /// When none of them is known to be stored.
    fn save(&mut self, batch: &Batch, events: &[Event]) -> Result<Vec<Failure>, Error>;

    /// The last call, if there is one: gives back what the destination should not have to time out.
    ///
    /// # Errors
    /// Are only logged.
    fn close(self) -> Result<(), Error> {
        Ok(())
    }
}
