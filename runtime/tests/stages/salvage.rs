//! Does a damaged journal save what it can, say what it can't, and go on?

// Long: one question, with all of its cases.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use kubedl_events::cluster::{Lost, Resume};
use kubedl_events::journal::{
    Batch, DeadLetter, Entry, FILE, Haste, Journal, Kept, Options, Reader, Start,
};

const ROWS: u64 = 3_000;

fn entry(version: u64) -> Entry {
    let raw = format!(
        "{{\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"message\":\"{}\"}}",
        "m".repeat(300)
    );
    let kept = Some(Kept {
        observed_at: i64::try_from(version).unwrap() * 1_000_000_000,
        job: None,
        labels: None,
        raw,
        repeats: false,
    });
    Entry {
        uid: format!("00000000-0000-0000-0000-{version:012}"),
        resource_version: version.to_string(),
        rule: "all",
        kept,
    }
}

fn batch(versions: std::ops::RangeInclusive<u64>) -> Batch {
    Batch {
        scope: "*".to_owned(),
        checkpoint: Some(Resume {
            resource_version: versions.end().to_string(),
            at: SystemTime::now(),
        }),
        entries: versions.map(entry).collect(),
        ..Batch::default()
    }
}

/// Rows of long ago are kept, so that what is missing was damaged.
fn options(folder: &Path) -> Options {
    Options {
        retain: Duration::MAX,
        ..Options::new(folder)
    }
}

/// A journal of `ROWS` rows, of which the sink is done with the first thousand, closed in order.
async fn written(folder: &Path) {
    let journal = Journal::open(&Options::new(folder)).unwrap();
    journal.bind("cluster").await.unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    journal.append(batch(1..=ROWS)).await.unwrap();
    journal
        .acknowledge("a", 1_000, vec![], Haste::Now)
        .await
        .unwrap();
    journal.close().await.unwrap();
}

/// Another number each time, from a seed (Marsaglia's xorshift64).
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Reads all that a sink still needs, as a relay would: has the file healed where it is found to be
/// damaged.
async fn rest(journal: &Journal, from: i64) -> (Vec<i64>, Vec<i64>) {
    let reader = journal.reader().unwrap();
    let (mut read, mut damaged, mut after) = (Vec::new(), Vec::new(), from);
    loop {
        match reader.read(after, 100, usize::MAX) {
            Ok(rows) if rows.is_empty() => return (read, damaged),
            Ok(rows) => {
                read.extend(rows.iter().map(|row| row.position));
                after = rows.last().unwrap().position;
            }
            Err(kubedl_events::journal::Error::Damaged { position }) => {
                damaged.push(position);
                after = position;
            }
            Err(why) if why.is_damage() => journal.salvage(&reader).await.unwrap(),
            Err(why) => panic!("{why}"),
        }
    }
}

#[tokio::test]
async fn pages_overwritten_at_random_places_cost_only_what_was_on_them_and_that_is_told() {
    // Long: one story, told in its order.
    let mut heavy = 0;
    for seed in 1..=40_u64 {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path()).await;
        let file = folder.path().join("journal.sqlite");
        let mut bytes = std::fs::read(&file).unwrap();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let pages = bytes.len() / 4096;
        for _ in 0..1 + seed % 3 {
            let start = usize::try_from(random(&mut state)).unwrap() % pages * 4096
                + usize::try_from(random(&mut state)).unwrap() % 2048;
            for byte in &mut bytes[start..start + 1_500] {
                *byte = random(&mut state).to_le_bytes()[0];
            }
        }
        std::fs::write(&file, bytes).unwrap();

        let journal = Journal::open(&options(folder.path())).unwrap();
        let (mut read, mut damaged) = rest(&journal, 1_000).await;
        // It goes on, whatever was damaged: a write that meets the damage is tried again after the
        // healing.
        let mut tries = 0;
        let appended = loop {
            match journal.append(batch(ROWS + 1..=ROWS + 10)).await {
                Ok(appended) => break appended,
                Err(why) => assert!(why.is_damage() && tries < 5, "seed {seed}: {why}"),
            }
            tries += 1;
        };
        assert_eq!(appended.stored, 10, "seed {seed}");
        let cursor = journal.register("a", Start::Oldest).await.unwrap();
        // Only past rows that are gone, and a gap of this sink says that they are.
        let told = Reader::open(folder.path())
            .unwrap()
            .gaps()
            .unwrap()
            .iter()
            .any(|gap| gap.certain && gap.sink.as_deref() == Some("a"));
        assert!(
            cursor.position <= 1_000 || (read.is_empty() && told),
            "seed {seed}: nothing counts as delivered that was not"
        );
        (read, damaged) = {
            let (r, d) = rest(&journal, 1_000).await;
            if r.len() >= 10 {
                (r, d)
            } else {
                (read, damaged)
            }
        };
        let wanted = ROWS + 10 - 1_000;
        let lost = usize::try_from(wanted)
            .unwrap()
            .saturating_sub(read.len() + damaged.len());
        let gaps = Reader::open(folder.path()).unwrap().gaps().unwrap();
        assert!(
            lost == 0 || !gaps.is_empty(),
            "seed {seed}: {lost} rows are gone and no gap says so"
        );
        heavy += usize::from(lost + damaged.len() >= 1_500);
    }
    // Nothing is reached any more without the first page, or through the root of a table
    // (sqlite.org/fileformat2.html); most pages are leaves.
    assert!(heavy <= 5, "{heavy} of 40 files lost most of their rows");
}

#[tokio::test]
async fn a_file_that_is_no_database_at_all_is_put_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    std::fs::write(
        folder.path().join("journal.sqlite"),
        "nothing of a database",
    )
    .unwrap();
    let journal = Journal::open(&Options::new(folder.path())).unwrap();
    journal.append(batch(1..=10)).await.unwrap();
    let gaps = journal.reader().unwrap().gaps().unwrap();
    assert_eq!(
        (gaps.len(), gaps[0].sink.clone(), gaps[0].certain),
        (1, None, false)
    );
    let kept = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|file| {
            file.as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("damaged")
        })
        .count();
    assert!(kept > 0, "the damaged file is kept for a person");
}

#[tokio::test]
async fn what_is_written_beside_a_salvage_is_there_when_it_was_answered_so() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options::new(folder.path())).unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    let mut wanted = 0;
    for round in 0..20 {
        let reader = journal.reader().unwrap();
        let version = round * 2 + 1;
        // The first one has no haste, so that the others share its transaction.
        let (patient, before, salvaged, after) = tokio::join!(
            journal.acknowledge("a", 0, vec![], Haste::WithNext),
            journal.append(batch(version..=version)),
            journal.salvage(&reader),
            journal.append(batch(version + 1..=version + 1)),
        );
        patient.unwrap();
        salvaged.unwrap();
        assert_eq!(
            (before.unwrap().stored, after.unwrap().stored),
            (1, 1),
            "round {round}"
        );
        wanted += 2;
        assert_eq!(
            journal
                .reader()
                .unwrap()
                .read(0, 100, usize::MAX)
                .unwrap()
                .len(),
            wanted,
            "round {round}"
        );
    }
}

#[tokio::test]
async fn who_opens_the_journal_while_it_is_replaced_sees_all_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options::new(folder.path())).unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    let (stored, over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let looking: Vec<_> = (0..4)
        .map(|_| {
            let (journal, stored, over) = (journal.clone(), stored.clone(), over.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let before = stored.load(Ordering::SeqCst);
                    let seen = journal
                        .reader()
                        .unwrap()
                        .read(0, 1_000, usize::MAX)
                        .unwrap()
                        .len();
                    assert!(
                        seen >= before,
                        "{seen} rows are seen of {before} that were stored before"
                    );
                }
            })
        })
        .collect();
    for round in 1..=60 {
        journal.append(batch(round..=round)).await.unwrap();
        stored.store(usize::try_from(round).unwrap(), Ordering::SeqCst);
        journal.salvage(&journal.reader().unwrap()).await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    for thread in looking {
        thread.join().unwrap();
    }
}

/// The first page of each table and index of a file, by its name.
fn roots(file: &Path) -> Vec<(String, u64)> {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut all = connection
        .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 1")
        .unwrap();
    all.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })
    .unwrap()
    .collect::<rusqlite::Result<_>>()
    .unwrap()
}

fn overwrite(file: &Path, page: u64, with: u8) {
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .write_all_at(&[with; 4096], (page - 1) * 4096)
        .unwrap();
}

#[tokio::test]
async fn whichever_table_is_damaged_the_next_start_goes_on_at_once_and_says_what_is_lost() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let journal = Journal::open(&options(folder.path())).unwrap();
    let letter = DeadLetter {
        position: 1_001,
        reason: "400".to_owned(),
        attempts: 1,
        held_back: false,
    };
    journal
        .acknowledge("a", 1_001, vec![letter], Haste::Now)
        .await
        .unwrap();
    let lost = Lost {
        last: Resume {
            resource_version: "1".to_owned(),
            at: SystemTime::UNIX_EPOCH,
        },
        reason: "410".to_owned(),
        set_back: false,
    };
    journal
        .append(Batch {
            lost: Some(lost),
            ..batch(ROWS + 1..=ROWS + 1)
        })
        .await
        .unwrap();
    journal.close().await.unwrap();
    let tables = roots(&folder.path().join(FILE));
    assert!(tables.len() >= 10, "{tables:?}");
    for ((table, page), with) in tables
        .into_iter()
        .flat_map(|table| [(table.clone(), 0xff), (table, 0)])
    {
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join(FILE);
        std::fs::copy(folder.path().join(FILE), &file).unwrap();
        overwrite(&file, page, with);
        let journal = Journal::open(&Options {
            durable: false,
            ..options(copy.path())
        })
        .unwrap_or_else(|why| panic!("{table}: {why}"));
        let said = |what: &str| format!("{table} with {with}: {what}");
        let begun = async {
            journal.configure(&["a".to_owned()], Start::Oldest).await?;
            journal.register("a", Start::Oldest).await?;
            journal.select("a", "").await?;
            journal.checkpoint("*").await?;
            journal.delivered("a").await?;
            journal
                .read(|reader| {
                    Ok((
                        reader.gaps()?,
                        reader.witnesses("*")?,
                        reader.held_back("a", 9)?,
                    ))
                })
                .await?;
            journal.append(batch(ROWS + 2..=ROWS + 3)).await
        };
        begun
            .await
            .unwrap_or_else(|why| panic!("{}", said(&why.to_string())));
        let (read, _) = rest(&journal, 1_001).await;
        assert!(read.len() >= 2, "{}", said("the new ones are there"));
        let gaps = journal.reader().unwrap().gaps().unwrap();
        let reasons: Vec<&str> = gaps.iter().map(|gap| gap.reason.as_str()).collect();
        let tells = |word: &str| reasons.iter().any(|reason| reason.contains(word));
        match table.as_str() {
            "dead_letters" => assert!(
                tells("dead letters were damaged"),
                "{}",
                said(&format!("{reasons:?}"))
            ),
            "gaps" => assert!(
                tells("gaps were damaged"),
                "{}",
                said(&format!("{reasons:?}"))
            ),
            "events" | "cursors" | "checkpoints" => assert!(
                tells("rows of the journal were damaged"),
                "{}",
                said(&format!("{reasons:?}"))
            ),
            _ => assert!(
                tells("410") && reasons.len() == 1,
                "{}",
                said(&format!("{reasons:?}"))
            ),
        }
        journal.close().await.unwrap();
    }
}

/// Gives the row of a place another one, on its page: both are numbers of two bytes
/// (variable-length integers of SQLite's file format, section 1.6).
fn misplace(file: &Path, from: u16, to: u16) {
    let mut bytes = std::fs::read(file).unwrap();
    let two = |number: u16| {
        [
            0x80 | u8::try_from(number >> 7).unwrap(),
            u8::try_from(number & 0x7f).unwrap(),
        ]
    };
    let (page, cell) = (0..bytes.len() / 4096)
        .filter(|page| bytes[page * 4096] == 0x0d)
        .flat_map(|page| {
            let at = page * 4096;
            let number =
                |place: usize| usize::from(u16::from_be_bytes([bytes[place], bytes[place + 1]]));
            (0..number(at + 3))
                .map(|cell| (page, at + number(at + 8 + 2 * cell)))
                .collect::<Vec<_>>()
        })
        .find(|(_, cell)| bytes[cell + 2..].starts_with(&two(from)) && bytes[*cell] & 0x80 != 0)
        .unwrap();
    assert!(page > 0);
    bytes[cell + 2..cell + 4].copy_from_slice(&two(to));
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_row_at_another_place_than_its_own_ends_and_skips_nothing() {
    for to in [128, 999, 2_500, 16_383] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path()).await;
        misplace(&folder.path().join(FILE), 2_000, to);
        let journal = Journal::open(&options(folder.path())).unwrap();
        let (mut read, damaged) = rest(&journal, 1_000).await;
        read.sort_unstable();
        read.dedup();
        let last = i64::try_from(ROWS).unwrap();
        assert!(
            damaged.iter().all(|position| *position <= last),
            "{to}: {damaged:?}"
        );
        assert_eq!(read.last(), Some(&last), "{to}");
        assert!(
            read.len() + 20 >= usize::try_from(ROWS).unwrap() - 1_000,
            "{to}: a page at most is lost, and {} are there",
            read.len()
        );
        journal.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_first_row_or_page_of_a_long_life_costs_no_other_that_is_needed() {
    const BEFORE: i64 = 3_000_000;
    for whole_page in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        Journal::open(&Options::new(folder.path()))
            .unwrap()
            .close()
            .await
            .unwrap();
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute("UPDATE journal SET last_position = ?1", [BEFORE])
            .unwrap();
        let journal = Journal::open(&options(folder.path())).unwrap();
        journal.register("a", Start::Oldest).await.unwrap();
        journal.append(batch(1..=ROWS)).await.unwrap();
        journal
            .acknowledge("a", BEFORE + 1_000, vec![], Haste::Now)
            .await
            .unwrap();
        journal.close().await.unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let text = entry(1).kept.unwrap().raw;
        let place = bytes
            .windows(text.len())
            .position(|window| window == text.as_bytes())
            .unwrap();
        let damaged = if whole_page {
            place / 4096 * 4096..(place / 4096 + 1) * 4096
        } else {
            place + 50..place + 51
        };
        bytes[damaged].fill(0xff);
        std::fs::write(&file, bytes).unwrap();
        let journal = Journal::open(&options(folder.path())).unwrap();
        let reader = journal.reader().unwrap();
        journal.salvage(&reader).await.unwrap();
        let (read, _) = rest(&journal, BEFORE + 1_000).await;
        assert_eq!(read.len(), 2_000, "whole page: {whole_page}");
        let lowest = journal
            .reader()
            .unwrap()
            .read(BEFORE, 1, usize::MAX)
            .unwrap()[0]
            .position;
        assert!(
            whole_page || lowest == BEFORE + 2,
            "{lowest}: only the damaged row is gone"
        );
        journal.close().await.unwrap();
    }
}
