//! The thread that empties the write-ahead log, beside the one that writes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::schema;
use super::stats::Stats;

/// Between two looks at whether there is something to checkpoint.
const CHECKPOINTS: Duration = Duration::from_millis(500);

/// Pages of the write-ahead log that can't be moved: 256 MiB.
const FORGOTTEN_READER: i64 = 65_536;

/// Moves what was committed from the write-ahead log into the database, on a thread and connection
/// of its own, so that no commit waits for it (sqlite.org/wal.html, "passive"). Ends with the
/// journal.
pub(super) fn checkpoint_beside(file: &Path, stats: Arc<Stats>) -> std::io::Result<()> {
    let (file, stats) = (file.to_owned(), Arc::downgrade(&stats));
    let work = move || {
        let (mut connection, mut seen, mut generation, mut said) = (None, 0, 0, false);
        loop {
            std::thread::sleep(CHECKPOINTS);
            // The writer and the handles share the counters: none left means closed.
            let Some((commits, current)) = stats
                .upgrade()
                .map(|stats| (stats.commits(), stats.generation()))
            else {
                return;
            };
            if connection.is_none() || generation != current {
                let Some(stats) = stats.upgrade() else { return };
                connection = stats.opening(|current| {
                    generation = current;
                    let connection = rusqlite::Connection::open(&file).ok()?;
                    schema::touch(&connection).ok().map(|()| connection)
                });
            }
            if commits != seen
                && let Some(connection) = &connection
            {
                seen = commits;
                let left = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                    Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
                });
                let held = left.is_ok_and(|pages| pages > FORGOTTEN_READER);
                if held && !said {
                    tracing::warn!(
                        "Another program has been reading {} for long, so its log grows: end what holds it open, such as a forgotten sqlite3.",
                        file.display()
                    );
                }
                said = held;
            }
        }
    };
    std::thread::Builder::new()
        .name("checkpoint".to_owned())
        .spawn(work)
        .map(drop)
}
