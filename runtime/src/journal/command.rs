//! What the writer is asked to do.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::batch::{Appended, Batch};
use super::cursor::{Cursor, Start};
use super::error::Error;
use super::letters::{Choice, DeadLetter, Retried};
use super::mark::Through;
use super::origin::Origin;
use super::row::Position;
use super::sqlite_error::copy;
use crate::cluster::Resume;

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Bind {
        cluster: String,
        reply: Reply<()>,
    },
    Checkpoint {
        scope: String,
        reply: Reply<Option<Resume>>,
    },
    Append {
        batch: Arc<Batch>,
        reply: Reply<Appended>,
    },
    Configure {
        sinks: Vec<String>,
        start: Start,
        reply: Reply<()>,
    },
    Register {
        sink: String,
        start: Start,
        reply: Reply<Cursor>,
    },
    Select {
        sink: String,
        expression: String,
        reply: Reply<()>,
    },
    Begins {
        origin: Origin,
        reply: Reply<()>,
    },
    Acknowledge {
        sink: String,
        position: Position,
        dead: Vec<DeadLetter>,
        haste: Haste,
        reply: Reply<()>,
    },
    Settle {
        sink: String,
        reply: Reply<()>,
    },
    Delivered {
        sink: String,
        reply: Reply<Vec<(String, Resume)>>,
    },
    DeliverThrough {
        sink: String,
        through: Through,
        reply: Reply<Position>,
    },
    Requeue {
        choice: Choice,
        reply: Reply<u64>,
    },
    Discard {
        choice: Choice,
        reply: Reply<u64>,
    },
    Retried {
        letters: Vec<Retried>,
        reply: Reply<()>,
    },
    /// The file of this generation was seen to be damaged.
    Salvage {
        generation: u64,
        reply: Reply<()>,
    },
    Close {
        reply: Reply<()>,
    },
}

impl Command {
    /// Whether it changes nothing, so that it needs no transaction.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Self::Checkpoint { .. } | Self::Delivered { .. })
    }

    /// Whether somebody waits for the answer.
    pub(super) fn is_hasty(&self) -> bool {
        !matches!(
            self,
            Self::Acknowledge {
                haste: Haste::WithNext,
                ..
            }
        )
    }
}

/// Answers that it did not happen.
pub(super) fn refuse(command: Command, why: &rusqlite::Error) {
    fn no<T>(reply: Reply<T>, why: &rusqlite::Error) {
        let _ = reply.send(Err(Error::Storage(copy(why))));
    }
    match command {
        Command::Bind { reply, .. }
        | Command::Configure { reply, .. }
        | Command::Acknowledge { reply, .. }
        | Command::Settle { reply, .. }
        | Command::Retried { reply, .. }
        | Command::Salvage { reply, .. }
        | Command::Close { reply } => no(reply, why),
        Command::Requeue { reply, .. } | Command::Discard { reply, .. } => no(reply, why),
        Command::Checkpoint { reply, .. } => no(reply, why),
        Command::Append { reply, .. } => no(reply, why),
        Command::Register { reply, .. } => no(reply, why),
        Command::Select { reply, .. } | Command::Begins { reply, .. } => no(reply, why),
        Command::Delivered { reply, .. } => no(reply, why),
        Command::DeliverThrough { reply, .. } => no(reply, why),
    }
}

/// Whether a command may wait a moment to share another's commit, which saves a write to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// More is waiting for the answer.
    Now,
    /// Nothing can go on before something else is committed anyway.
    WithNext,
}
