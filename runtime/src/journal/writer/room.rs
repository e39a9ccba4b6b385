//! Room for what comes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Writer;
use crate::journal::error::Error;
use crate::journal::files::log_size;
use crate::journal::options::OnFull;

/// How long the log may be held by those who read it, until events wait.
const HELD: Duration = Duration::from_secs(5);

impl Writer {
    /// Whether more events may come. Makes room where it can: twice what comes, from a tenth below
    /// the limit on, so that no append has to wait for much of it.
    pub(super) fn room(&mut self, entries: usize) -> Result<(), Error> {
        if !self.reserve.whole && !self.reserve.restore() {
            return Err(Error::DiskFull {
                folder: self.options.directory.clone(),
            });
        }
        let Some(most) = self.options.max_size else {
            return Ok(());
        };
        let low = most / 10 * 9;
        let enough = if self.blocked { low } else { most };
        let mut wanted = entries.saturating_mul(2);
        loop {
            let mut size = self.size()?;
            // What is deleted is first of all more of the log.
            let log_is_cut = size > low && self.store.cut_log(&self.file, most / 10)?;
            if log_is_cut || self.fit(size)? {
                size = self.size()?;
            }
            if size <= low || (size <= enough && wanted == 0) {
                self.blocked = false;
                return Ok(());
            }
            if self.forget_set_aside() {
                continue;
            }
            let spare = self.spare.bytes();
            if size > enough && spare > 0 && self.spare.give_up() {
                continue;
            }
            let mut gone = self.store.forget_rows(None)?;
            if gone == 0 && size > enough {
                // What no list shows any more; and where nothing is left to deliver, even what one
                // may show again.
                let age = if self.store.is_delivered()? {
                    Duration::ZERO
                } else {
                    self.store.event_ttl
                };
                gone = self.store.forget_identities(age)?;
            }
            wanted = if gone == 0 {
                0
            } else {
                wanted.saturating_sub(gone)
            };
            if gone == 0 && size > enough && self.log_is_in_the_way(size, enough, low) {
                return self.empty_log(enough);
            }
            if gone == 0 && size > enough && !self.shed(size, low)? {
                self.blocked = self.options.on_full == OnFull::Block;
                return Err(Error::Full { size, most });
            }
        }
    }

    /// Bytes in use: the reserve, damaged files that were set aside and what lies beside the
    /// journal included.
    fn size(&mut self) -> rusqlite::Result<u64> {
        let aside: u64 = self.set_aside.iter().map(|file| file.bytes).sum();
        let beside = self.reserve.bytes + self.spare.bytes() + self.stays.bytes();
        self.stats.beside.store(beside, Ordering::Relaxed);
        Ok(self.store.size(&self.file)? + aside + beside)
    }

    /// Gives free pages back where the files come near the limit, though less is in use; gives
    /// whether it did. Not each free page, as the next events take them.
    fn fit(&mut self, size: u64) -> rusqlite::Result<bool> {
        let Some(most) = self.options.max_size else {
            return Ok(false);
        };
        let (near, free) = (most / 20 * 19, self.store.free()?);
        let over = (size + free).saturating_sub(near).min(free);
        if over > 0 {
            self.store.give_back(over)?;
            self.store.cut_log(&self.file, 0)?;
        }
        Ok(over > 0)
    }

    /// The same where nothing comes, as a step of the clean-up.
    pub(super) fn fit_at_rest(&mut self) -> rusqlite::Result<bool> {
        let size = self.size()?;
        self.fit(size)
    }

    /// Removes the oldest damaged file that was set aside; gives whether there was one.
    fn forget_set_aside(&mut self) -> bool {
        let Some(oldest) = self.set_aside.first() else {
            return false;
        };
        oldest.remove("the journal needs its room");
        self.set_aside.remove(0);
        true
    }

    /// Whether there would be room but for the log, in which rows that are deleted make none.
    fn log_is_in_the_way(&self, size: u64, enough: u64, low: u64) -> bool {
        let log = log_size(&self.file);
        size.saturating_sub(log) <= low && log > enough / 10
    }

    /// Has a sink that is behind lose what makes room; gives whether it did.
    fn shed(&mut self, size: u64, low: u64) -> Result<bool, Error> {
        if self.options.on_full == OnFull::Block {
            return Ok(false);
        }
        self.store.connection.execute_batch("BEGIN IMMEDIATE")?;
        let shed = self.store.shed(size.saturating_sub(low));
        self.store
            .connection
            .execute_batch(if shed.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        let shed = shed?;
        self.stats.shed.fetch_add(shed, Ordering::Relaxed);
        Ok(shed > 0)
    }

    /// Empties the log. For a while more may be written beside those who read it, or move it into
    /// the file.
    fn empty_log(&mut self, enough: u64) -> Result<(), Error> {
        self.store.cut_log(&self.file, enough / 10)?;
        let log = log_size(&self.file);
        if log <= enough / 10 {
            self.held_since = None;
            return Ok(());
        }
        let since = *self.held_since.get_or_insert_with(Instant::now);
        if log > enough || since.elapsed() > HELD {
            Err(Error::Held { log, most: enough })
        } else {
            Ok(())
        }
    }
}
