//! The way to the writer: to a thread of its own, or on the caller's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use super::command::Command;
use super::error::Error;
use super::writer::Writer;

/// The way to the writer.
#[derive(Clone)]
pub(super) enum Way {
    /// A thread of its own. Unbounded, but everybody waits for an answer before sending more.
    Thread(mpsc::Sender<Command>),
    /// On the caller's thread, one command a transaction: the same order at each run, for
    /// simulations.
    Inline(Arc<Mutex<Writer>>),
}

impl Way {
    /// Hands a command over; on the caller's thread it is done then.
    pub(super) async fn send(&self, command: Command) -> Result<(), Error> {
        match self {
            Self::Thread(commands) => commands.send(command).map_err(|_| Error::Closed)?,
            Self::Inline(writer) => {
                // As with the thread, others go on before and after: a simulated crash can fall on
                // either side of the commit.
                tokio::task::yield_now().await;
                let closed = writer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .all(vec![command]);
                if let Some(closed) = closed {
                    let _ = closed.send(Ok(()));
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Thread(_)) {
            "Thread"
        } else {
            "Inline"
        })
    }
}
