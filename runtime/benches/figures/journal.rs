//! How much the journal takes, with full durability, while sinks read it; and for how long an
//! append waits at most.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use kubedl_events::journal::{self, Appended, Haste, Journal, OnFull, Position};

use crate::backlog::fill_folder;
use crate::events::{ONE_KB, batch};
use crate::machine::{Waited, disk};
use crate::{Done, length};

/// Events that the watch collects at most, and a batch of the sink `aliyun-sls`.
const BATCH: u32 = 2_000;
const READ: (usize, usize) = (4_096, 3 << 20);

/// What goes on beside appending and reading.
pub struct Trial {
    /// For the filter.
    pub name: &'static str,
    /// How long delivered rows stay.
    retain: Duration,
    /// Whether the size limit is reached soon.
    capped: bool,
    /// Events a second; none: as fast as the journal takes them.
    rate: Option<u32>,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const RATE: Option<u32> = Some(20_000);

/// As fast as it goes; and at a steady rate alone, with old rows going, and at the size limit.
pub const TRIALS: [Trial; 4] = [
    Trial {
        name: "journal-fast",
        retain: DAY,
        capped: false,
        rate: None,
    },
    Trial {
        name: "journal-steady",
        retain: DAY,
        capped: false,
        rate: RATE,
    },
    Trial {
        name: "journal-retain",
        retain: Duration::from_secs(2),
        capped: false,
        rate: RATE,
    },
    Trial {
        name: "journal-cap",
        retain: DAY,
        capped: true,
        rate: RATE,
    },
];

/// Appends for a minute, or `BENCH_SECONDS`, to a journal of a million rows, or `BENCH_ROWS`.
pub fn sustained(trial: &Trial) -> Done<()> {
    let (name, rows) = (trial.name, length("BENCH_ROWS", 1_000_000)?);
    let time = Duration::from_secs(u64::from(length("BENCH_SECONDS", 60)?));
    let folder = tempfile::tempdir()?;
    println!("{name}: {}", disk(folder.path())?);
    let data = folder.path().join("data");
    fill_folder(&data, rows)?;
    let size = std::fs::metadata(data.join("journal.sqlite"))?.len();
    // Room for some seconds, and for the write-ahead log.
    let max_size = trial.capped.then_some(size + (256 << 20));
    let options = journal::Options {
        retain: trial.retain,
        max_size,
        on_full: OnFull::Shed,
        ..journal::Options::new(&data)
    };
    let journal = Journal::open(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, cursors) = (
        AtomicBool::new(false),
        [AtomicI64::new(0), AtomicI64::new(0)],
    );
    let waited = Waited::begin();
    let appends = std::thread::scope(|scope| {
        for (sink, cursor) in ["first", "second"].into_iter().zip(&cursors) {
            let (journal, stop) = (&journal, &stop);
            scope.spawn(move || {
                if let Err(why) = read(journal, sink, cursor, stop) {
                    println!("{name}: the reader {sink} ended: {why}");
                }
            });
        }
        let appends = runtime.block_on(append(&journal, &data, rows, (time, trial.rate)));
        stop.store(true, Ordering::Relaxed);
        appends
    })?;
    println!("{name}: {waited}");
    let head = *journal.head().borrow();
    let lags: Vec<Position> = cursors
        .iter()
        .map(|cursor| head - cursor.load(Ordering::Relaxed))
        .collect();
    appends.print(name, &lags, journal.stats().shed());
    Ok(runtime.block_on(journal.close())?)
}

/// What became of all appends.
#[derive(Default)]
struct Appends {
    waits: Vec<Duration>,
    stored: u64,
    refused: u64,
    time: Duration,
    longest_log: u64,
}

impl Appends {
    fn print(mut self, name: &str, lags: &[Position], shed: u64) {
        self.waits.sort_unstable();
        let at = |percent: usize| {
            self.waits
                .get((self.waits.len() * percent / 100).min(self.waits.len().saturating_sub(1)))
                .map_or(0.0, ms)
        };
        println!(
            "{name}: {:.0} events/s for {:.0} s in batches of {BATCH}; an append waited p50 {:.1}, p99 {:.1}, longest {:.1} ms; refused {}, shed {shed}; \
             readers behind by {lags:?} rows; write-ahead log at most {} MiB",
            self.stored as f64 / self.time.as_secs_f64(),
            self.time.as_secs_f64(),
            at(50),
            at(99),
            at(100),
            self.refused,
            self.longest_log >> 20,
        );
    }
}

fn ms(time: &Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn append(
    journal: &Journal,
    data: &Path,
    rows: u32,
    (time, rate): (Duration, Option<u32>),
) -> Done<Appends> {
    let (mut appends, mut next, began) = (Appends::default(), rows, Instant::now());
    while began.elapsed() < time {
        if let Some(rate) = rate {
            let due = began + Duration::from_secs_f64(appends.stored as f64 / f64::from(rate));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let batch = batch(next, next + BATCH, ONE_KB, jiff::Timestamp::now());
        let start = Instant::now();
        let appended = match journal.append(batch).await {
            Err(journal::Error::Full { .. }) => {
                appends.refused += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            appended => appended?,
        };
        appends.waits.push(start.elapsed());
        let Appended { stored, .. } = appended;
        appends.stored += stored;
        next += BATCH;
        appends.longest_log = appends
            .longest_log
            .max(std::fs::metadata(data.join("journal.sqlite-wal")).map_or(0, |file| file.len()));
    }
    appends.time = began.elapsed();
    Ok(appends)
}

/// Reads and acknowledges everything until the stop, as a relay with a destination that answers at
/// once.
fn read(journal: &Journal, sink: &str, cursor: &AtomicI64, stop: &AtomicBool) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (reader, mut head) = (journal.reader()?, journal.head());
        let mut position = journal
            .register(sink, journal::Start::Oldest)
            .await?
            .position;
        while !stop.load(Ordering::Relaxed) {
            let rows = reader.read(position, READ.0, READ.1)?;
            let Some(last) = rows.last() else {
                // Rows that were given up are gone; else the next append tells.
                position = position.max(*head.borrow_and_update());
                let _ = tokio::time::timeout(Duration::from_millis(50), head.changed()).await;
                continue;
            };
            position = last.position;
            let haste = if *head.borrow() <= position {
                Haste::WithNext
            } else {
                Haste::Now
            };
            journal
                .acknowledge(sink, position, Vec::new(), haste)
                .await?;
            cursor.store(position, Ordering::Relaxed);
        }
        Ok(())
    })
}
