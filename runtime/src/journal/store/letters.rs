//! Dead letters in the caller's transaction: what people ask for, what became of those tried again,
//! and objects that can't be read as events.

use super::Store;
use crate::journal::letters::{Choice, REQUEUED, Retried, Unreadable};

impl Store {
    /// Marks letters to be tried again; gives how many there are.
    pub(in crate::journal) fn requeue(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(
            choice,
            &format!("UPDATE dead_letters SET requeued = {REQUEUED} WHERE sink <> ''"),
        )
    }

    /// Throws letters away; gives how many.
    pub(in crate::journal) fn discard(&mut self, choice: &Choice) -> rusqlite::Result<u64> {
        self.each(choice, "DELETE FROM dead_letters WHERE 1")
    }

    fn each(&mut self, choice: &Choice, statement: &str) -> rusqlite::Result<u64> {
        let changed = match choice {
            Choice::Sink(sink) => self
                .connection
                .execute(&format!("{statement} AND sink = ?1"), [sink])?,
            Choice::Ids(ids) => {
                let mut changed = 0;
                for id in ids {
                    changed += self
                        .connection
                        .execute(&format!("{statement} AND id = ?1"), [id])?;
                }
                changed
            }
        };
        self.unreadable = None;
        Ok(changed as u64)
    }

    /// Notes what became of letters that were tried again.
    pub(in crate::journal) fn retried(&mut self, letters: &[Retried]) -> rusqlite::Result<()> {
        for letter in letters {
            match letter {
                Retried::Stored(id) => self.connection.execute("DELETE FROM dead_letters WHERE id = ?1", [id])?,
                Retried::HeldBack { id, reason, attempts } => {
                    self.connection.execute("UPDATE dead_letters SET reason = ?2, attempts = attempts + ?3 WHERE id = ?1", (id, reason, attempts))?
                }
                Retried::Kept { id, reason, attempts } => self.connection.execute(
                    "UPDATE dead_letters SET requeued = 0, reason = ?2, attempts = attempts + ?3, died_at = ?4 WHERE id = ?1",
                    (id, reason, attempts, self.seconds()),
                )?,
            };
        }
        Ok(())
    }
}

/// The most objects that can't be read as events and are kept, and their bytes. Who may write such
/// objects can't fill the journal with them.
const UNREADABLE: (u64, u64) = (10_000, 32 << 20);
/// The words of the gap that the oldest of them leave.
const GIVEN_UP: &str = "objects that could not be read as events were more than are kept, and the oldest were given up";

impl Store {
    /// Keeps an object that can't be read as an event; false when it lies here already. The oldest
    /// ones make room for it.
    pub(super) fn keep_unreadable(&mut self, raw: &str, reason: &str) -> rusqlite::Result<bool> {
        let known = "SELECT 1 FROM dead_letters WHERE sink = '' AND raw = ?1";
        if self.connection.prepare_cached(known)?.exists([raw])? {
            return Ok(false);
        }
        let mut there = match self.unreadable {
            Some(there) => there,
            None => self.count_unreadable()?,
        };
        while there.count > 0
            && (there.count >= UNREADABLE.0 || there.bytes + raw.len() as u64 > UNREADABLE.1)
        {
            self.give_up_unreadable()?;
            there = self.count_unreadable()?;
        }
        let at = self.seconds();
        let insert = "INSERT INTO dead_letters (sink, position, reason, attempts, died_at, observed_at, raw) VALUES ('', NULL, ?1, 1, ?2, ?2 * 1000000000, ?3)";
        self.connection
            .prepare_cached(insert)?
            .execute((reason, at, raw))?;
        self.unreadable = Some(Unreadable {
            count: there.count + 1,
            bytes: there.bytes + raw.len() as u64,
        });
        Ok(true)
    }

    fn count_unreadable(&self) -> rusqlite::Result<Unreadable> {
        let count = "SELECT count(*), coalesce(sum(length(CAST(raw AS BLOB))), 0) FROM dead_letters WHERE sink = ''";
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        self.connection.query_row(count, [], |row| {
            Ok(Unreadable {
                count: unsigned(row.get(0)?),
                bytes: unsigned(row.get(1)?),
            })
        })
    }

    /// Drops a tenth of them, as a gap: the oldest lines of text first, which never were objects,
    /// and then the oldest of the rest.
    fn give_up_unreadable(&mut self) -> rusqlite::Result<()> {
        let oldest = "FROM dead_letters WHERE sink = '' ORDER BY ltrim(raw) LIKE '{%', id LIMIT (SELECT count(*) / 10 + 1 FROM dead_letters WHERE sink = '')";
        let since: i64 = self.connection.query_row(
            &format!("SELECT min(died_at) FROM (SELECT died_at {oldest})"),
            [],
            |row| row.get(0),
        )?;
        self.connection.execute(
            &format!("DELETE FROM dead_letters WHERE id IN (SELECT id {oldest})"),
            [],
        )?;
        let until = self.seconds() + 1;
        let grown = self.connection.execute(
            "UPDATE gaps SET until = ?1 WHERE reason = ?2",
            (until, GIVEN_UP),
        )?;
        if grown == 0 {
            self.connection.execute(
                "INSERT INTO gaps (since, until, certain, reason) VALUES (?1, ?2, 1, ?3)",
                (since, until, GIVEN_UP),
            )?;
        }
        Ok(())
    }
}
