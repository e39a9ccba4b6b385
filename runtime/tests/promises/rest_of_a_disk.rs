//! Does the journal keep what a sink still needs: over restarts, at its limit, and by whatever
//! clock?

use std::time::{Duration, SystemTime};

use kubedl_events::cluster::{Forgotten, Lost, Resume};
use kubedl_events::journal::{Batch, Entry, Haste, Journal, Kept, OnFull, Options, Start};

fn entry(version: u64, at: SystemTime, bytes: usize) -> Entry {
    let raw = format!(
        "{{\"metadata\":{{\"name\":\"e{version}\",\"namespace\":\"n{}\",\"resourceVersion\":\"{version}\"}},\"message\":\"{}\"}}",
        version % 2,
        "m".repeat(bytes)
    );
    let observed_at = i64::try_from(
        at.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_nanos(),
    )
    .unwrap();
    let kept = Some(Kept {
        observed_at,
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

fn batch(versions: std::ops::RangeInclusive<u64>, at: SystemTime, bytes: usize) -> Batch {
    let checkpoint = Some(Resume {
        resource_version: versions.end().to_string(),
        at: SystemTime::now(),
    });
    Batch {
        scope: "*".to_owned(),
        checkpoint,
        entries: versions.map(|version| entry(version, at, bytes)).collect(),
        ..Batch::default()
    }
}

fn names(sinks: &[&str]) -> Vec<String> {
    sinks.iter().map(|sink| (*sink).to_owned()).collect()
}

/// Waits until the writer, which cleans up when nothing else is to do, has nothing more to delete.
async fn clean(journal: &Journal) {
    let mut before = usize::MAX;
    let mut same = 0;
    while same < 5 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let rows = journal
            .reader()
            .unwrap()
            .read(0, 10_000, usize::MAX)
            .unwrap()
            .len();
        same = if rows == before { same + 1 } else { 0 };
        before = rows;
    }
}

#[tokio::test]
async fn a_restart_deletes_no_row_that_a_sink_still_needs_however_late_it_is_known() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        retain: Duration::ZERO,
        ..Options::new(folder.path())
    };
    let old = SystemTime::now() - Duration::from_secs(3_600);
    let journal = Journal::open(&options).unwrap();
    journal
        .configure(&names(&["quick", "down"]), Start::Oldest)
        .await
        .unwrap();
    journal.append(batch(1..=50, old, 10)).await.unwrap();
    journal
        .acknowledge("quick", 50, vec![], Haste::Now)
        .await
        .unwrap();
    journal.close().await.unwrap();
    // The first is registered, and the second not for long: as when its `open` takes a minute.
    let journal = Journal::open(&options).unwrap();
    clean(&journal).await;
    journal.register("quick", Start::Oldest).await.unwrap();
    clean(&journal).await;
    assert_eq!(
        journal
            .register("down", Start::Oldest)
            .await
            .unwrap()
            .position,
        0
    );
    assert_eq!(
        journal
            .reader()
            .unwrap()
            .read(0, 100, usize::MAX)
            .unwrap()
            .len(),
        50
    );
    assert_eq!(journal.reader().unwrap().gaps().unwrap(), []);
    // One that is configured no more holds nothing up.
    journal
        .configure(&names(&["quick"]), Start::Oldest)
        .await
        .unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !journal
        .reader()
        .unwrap()
        .read(0, 100, usize::MAX)
        .unwrap()
        .is_empty()
    {
        assert!(
            std::time::Instant::now() < until,
            "old rows that nobody needs go"
        );
        clean(&journal).await;
    }
}

#[tokio::test]
async fn shedding_beside_one_that_reads_for_long_takes_nothing_that_makes_no_room() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        max_size: Some(4 << 20),
        on_full: OnFull::Shed,
        ..Options::new(folder.path())
    };
    let journal = Journal::open(&options).unwrap();
    journal
        .configure(&names(&["quick", "down"]), Start::Oldest)
        .await
        .unwrap();
    journal
        .append(batch(1..=1, SystemTime::now(), 10))
        .await
        .unwrap();
    let reader = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = || {
        reader
            .query_row("SELECT count(*) FROM events", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
    };
    count();
    let mut refused = None;
    for n in 0..200 {
        let versions = 10 * n + 2..=10 * n + 11;
        let through = i64::try_from(*versions.end()).unwrap();
        match journal
            .append(batch(versions, SystemTime::now(), 9_000))
            .await
        {
            Ok(_) => journal
                .acknowledge("quick", through, vec![], Haste::Now)
                .await
                .unwrap(),
            Err(why) => {
                refused = Some(why.to_string());
                break;
            }
        }
    }
    assert!(
        refused
            .as_ref()
            .is_some_and(|why| why.contains("end what holds it open")),
        "{refused:?}"
    );
    let gaps = journal.reader().unwrap().gaps().unwrap();
    assert!(
        gaps.iter().all(|gap| gap.sink.as_deref() == Some("down")),
        "the healthy one loses nothing: {gaps:?}"
    );
    let rows = journal
        .reader()
        .unwrap()
        .read(0, 10_000, usize::MAX)
        .unwrap();
    assert!(
        rows.iter().map(|row| row.raw.len()).sum::<usize>() > 1 << 20,
        "{} rows are left",
        rows.len()
    );
    reader.execute_batch("COMMIT").unwrap();
    let mut tries = 0;
    while let Err(why) = journal
        .append(batch(5_000..=5_001, SystemTime::now(), 9_000))
        .await
    {
        tries += 1;
        assert!(tries < 50, "{why}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_time_in_the_future_is_an_unknown_time() {
    for (ahead, gaps) in [(false, 0), (true, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Options::new(folder.path())).unwrap();
        journal
            .append(batch(1..=1, SystemTime::now(), 10))
            .await
            .unwrap();
        let at = if ahead {
            SystemTime::now() + Duration::from_secs(7_200)
        } else {
            SystemTime::now() - Duration::from_secs(60)
        };
        let last = Resume {
            resource_version: "1".to_owned(),
            at,
        };
        let lost = Some(Lost {
            last,
            reason: "test".to_owned(),
            set_back: false,
        });
        journal
            .append(Batch {
                scope: "*".to_owned(),
                lost,
                ..Batch::default()
            })
            .await
            .unwrap();
        journal
            .append(batch(1..=1, SystemTime::now(), 10))
            .await
            .unwrap();
        let found = journal.reader().unwrap().gaps().unwrap();
        assert_eq!(found.len(), gaps, "{found:?}");
        assert!(found.iter().all(|gap| gap.since.is_none()));
    }
}

#[tokio::test]
async fn a_witness_that_was_seen_to_be_deleted_is_none_after_a_restart_either() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options::new(folder.path())).unwrap();
    journal
        .append(batch(1..=6, SystemTime::now(), 10))
        .await
        .unwrap();
    let names = |journal: &Journal| {
        journal
            .reader()
            .unwrap()
            .witnesses("*")
            .unwrap()
            .iter()
            .map(|w| w.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&journal), ["e6", "e5"]);
    let forgotten = vec![Forgotten {
        namespace: "n0".to_owned(),
        resource_version: "9".to_owned(),
    }];
    journal
        .append(Batch {
            scope: "*".to_owned(),
            forgotten,
            ..Batch::default()
        })
        .await
        .unwrap();
    assert_eq!(
        names(&journal),
        ["e5"],
        "none of the namespace that was seen before the deletion"
    );
    journal
        .append(batch(10..=10, SystemTime::now(), 10))
        .await
        .unwrap();
    assert_eq!(names(&journal), ["e10", "e5"]);
}

#[tokio::test]
async fn objects_that_are_no_events_cannot_fill_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        durable: false,
        ..Options::new(folder.path())
    })
    .unwrap();
    for n in 0..60 {
        let unreadable = vec![(format!("{n}{}", "x".repeat(1 << 20)), "no event".to_owned())];
        assert_eq!(
            journal
                .append(Batch {
                    scope: "*".to_owned(),
                    unreadable,
                    ..Batch::default()
                })
                .await
                .unwrap()
                .unreadable,
            1
        );
    }
    let letters = journal
        .reader()
        .unwrap()
        .letters(Some(""), 0, 1_000)
        .unwrap();
    let bytes: usize = letters.iter().map(|letter| letter.row.raw.len()).sum();
    assert!(
        bytes <= 33 << 20
            && letters
                .last()
                .is_some_and(|letter| letter.row.raw.starts_with("59")),
        "{bytes}"
    );
    let gaps = journal.reader().unwrap().gaps().unwrap();
    assert!(gaps.len() == 1 && gaps[0].certain, "{gaps:?}");
}
