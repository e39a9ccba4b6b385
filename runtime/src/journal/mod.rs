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
mod error;
mod gap;
mod letters;
mod mark;
mod origin;
mod reader;
mod room;
mod salvage;
pub mod schema;
mod selection;
mod stats;
mod store;
mod survey;
mod witness;
mod writer;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use crate::cluster::Resume;

pub use batch::{Appended, Batch, Entry, Kept};
pub use error::Error;
pub use gap::{Gap, is_open};
pub use letters::{Choice, Letter, Retried};
pub use mark::{Through, covers};
pub use origin::Origin;
pub use reader::{Fate, Reader, Row, Standing};
pub use room::{OnFull, SHED, half_of_volume};
pub use stats::Stats;
pub use survey::{Behind, Survey};

/// Name of the journal's file in its folder.
pub const FILE: &str = "journal.sqlite";
/// Name of the file in its folder that the process which writes it has locked.
pub const LOCK: &str = "lock";

/// A place in the journal's order; 0 is before the first event.
pub type Position = i64;

/// Where the journal lies and how long it keeps what is delivered.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made with mode 0700 where it isn't there.
    pub directory: PathBuf,
    /// How long rows stay after every sink is done with them.
    pub retain: Duration,
    /// False for a journal that ends with the process: no fsync.
    pub durable: bool,
    /// How long the API server shows an event (its `--event-ttl`); who saw nothing for longer may
    /// have missed some.
    pub event_ttl: Duration,
    /// Bytes of the files on disk: the journal, its write-ahead log and its reserve, what was set
    /// aside, and what lies beside it; none: as much as there is.
    pub max_size: Option<u64>,
    /// What happens at `max_size` when only undelivered rows are left.
    pub on_full: OnFull,
    /// Dead letters of one sink, at most; then the sink waits.
    pub most_letters: u64,
    /// A folder of files that can be made again: they count with the journal, and go before any
    /// event waits for room.
    pub spare: Option<PathBuf>,
    /// A folder of files that stay, and count with the journal.
    pub stays: Option<PathBuf>,
    /// The clock.
    pub now: fn() -> SystemTime,
}

impl Options {
    /// For a folder, with the defaults of the command line.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            retain: Duration::from_secs(24 * 3600),
            durable: true,
            event_ttl: Duration::from_secs(3600),
            max_size: None,
            on_full: OnFull::Block,
            most_letters: 100_000,
            spare: None,
            stays: None,
            now: SystemTime::now,
        }
    }
}

/// An event that a sink will never store, or that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the journal.
    pub position: Position,
    /// The sink's words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// It may still be stored: the sink tries it again by itself, and it is no dead letter yet.
    pub held_back: bool,
}

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

/// Whether a command may wait a moment to share another's commit, which saves a write to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// More is waiting for the answer.
    Now,
    /// Nothing can go on before something else is committed anyway.
    WithNext,
}

/// The open journal. Clones share it; the file is closed when [`Journal::close`] has answered.
#[derive(Clone, Debug)]
pub struct Journal {
    way: Way,
    head: watch::Receiver<Position>,
    requeued: watch::Receiver<u64>,
    stats: Arc<Stats>,
    file: PathBuf,
}

/// The way to the writer.
#[derive(Clone)]
enum Way {
    /// A thread of its own. Unbounded, but everybody waits for an answer before sending more.
    Thread(mpsc::Sender<command::Command>),
    /// On the caller's thread, one command a transaction: the same order at each run, for
    /// simulations.
    Inline(Arc<Mutex<writer::Writer>>),
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
        way: impl FnOnce(writer::Writer) -> Result<Way, Error>,
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
        let writer = writer::Writer::new(
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
        self.ask(|reply| command::Command::Bind {
            cluster: cluster.to_owned(),
            reply,
        })
        .await
    }

    /// How far a scope has come.
    pub async fn checkpoint(&self, scope: &str) -> Result<Option<Resume>, Error> {
        self.ask(|reply| command::Command::Checkpoint {
            scope: scope.to_owned(),
            reply,
        })
        .await
    }

    /// Stores a batch and its checkpoint.
    pub async fn append(&self, batch: impl Into<Arc<Batch>>) -> Result<Appended, Error> {
        let batch = batch.into();
        self.ask(|reply| command::Command::Append {
            batch: batch.clone(),
            reply,
        })
        .await
    }

    /// Makes these sinks the configured ones: rows that one of them still needs stay. Others hold
    /// nothing up from here on. To be called before anything is delivered, with all sinks at once:
    /// until then those of the last start count.
    pub async fn configure(&self, sinks: &[String], start: Start) -> Result<(), Error> {
        self.ask(|reply| command::Command::Configure {
            sinks: sinks.to_vec(),
            start,
            reply,
        })
        .await
    }

    /// Makes a sink known that is about to deliver, and gives its cursor.
    pub async fn register(&self, sink: &str, start: Start) -> Result<Cursor, Error> {
        self.ask(|reply| command::Command::Register {
            sink: sink.to_owned(),
            start,
            reply,
        })
        .await
    }

    /// Notes which expression decides, from the sink's cursor on, what it gets; an empty one:
    /// everything.
    pub async fn select(&self, sink: &str, expression: &str) -> Result<(), Error> {
        self.ask(|reply| command::Command::Select {
            sink: sink.to_owned(),
            expression: expression.to_owned(),
            reply,
        })
        .await
    }

    /// Notes where this journal begins for a sink that others had delivered to.
    pub async fn begins(&self, origin: Origin) -> Result<(), Error> {
        self.ask(|reply| command::Command::Begins {
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
        self.ask(|reply| command::Command::Acknowledge {
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
        self.ask(|reply| command::Command::Settle {
            sink: sink.to_owned(),
            reply,
        })
        .await
    }

    /// Marks dead letters to be tried again by their sinks; gives how many there are.
    pub async fn requeue(&self, choice: Choice) -> Result<u64, Error> {
        self.ask(|reply| command::Command::Requeue {
            choice: choice.clone(),
            reply,
        })
        .await
    }

    /// Throws dead letters away; gives how many.
    pub async fn discard(&self, choice: Choice) -> Result<u64, Error> {
        self.ask(|reply| command::Command::Discard {
            choice: choice.clone(),
            reply,
        })
        .await
    }

    /// Notes what became of dead letters that were tried again.
    pub async fn retried(&self, letters: Vec<Retried>) -> Result<(), Error> {
        self.ask(|reply| command::Command::Retried {
            letters: letters.clone(),
            reply,
        })
        .await
    }

    /// Has a file that a reader found to be damaged replaced by what can be read of it.
    pub async fn salvage(&self, reader: &Reader) -> Result<(), Error> {
        let generation = reader.generation();
        self.ask(|reply| command::Command::Salvage { generation, reply })
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
        self.ask(|reply| command::Command::Delivered {
            sink: sink.to_owned(),
            reply,
        })
        .await
    }

    /// Moves the cursor of a sink over rows that another replica has delivered: to the first one
    /// that is beyond the resource versions given, or a few thousand rows at once. Never backwards.
    /// Gives the cursor.
    pub async fn deliver_through(&self, sink: &str, through: Through) -> Result<Position, Error> {
        self.ask(|reply| command::Command::DeliverThrough {
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
        self.ask(|reply| command::Command::Close { reply }).await
    }

    /// Has a command done. One that met damage is done again: the writer has put a new file in the
    /// place of the old one by then, if it could.
    async fn ask<T>(
        &self,
        command: impl Fn(oneshot::Sender<Result<T, Error>>) -> command::Command,
    ) -> Result<T, Error> {
        match self.ask_once(&command).await {
            Err(why) if why.is_damage() => self.ask_once(&command).await,
            answer => answer,
        }
    }

    async fn ask_once<T>(
        &self,
        command: impl Fn(oneshot::Sender<Result<T, Error>>) -> command::Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        match &self.way {
            Way::Thread(commands) => commands.send(command(reply)).map_err(|_| Error::Closed)?,
            Way::Inline(writer) => {
                // As with the thread, others go on before and after: a simulated crash can fall on
                // either side of the commit.
                tokio::task::yield_now().await;
                let closed = writer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .all(vec![command(reply)]);
                if let Some(closed) = closed {
                    let _ = closed.send(Ok(()));
                }
                tokio::task::yield_now().await;
            }
        }
        answer.await.map_err(|_| Error::Closed)?
    }
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|why| Error::Folder {
        path: path.clone(),
        why,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(std::fs::TryLockError::Error(why)) => Err(Error::Folder { path, why }),
    }
}
