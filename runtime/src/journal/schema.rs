//! The file's format, version 1. A newer file is refused; an older one is brought up by the steps
//! between.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::error::Error;
use super::{mark, origin, selection, witness};

/// The newest format that this program reads and writes (`PRAGMA user_version`).
pub const VERSION: i64 = 1;

/// Marks the file as ours (`PRAGMA application_id`): "kdle".
pub const APPLICATION: i64 = 0x6b64_6c65;

/// Version 1, as it stands in the file.
pub const TABLES: &str = "
-- One row: facts about the whole journal.
CREATE TABLE journal (
  cluster       TEXT,               -- uid of kube-system; NULL until known
  epoch         INTEGER NOT NULL,   -- grows when the API server's storage was set back
  last_position INTEGER NOT NULL    -- of all rows ever
) STRICT;

-- Events that the filter kept, in the order in which they were seen.
CREATE TABLE events (
  position    INTEGER PRIMARY KEY,
  scope       TEXT NOT NULL,        -- '*' or a namespace
  observed_at INTEGER NOT NULL,     -- nanoseconds since 1970
  rule        TEXT NOT NULL,        -- why it was kept
  job         TEXT,                 -- object reference as JSON
  labels      TEXT,                 -- object of strings as JSON
  raw         TEXT NOT NULL,        -- Kubernetes' JSON without managedFields
  crc         INTEGER NOT NULL      -- CRC-32 (IEEE) of position, observed_at, and job, labels, raw each after its length; little-endian
) STRICT;

-- Every version of every event seen, kept or not, for as long as a list may show it again.
CREATE TABLE identities (
  epoch            INTEGER NOT NULL,
  resource_version NOT NULL,        -- an integer where it is one, so that new ones come last; else text
  uid              NOT NULL,        -- 16 bytes where it is a UUID; else text
  position         INTEGER,         -- NULL: the filter dropped it
  rule             TEXT NOT NULL,
  seen_at          INTEGER NOT NULL, -- seconds since 1970
  crc              INTEGER,         -- CRC-32 (IEEE) of the raw JSON; NULL: the filter dropped it
  PRIMARY KEY (epoch, resource_version, uid)
) WITHOUT ROWID;

-- How far the watch of a scope has come; all up to there is in this file.
CREATE TABLE checkpoints (
  scope            TEXT PRIMARY KEY,
  epoch            INTEGER NOT NULL,
  resource_version TEXT NOT NULL,
  reached_at       INTEGER NOT NULL -- seconds since 1970
) STRICT;

-- How far each sink has come.
CREATE TABLE cursors (
  sink       TEXT PRIMARY KEY,      -- name of the instance
  position   INTEGER NOT NULL,      -- all up to here is stored there, or a dead letter
  settled    INTEGER NOT NULL,      -- 1: nothing after position was ever sent
  active     INTEGER NOT NULL,      -- 0: no longer configured; holds nothing up
  moved_at   INTEGER NOT NULL       -- seconds since 1970
) STRICT;

-- Events that a sink will never store; sink '' for objects that could not be read as events.
CREATE TABLE dead_letters (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  sink        TEXT NOT NULL,
  position    INTEGER,
  reason      TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  died_at     INTEGER NOT NULL,     -- seconds since 1970
  observed_at INTEGER NOT NULL,     -- as in events, like the next three
  job         TEXT,
  labels      TEXT,
  raw         TEXT NOT NULL,
  requeued    INTEGER NOT NULL DEFAULT 0 -- 1: a person wants it tried again; 2: held back, the sink tries it again by itself
) STRICT;
CREATE INDEX dead_letters_by_sink ON dead_letters (sink, position);

-- Where events may have come and gone unseen, or were given up.
CREATE TABLE gaps (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  scope         TEXT,               -- NULL: any
  sink          TEXT,               -- NULL: all sinks
  since         INTEGER,            -- seconds since 1970; NULL: unknown
  until         INTEGER,            -- NULL: the list that ends it is still being read
  since_version TEXT,
  until_version TEXT,
  certain       INTEGER NOT NULL,   -- 0: events may be missing; 1: they are
  reason        TEXT NOT NULL,
  repeats       INTEGER NOT NULL DEFAULT 0, -- while open: events listed since, of which earlier versions may have been missed
  set_back      INTEGER NOT NULL DEFAULT 0, -- 1: the API server's storage was set back
  position      INTEGER             -- of the last row given up, so that neighbouring gaps become one; of the last row before a set-back
) STRICT;

INSERT INTO journal (cluster, epoch, last_position) VALUES (NULL, 1, 0);
";

/// Opens a file for writing; makes it where it isn't there.
pub(super) fn open(file: &std::path::Path, durable: bool) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    prepare(&connection, durable)?;
    Ok(connection)
}

/// Sets a connection up for writing, and brings the file to [`VERSION`].
pub(super) fn prepare(connection: &Connection, durable: bool) -> Result<(), Error> {
    // Only before the first table: lets pages be given back in small steps.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
    // A thread of its own checkpoints; this is for when it can't keep up. In pages of 4 KiB.
    connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
    connection.set_prepared_statement_cache_capacity(32);
    tables(connection)
}

/// Sets a connection up to fill a new file that counts only when it is whole: nothing is written
/// twice, and nothing can be undone.
pub(super) fn prepare_unsafe(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    tables(connection)
}

fn tables(connection: &Connection) -> Result<(), Error> {
    tune(connection)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        return Err(Error::Newer {
            found,
            known: VERSION,
        });
    }
    if found == 0 {
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"))?;
    }
    mark::prepare(connection)?;
    connection.execute_batch(selection::TABLE)?;
    connection.execute_batch(origin::TABLE)?;
    connection.execute_batch(witness::TABLE)?;
    Ok(())
}

/// Has SQLite open all files of a database: until its first use a connection has only the first of
/// them.
pub(super) fn touch(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// What holds for writing and reading alike.
///
/// - SQLite built with STAT4 plans a statement anew for every other value bound to it, which here
///   costs more than running it (sqlite.org/qpsg.html).
/// - As many statements are kept prepared as there are: to parse one costs more than most of them
///   do.
/// - Its temporary files are kept in memory: a savepoint of more than some pages wants one, and
///   where the root file system can't be written to, as in a Pod, there is no place for it: then
///   SQLite undoes the whole transaction, each time anew (sqlite.org/tempfiles.html, section 5).
pub(super) fn tune(connection: &Connection) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// More than the program has.
const STATEMENTS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_connection_needs_a_folder_for_temporary_files() {
        let connection = Connection::open_in_memory().unwrap();
        tune(&connection).unwrap();
        // 2: in memory, whatever it was built with.
        assert_eq!(
            connection
                .pragma_query_value(None, "temp_store", |row| row.get::<_, i64>(0))
                .unwrap(),
            2
        );
    }
}
