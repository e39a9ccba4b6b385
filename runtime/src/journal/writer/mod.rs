//! The one who writes: groups commands into transactions, keeps room, heals.

mod heal;
mod room;
mod transaction;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::Instant;

use super::beside::Beside;
use super::command::{Command, Reply};
use super::error::Error;
use super::files::FILE;
use super::identity::identities_kept;
use super::mark::Marks;
use super::options::Options;
use super::reserve::Reserve;
use super::row::Position;
use super::salvage::{self, SetAside};
use super::sqlite_error::{is_damage, is_disk_trouble};
use super::stats::Stats;
use super::store::{AT_ONCE, Store};

/// Commands that share a transaction, at most.
const GROUP: usize = 64;
/// How long an acknowledgement without haste waits for something else to be committed with.
const PATIENCE: Duration = Duration::from_millis(25);
/// Between two clean-ups.
const CLEANING: Duration = Duration::from_secs(10);
/// Between two steps of a clean-up that has more to do.
const CLEANING_STEP: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    store: Store,
    file: PathBuf,
    /// Held for as long as the writer lives.
    _lock: File,
    head: watch::Sender<Position>,
    requeued: watch::Sender<u64>,
    stats: Arc<Stats>,
    options: Options,
    reserve: Reserve,
    /// At the cap, and not yet below the low-water mark.
    blocked: bool,
    /// What has undone the transaction that is open, all of it.
    undone: Option<rusqlite::Error>,
    /// Damage that a command met, though the others of its group were done.
    damage: Option<rusqlite::Error>,
    clean_next: Instant,
    /// Damaged files that are kept, the oldest first.
    set_aside: Vec<SetAside>,
    /// Files of others that can be made again.
    spare: Beside,
    /// Files of others that stay.
    stays: Beside,
    /// Why a damaged file could not be replaced, and when that is tried again.
    unhealed: Option<(Instant, Error)>,
    /// Since when the log could not be emptied.
    held_since: Option<Instant>,
    /// Replacing broke off: the connection leads nowhere.
    adrift: bool,
}

impl Writer {
    pub(super) fn new(
        options: &Options,
        connection: Connection,
        lock: File,
        head: watch::Sender<Position>,
        requeued: watch::Sender<u64>,
        stats: Arc<Stats>,
    ) -> Result<Self, Error> {
        let last =
            connection.query_row("SELECT last_position FROM journal", [], |row| row.get(0))?;
        head.send_replace(last);
        let file = options.directory.join(FILE);
        let reserve = Reserve::new(&options.directory, options.durable, options.max_size);
        let store = Store {
            connection,
            last,
            marks: Marks::default(),
            now: options.now,
            event_ttl: options.event_ttl,
            longest_life: Duration::ZERO,
            most_letters: options.most_letters,
            unreadable: None,
        };
        let clean_next = Instant::now() + CLEANING_STEP;
        Ok(Self {
            store,
            _lock: lock,
            head,
            requeued,
            stats,
            options: options.clone(),
            reserve,
            blocked: false,
            undone: None,
            damage: None,
            clean_next,
            set_aside: salvage::set_aside(&file),
            file,
            spare: Beside::new(options.spare.clone()),
            stays: Beside::new(options.stays.clone()),
            unhealed: None,
            held_since: None,
            adrift: false,
        })
    }

    pub(super) fn run(mut self, inbox: Receiver<Command>) {
        loop {
            self.stats.pulse.beat();
            let wait = self.clean_next.saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(first) => {
                    if let Some(closed) = self.all(gather(first, &inbox)) {
                        let _ =
                            self.store
                                .connection
                                .pragma_update(None, "wal_checkpoint", "TRUNCATE");
                        drop(self);
                        let _ = closed.send(Ok(()));
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.tidy();
        }
    }

    /// One step of the clean-up, when its time has come.
    pub(super) fn tidy(&mut self) {
        if Instant::now() >= self.clean_next {
            self.clean_next = Instant::now()
                + if self.clean() {
                    CLEANING_STEP
                } else {
                    CLEANING
                };
        }
    }

    /// Does commands in their order. Gives the reply of a `Close`, which nothing is done after.
    pub(super) fn all(&mut self, commands: Vec<Command>) -> Option<Reply<()>> {
        let mut together = Vec::new();
        for command in commands {
            match command {
                Command::Salvage { generation, reply } => {
                    self.group(std::mem::take(&mut together));
                    // Else another has seen the damage, too, and it is mended.
                    let healed = if generation == self.stats.generation() {
                        self.heal()
                    } else {
                        Ok(())
                    };
                    let _ = reply.send(healed);
                }
                Command::Close { reply } => {
                    self.group(together);
                    return Some(reply);
                }
                command => together.push(command),
            }
        }
        self.group(together);
        None
    }

    /// One step of deleting what is old; gives whether there is more.
    fn clean(&mut self) -> bool {
        if self
            .set_aside
            .first()
            .is_some_and(|file| file.is_old((self.options.now)()))
        {
            let file = self.set_aside.remove(0);
            file.remove("it was kept for long enough");
        }
        let store = &mut self.store;
        let step = store
            .forget_rows(Some(self.options.retain))
            .and_then(|rows| {
                let identities = store
                    .forget_identities(identities_kept(store.event_ttl, store.longest_life))?;
                store.forget_marks()?;
                // What has become old in the meantime can wait for the next time.
                Ok(rows.max(identities) >= usize::from(AT_ONCE))
            });
        match step
            .and_then(|more| Ok(more || store.shrink()?))
            .and_then(|more| Ok(more || self.fit_at_rest()?))
        {
            Ok(more) => more,
            Err(why) => {
                tracing::warn!("Cannot delete old rows of the journal: {why}. Trying again.");
                self.trouble(&why);
                false
            }
        }
    }

    /// After a failure: gives the reserve free, or saves what can be read.
    fn trouble(&mut self, why: &rusqlite::Error) {
        if is_damage(why) || self.adrift {
            drop(self.heal());
        } else if is_disk_trouble(why) && self.reserve.whole && self.options.durable {
            tracing::error!(
                "The disk of the journal is full or fails: {why}. Events wait until there is room; what is delivered is still noted."
            );
            self.spare.give_up();
            self.reserve.spend();
            while matches!(self.store.forget_rows(None), Ok(rows) if rows > 0) {}
        }
    }
}

/// What is committed together: all that waits, and where nothing of it has haste, what comes in the
/// next moment.
fn gather(first: Command, inbox: &Receiver<Command>) -> Vec<Command> {
    let until = Instant::now() + PATIENCE;
    let mut hasty = first.is_hasty();
    let mut commands = vec![first];
    while commands.len() < GROUP {
        let wait = if hasty {
            Duration::ZERO
        } else {
            until.saturating_duration_since(Instant::now())
        };
        let Ok(next) = inbox.recv_timeout(wait) else {
            break;
        };
        hasty |= next.is_hasty();
        commands.push(next);
    }
    commands
}
