//! 4. Durable order, in one SQLite file: append, read from a sink's cursor, acknowledge, dead
//!    letters, gaps.
//!
//! # Invariants
//!
//! - One transaction holds a batch of events *and* the resource version that their watch has
//!   reached: they can't disagree.
//! - An answer of Ok comes after the commit, with `synchronous=FULL`: a crash loses nothing that
//!   was answered.
//! - An identity (epoch, resource version, uid) is taken once: a list that shows an event again
//!   adds nothing.
//! - Positions grow by one for each stored event and are never used again; a cursor names the last
//!   position that its sink is done with: stored there, or lying in its dead letters.
//! - One thread writes. What waits while it commits is committed together next.
//! - A loss of sight is on disk before the list that follows it, and ends with the list's last
//!   page: as a gap, or as nothing if the list shows that nothing can be missing.
//! - Rows that an active sink still needs are deleted only as a gap of that sink.
//! - A full disk refuses events, never acknowledgements: they and deletions use a reserve. A
//!   damaged file is replaced by what could be read of it, and the rest is a gap.
//! - The data folder is locked: a second process is refused.
//!
//! The journal doesn't know what a sink is beyond its name, nor what an event says. The format is
//! in [`schema`].

mod batch;
mod beside;
mod checkpoint;
mod command;
mod cursor;
mod error;
mod files;
mod gap;
mod identity;
mod letters;
mod mark;
mod options;
mod origin;
mod reader;
mod reserve;
mod row;
mod salvage;
pub mod schema;
mod selection;
mod sqlite_error;
mod stats;
mod store;
mod survey;
mod time;
mod way;
mod witness;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::{oneshot, watch};

use crate::cluster::Resume;

use command::Command;
use files::{lock, make_private};
use way::Way;
use writer::Writer;

pub use batch::{Appended, Batch, Entry, Kept};
pub use command::Haste;
pub use cursor::{Cursor, Start};
pub use error::Error;
pub use files::{FILE, LOCK};
pub use gap::{Gap, is_open};
pub use letters::{Choice, DeadLetter, Letter, Retried};
pub use mark::{Through, covers};
pub use options::{OnFull, Options};
pub use origin::Origin;
pub use reader::{Fate, Reader, Standing};
pub use reserve::half_of_volume;
pub use row::{Position, Row};
pub use stats::Stats;
pub use store::SHED;
pub use survey::{Behind, Survey};

/// The open journal. Clones share it; the file is closed when [`Journal::close`] has answered.
#[derive(Clone, Debug)]
pub struct Journal {
    way: Way,
    head: watch::Receiver<Position>,
    requeued: watch::Receiver<u64>,
    stats: Arc<Stats>,
    file: PathBuf,
}

impl Journal {
    /// Opens or makes the journal of a folder. A damaged file is replaced by what can be read of
    /// it.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let folder = |why| Error::Folder {
            path: options.directory.clone(),
            why,
        };
        let journal = Self::prepare(options, |writer| {
            let (commands, inbox) = mpsc::channel();
            std::thread::Builder::new()
                .name("journal".to_owned())
                .spawn(move || writer.run(inbox))
                .map_err(folder)?;
            Ok(Way::Thread(commands))
        })?;
        checkpoint::checkpoint_beside(&journal.file, journal.stats.clone()).map_err(folder)?;
        Ok(journal)
    }

    /// Like [`Journal::open`], without threads: each command is done where it is asked for, closing
    /// is dropping, and what is old goes with [`Journal::tidy`].
    pub fn open_inline(options: &Options) -> Result<Self, Error> {
        Self::prepare(options, |writer| {
            Ok(Way::Inline(Arc::new(Mutex::new(writer))))
        })
    }

    /// Does a step of the clean-up, if its time has come, where no thread does so: after
    /// [`Journal::open_inline`].
    pub fn tidy(&self) {
        if let Way::Inline(writer) = &self.way {
            writer.lock().unwrap_or_else(PoisonError::into_inner).tidy();
        }
    }

    fn prepare(
        options: &Options,
        way: impl FnOnce(Writer) -> Result<Way, Error>,
    ) -> Result<Self, Error> {
        let folder = |why| Error::Folder {
            path: options.directory.clone(),
            why,
        };
        make_private(&options.directory).map_err(folder)?;
        let lock = lock(&options.directory)?;
        let file = options.directory.join(FILE);
        salvage::finish(&file, (options.now)())?;
        let open = || {
            let connection = schema::open(&file, options.durable)?;
            survey::look_at_every_table(&connection)?;
            Ok::<_, Error>(connection)
        };
        let connection = match open() {
            Err(why) if why.is_damage() => {
                salvage::salvage(&file, (options.now)(), options.event_ttl)?;
                open()?
            }
            opened => opened?,
        };
        let (head_tx, head) = watch::channel(0);
        let (requeued_tx, requeued) = watch::channel(0);
        let stats = Arc::new(Stats::default());
        stats
            .limit
            .store(options.max_size.unwrap_or(0), Ordering::Relaxed);
        let writer = Writer::new(
            options,
            connection,
            lock,
            head_tx,
            requeued_tx,
            stats.clone(),
        )?;
        Ok(Self {
            way: way(writer)?,
            head,
            requeued,
            stats,
            file,
        })
    }

    /// Makes sure that the journal is this cluster's; a new journal becomes so.
    pub async fn bind(&self, cluster: &str) -> Result<(), Error> {
        self.ask(|reply| Command::Bind {
            cluster: cluster.to_owned(),
            reply,
        })
        .await
    }

    /// How far a scope has come.
    pub async fn checkpoint(&self, scope: &str) -> Result<Option<Resume>, Error> {
        self.ask(|reply| Command::Checkpoint {
            scope: scope.to_owned(),
            reply,
        })
        .await
    }

    /// Stores a batch and its checkpoint.
    pub async fn append(&self, batch: impl Into<Arc<Batch>>) -> Result<Appended, Error> {
        let batch = batch.into();
        self.ask(|reply| Command::Append {
            batch: batch.clone(),
            reply,
        })
        .await
    }

    /// Makes these sinks the configured ones: rows that one of them still needs stay. Others hold
    /// nothing up from here on. To be called before anything is delivered, with all sinks at once:
    /// until then those of the last start count.
    pub async fn configure(&self, sinks: &[String], start: Start) -> Result<(), Error> {
        self.ask(|reply| Command::Configure {
            sinks: sinks.to_vec(),
            start,
            reply,
        })
        .await
    }

    /// Makes a sink known that is about to deliver, and gives its cursor.
    pub async fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
        self.ask(|reply| Command::Register {
            sink: sink.to_owned(),
            start,
            reply,
        })
        .await
    }

    /// Notes which expression decides, from the sink's cursor on, what it gets; an empty one:
    /// everything.
    pub async fn select(&self, sink: &str, expression: &str) -> Result<(), Error> {
        self.ask(|reply| Command::Select {
            sink: sink.to_owned(),
            expression: expression.to_owned(),
            reply,
        })
        .await
    }

    /// Notes where this journal begins for a sink that others had delivered to.
    pub async fn begins(&self, origin: Origin) -> Result<(), Error> {
        self.ask(|reply| Command::Begins {
            origin: origin.clone(),
            reply,
        })
        .await
    }

    /// Moves a sink's cursor, and keeps its dead letters.
    pub async fn acknowledge(
        &self,
        sink: &str,
        position: Position,
        dead: Vec<DeadLetter>,
        haste: Haste,
    ) -> Result<(), Error> {
        self.ask(|reply| Command::Acknowledge {
            sink: sink.to_owned(),
            position,
            dead: dead.clone(),
            haste,
            reply,
        })
        .await
    }

    /// Notes that a sink has nothing in flight: what follows its cursor was never sent.
    pub async fn settle(&self, sink: &str) -> Result<(), Error> {
        self.ask(|reply| Command::Settle {
            sink: sink.to_owned(),
            reply,
        })
        .await
    }

    /// Marks dead letters to be tried again by their sinks; gives how many there are.
    pub async fn requeue(&self, choice: Choice) -> Result<u64, Error> {
        self.ask(|reply| Command::Requeue {
            choice: choice.clone(),
            reply,
        })
        .await
    }

    /// Throws dead letters away; gives how many.
    pub async fn discard(&self, choice: Choice) -> Result<u64, Error> {
        self.ask(|reply| Command::Discard {
            choice: choice.clone(),
            reply,
        })
        .await
    }

    /// Notes what became of dead letters that were tried again.
    pub async fn retried(&self, letters: Vec<Retried>) -> Result<(), Error> {
        self.ask(|reply| Command::Retried {
            letters: letters.clone(),
            reply,
        })
        .await
    }

    /// Has a file that a reader found to be damaged replaced by what can be read of it.
    pub async fn salvage(&self, reader: &Reader) -> Result<(), Error> {
        let generation = reader.generation();
        self.ask(|reply| Command::Salvage { generation, reply })
            .await
    }

    /// Reads with a connection of its own. What met damage is read again from the file that takes
    /// the place of the damaged one.
    pub async fn read<T>(&self, read: impl Fn(&Reader) -> Result<T, Error>) -> Result<T, Error> {
        let reader = self.reader()?;
        match read(&reader) {
            Err(why) if why.is_damage() => {
                self.salvage(&reader).await?;
                read(&reader)
            }
            result => result,
        }
    }

    /// Changes when dead letters are to be tried again.
    pub fn requeued(&self) -> watch::Receiver<u64> {
        self.requeued.clone()
    }

    /// For each scope the resource version up to which a sink is done with every event, and when
    /// that was known to be everything: what another replica, or a new disk, can go on from. It is
    /// empty for a scope of which nothing is known since the API server's storage was set back.
    pub async fn delivered(&self, sink: &str) -> Result<Vec<(String, Resume)>, Error> {
        self.ask(|reply| Command::Delivered {
            sink: sink.to_owned(),
            reply,
        })
        .await
    }

    /// Moves the cursor of a sink over rows that another replica has delivered: to the first one
    /// that is beyond the resource versions given, or a few thousand rows at once. Never backwards.
    /// Gives the cursor.
    pub async fn deliver_through(&self, sink: &str, through: Through) -> Result<Position, Error> {
        self.ask(|reply| Command::DeliverThrough {
            sink: sink.to_owned(),
            through: through.clone(),
            reply,
        })
        .await
    }

    /// A connection that reads, for one thread.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::of(&self.file, self.stats.clone())
    }

    /// The last position; changes after each commit that stored something.
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Ends the writing thread after what was sent before, and closes the file.
    pub async fn close(&self) -> Result<(), Error> {
        self.ask(|reply| Command::Close { reply }).await
    }

    /// Has a command done. One that met damage is done again: the writer has put a new file in the
    /// place of the old one by then, if it could.
    async fn ask<T>(
        &self,
        command: impl Fn(oneshot::Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        match self.ask_once(&command).await {
            Err(why) if why.is_damage() => self.ask_once(&command).await,
            answer => answer,
        }
    }

    async fn ask_once<T>(
        &self,
        command: impl Fn(oneshot::Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.way.send(command(reply)).await?;
        answer.await.map_err(|_| Error::Closed)?
    }
}
