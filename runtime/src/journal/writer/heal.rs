//! A new file in the place of a damaged one, while the service runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::time::Instant;

use super::Writer;
use crate::journal::error::Error;
use crate::journal::mark::Marks;
use crate::journal::{salvage, schema};

/// Between two tries to replace a damaged file.
const HEALING: Duration = Duration::from_secs(10);

impl Writer {
    /// Puts a new file in the place of the damaged one. Where that can't be done now the damaged
    /// one stays, and it is tried again later.
    pub(super) fn heal(&mut self) -> Result<(), Error> {
        if let Some((until, why)) = &self.unhealed
            && Instant::now() < *until
        {
            return Err(why.copy());
        }
        let healed = self.replace();
        match &healed {
            Ok(()) => self.unhealed = None,
            Err(why) => {
                if self.unhealed.is_none() {
                    tracing::error!("The damaged journal can't be replaced: {why}.");
                }
                self.stats.tried(Err(why));
                self.unhealed = Some((Instant::now() + HEALING, why.copy()));
            }
        }
        healed
    }

    fn replace(&mut self) -> Result<(), Error> {
        let now = (self.options.now)();
        if !self.adrift {
            salvage::build(&self.file, now, self.options.event_ttl)?;
        }
        let stats = self.stats.clone();
        let _replacing = stats
            .replacing
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Without a last checkpoint of what is damaged.
        let _ = self
            .store
            .connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        self.store.connection = Connection::open_in_memory()?;
        self.adrift = true;
        salvage::finish(&self.file, now)?;
        let connection = schema::open(&self.file, self.options.durable)?;
        self.adrift = false;
        self.store.last = connection
            .query_row("SELECT last_position FROM journal", [], |row| row.get(0))
            .unwrap_or(self.store.last);
        self.store.connection = connection;
        self.store.marks = Marks::default();
        self.set_aside = salvage::set_aside(&self.file);
        self.stats.generation.fetch_add(1, Ordering::Relaxed);
        self.head.send_replace(self.store.last);
        Ok(())
    }
}
