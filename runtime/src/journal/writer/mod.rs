//! The one who writes: groups commands into transactions, keeps room, heals.

mod heal;
mod room;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::Instant;

use super::beside::Beside;
use super::command::{Command, Reply, copy, refuse};
use super::mark::{self, Marks};
use super::room::{AT_ONCE, Reserve, identities_kept, is_damage, is_disk_trouble};
use super::salvage::{self, SetAside};
use super::store::Store;
use super::{Appended, Error, Options, Position, Stats, origin, selection};

/// Commands that share a transaction, at most.
const GROUP: usize = 64;
/// How long an acknowledgement without haste waits for something else to be committed with.
const PATIENCE: Duration = Duration::from_millis(25);
/// Between two clean-ups.
const CLEANING: Duration = Duration::from_secs(10);
/// Between two steps of a clean-up that has more to do.
const CLEANING_STEP: Duration = Duration::from_millis(100);

/// An answer that waits for the commit.
type Pending = Box<dyn FnOnce(Option<&rusqlite::Error>)>;

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
        let file = options.directory.join(super::FILE);
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

    /// Does commands in one transaction, and answers after the commit.
    fn group(&mut self, commands: Vec<Command>) {
        if commands.iter().all(Command::only_reads) {
            return self.look(commands);
        }
        let entries = |command: &Command| {
            if let Command::Append { batch, .. } = command {
                Some(batch.entries.len())
            } else {
                None
            }
        };
        let coming = commands
            .iter()
            .filter_map(entries)
            .reduce(|sum, entries| sum + entries);
        let room = coming.map_or(Ok(()), |entries| self.room(entries));
        let before = self.store.last;
        let mut pending: Vec<Pending> = Vec::new();
        let requeued = commands
            .iter()
            .any(|command| matches!(command, Command::Requeue { .. }));
        let began = self.say("BEGIN IMMEDIATE");
        for command in commands {
            match (command, &room) {
                (Command::Append { reply, .. }, Err(why)) => {
                    self.stats.tried(Err(why));
                    let _ = reply.send(Err(why.copy()));
                }
                (command, _) => self.one(command, began.as_ref().err(), &mut pending),
            }
        }
        let result =
            began.and_then(|()| self.undone.take().map_or_else(|| self.commit(before), Err));
        if result.is_ok() {
            self.stats.commits.fetch_add(1, Ordering::Relaxed);
        } else {
            let _ = self.say("ROLLBACK");
            self.store.last = before;
            self.store.unreadable = None;
        }
        if self.store.last != before {
            self.head.send_replace(self.store.last);
        }
        // Before the answers: who asks again after damage finds what could be saved.
        if let Some(why) = self.damage.take().as_ref().or(result.as_ref().err()) {
            self.trouble(why);
        }
        for answer in pending {
            answer(result.as_ref().err());
        }
        if requeued {
            self.requeued.send_modify(|times| *times += 1);
        }
    }

    /// Answers what changes nothing.
    fn look(&mut self, commands: Vec<Command>) {
        let mut pending: Vec<Pending> = Vec::new();
        commands
            .into_iter()
            .for_each(|command| self.one(command, None, &mut pending));
        if let Some(why) = self.damage.take() {
            self.trouble(&why);
        }
        pending.into_iter().for_each(|answer| answer(None));
    }

    fn commit(&self, before: Position) -> rusqlite::Result<()> {
        if self.store.last != before {
            self.store
                .connection
                .prepare_cached("UPDATE journal SET last_position = ?1")?
                .execute([self.store.last])?;
        }
        self.say("COMMIT")
    }

    /// A statement that begins or ends something.
    fn say(&self, statement: &str) -> rusqlite::Result<()> {
        self.store
            .connection
            .prepare_cached(statement)?
            .execute([])
            .map(drop)
    }

    fn one(
        &mut self,
        command: Command,
        began: Option<&rusqlite::Error>,
        pending: &mut Vec<Pending>,
    ) {
        if let Some(why) = began {
            if matches!(command, Command::Append { .. }) {
                self.stats.tried(Err(&Error::Storage(copy(why))));
            }
            return refuse(command, why);
        }
        match command {
            Command::Append { batch, reply } => {
                let result = self.savepoint(|store| Ok(store.append(&batch)?));
                let stats = self.stats.clone();
                let counted = stats.clone();
                let count = move |appended: Result<&Appended, &Error>| {
                    appended.iter().for_each(|appended| counted.count(appended));
                    stats.tried(appended.map(drop));
                };
                self.notes_damage(&result);
                pending.push(answer_and(reply, result, count));
            }
            Command::Acknowledge {
                sink,
                position,
                dead,
                reply,
                ..
            } => {
                pending.push(self.answer(reply, |writer| {
                    writer.savepoint(|store| store.acknowledge(&sink, position, &dead))
                }));
            }
            Command::Requeue { choice, reply } => pending.push(self.answer(reply, |writer| {
                writer.savepoint(|store| Ok(store.requeue(&choice)?))
            })),
            Command::Discard { choice, reply } => pending.push(self.answer(reply, |writer| {
                writer.savepoint(|store| Ok(store.discard(&choice)?))
            })),
            Command::Retried { letters, reply } => pending.push(self.answer(reply, |writer| {
                writer.savepoint(|store| Ok(store.retried(&letters)?))
            })),
            Command::Delivered { sink, reply } => pending.push(self.answer(reply, |writer| {
                mark::delivered(&writer.store.connection, &sink)
            })),
            Command::DeliverThrough {
                sink,
                through,
                reply,
            } => {
                pending.push(self.answer(reply, |writer| {
                    writer.savepoint(|store| store.deliver_through(&sink, &through))
                }));
            }
            Command::Bind { cluster, reply } => {
                pending.push(self.answer(reply, |writer| writer.store.bind(cluster)))
            }
            Command::Checkpoint { scope, reply } => {
                pending.push(self.answer(reply, |writer| Ok(writer.store.checkpoint(&scope)?)))
            }
            Command::Configure {
                sinks,
                start,
                reply,
            } => {
                pending.push(self.answer(reply, |writer| {
                    writer.savepoint(|store| store.configure(&sinks, start))
                }));
            }
            Command::Register { sink, start, reply } => {
                pending.push(self.answer(reply, |writer| {
                    writer.savepoint(|store| store.register(&sink, start))
                }));
            }
            Command::Select {
                sink,
                expression,
                reply,
            } => {
                pending.push(self.answer(reply, |writer| {
                    Ok(selection::note(
                        &writer.store.connection,
                        &sink,
                        &expression,
                    )?)
                }));
            }
            Command::Begins { origin, reply } => {
                pending.push(self.answer(reply, |writer| {
                    Ok(origin::note(&writer.store.connection, &origin)?)
                }));
            }
            Command::Settle { sink, reply } => {
                pending.push(self.answer(reply, |writer| writer.store.settle(&sink)))
            }
            // Not of a group.
            Command::Salvage { .. } | Command::Close { .. } => {}
        }
    }

    /// Does something, and gives the answer that waits for the commit.
    fn answer<T: 'static>(
        &mut self,
        reply: Reply<T>,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Pending {
        let result = work(self);
        self.notes_damage(&result);
        answer_and(reply, result, |_| ())
    }

    fn notes_damage<T>(&mut self, result: &Result<T, Error>) {
        if let Err(Error::Storage(why)) = result
            && is_damage(why)
        {
            self.damage = Some(copy(why));
        }
    }

    /// A failure of one command undoes that command alone.
    fn savepoint<T>(
        &mut self,
        work: impl FnOnce(&mut Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let before = self.store.last;
        if self.store.connection.is_autocommit() {
            // An earlier command's failure has undone the transaction: a savepoint now would be one
            // of its own, and be committed.
            return Err(Error::Undone);
        }
        self.say("SAVEPOINT command")?;
        let result = work(&mut self.store);
        if let Err(why) = &result {
            self.store.last = before;
            self.store.unreadable = None;
            if self.store.connection.is_autocommit() {
                // SQLite has rolled everything back by itself, as it does when the disk is full:
                // that is what the whole group failed by.
                if let Error::Storage(cause) = why {
                    self.undone = Some(copy(cause));
                }
                return Err(why.copy());
            }
            self.say("ROLLBACK TO command")?;
        }
        self.say("RELEASE command")?;
        result
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
            .and_then(|more| Ok(more || self.fit()?))
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

/// Answers, after what is to be done before that.
fn answer_and<T: 'static>(
    reply: Reply<T>,
    result: Result<T, Error>,
    before: impl FnOnce(Result<&T, &Error>) + 'static,
) -> Pending {
    Box::new(move |failed| {
        let result = match (failed, result) {
            (Some(why), _) => Err(Error::Storage(copy(why))),
            (None, result) => result,
        };
        before(result.as_ref());
        let _ = reply.send(result);
    })
}
