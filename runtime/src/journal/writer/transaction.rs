//! Commands in one transaction, answered after its commit.

use std::sync::atomic::Ordering;

use super::Writer;
use crate::journal::batch::Appended;
use crate::journal::command::{Command, Reply, refuse};
use crate::journal::error::Error;
use crate::journal::row::Position;
use crate::journal::sqlite_error::{copy, is_damage};
use crate::journal::store::Store;
use crate::journal::{mark, origin, selection};

/// An answer that waits for the commit.
type Pending = Box<dyn FnOnce(Option<&rusqlite::Error>)>;

impl Writer {
    /// Does commands in one transaction, and answers after the commit.
    pub(super) fn group(&mut self, commands: Vec<Command>) {
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

    // Long: one arm a command.
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
