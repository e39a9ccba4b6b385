//! Does the journal keep its promises when it is at its cap, and when the disk is full?

use std::time::SystemTime;

use kubedl_events::cluster::Resume;
use kubedl_events::journal::{
    Batch, Entry, Error, Haste, Journal, Kept, OnFull, Options, Position, SHED, Start,
};

const MIB: u64 = 1 << 20;

fn batch(versions: std::ops::Range<u64>) -> Batch {
    let entry = |version: u64| {
        let raw = format!(
            "{{\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"message\":\"{}\"}}",
            "m".repeat(10_000)
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
    };
    Batch {
        scope: "*".to_owned(),
        checkpoint: Some(Resume {
            resource_version: versions.end.to_string(),
            at: SystemTime::now(),
        }),
        entries: versions.map(entry).collect(),
        ..Batch::default()
    }
}

fn size(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| {
            file.path()
                .extension()
                .is_none_or(|extension| extension != "sqlite-shm")
        })
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

/// What is being written comes on top of a cap for a moment: batches of 1 MB and their way through
/// the log, which is emptied when those who read it let it.
const MOMENT: u64 = 8 * MIB;

#[tokio::test]
async fn delivered_rows_make_room_before_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        max_size: Some(16 * MIB),
        ..Options::new(folder.path())
    })
    .unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    let mut largest = 0;
    for round in 1..100_u64 {
        journal
            .append(batch(round * 100..round * 100 + 100))
            .await
            .unwrap();
        journal
            .acknowledge("a", *journal.head().borrow(), vec![], Haste::Now)
            .await
            .unwrap();
        largest = largest.max(size(folder.path()));
    }
    assert!(
        largest < 16 * MIB + MOMENT,
        "{largest} bytes while 100 MB went through"
    );
    assert!(journal.reader().unwrap().gaps().unwrap().is_empty());
}

#[tokio::test]
async fn block_refuses_events_until_the_sink_has_made_room_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        max_size: Some(16 * MIB),
        on_full: OnFull::Block,
        ..Options::new(folder.path())
    })
    .unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    let mut taken = 0;
    let refused = loop {
        match journal.append(batch(taken * 100..taken * 100 + 100)).await {
            Ok(_) => taken += 1,
            Err(why) => break why,
        }
    };
    assert!(
        matches!(refused, Error::Full { most, .. } if most == 16 * MIB),
        "{refused}"
    );
    assert!((10..20).contains(&taken), "{taken}");
    let held: Position = *journal.head().borrow();
    assert_eq!(
        journal
            .reader()
            .unwrap()
            .read(0, 10_000, usize::MAX)
            .unwrap()
            .len() as i64,
        held
    );
    // A little room isn't enough: it would be full again at once.
    journal
        .acknowledge("a", 1, vec![], Haste::Now)
        .await
        .unwrap();
    assert!(
        journal
            .append(batch(taken * 100..taken * 100 + 100))
            .await
            .is_err()
    );
    journal
        .acknowledge("a", held, vec![], Haste::Now)
        .await
        .unwrap();
    assert_eq!(
        journal
            .append(batch(taken * 100..taken * 100 + 100))
            .await
            .unwrap()
            .stored,
        100
    );
    assert!(journal.reader().unwrap().gaps().unwrap().is_empty());
}

#[tokio::test]
async fn shed_takes_from_the_slowest_sink_alone_and_says_what() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        max_size: Some(16 * MIB),
        on_full: OnFull::Shed,
        ..Options::new(folder.path())
    })
    .unwrap();
    journal.register("quick", Start::Oldest).await.unwrap();
    journal.register("dead", Start::Oldest).await.unwrap();
    let reader = journal.reader().unwrap();
    let mut delivered = Vec::new();
    for round in 0..60_u64 {
        journal
            .append(batch(round * 100 + 1..round * 100 + 101))
            .await
            .unwrap();
        let after = delivered.last().copied().unwrap_or(0);
        delivered.extend(
            reader
                .read(after, 1_000, usize::MAX)
                .unwrap()
                .iter()
                .map(|row| row.position),
        );
        journal
            .acknowledge("quick", *delivered.last().unwrap(), vec![], Haste::Now)
            .await
            .unwrap();
    }
    assert_eq!(
        delivered,
        (1..=6_000).collect::<Vec<_>>(),
        "the quick one misses nothing"
    );
    assert!(
        size(folder.path()) < 16 * MIB + MOMENT,
        "{} bytes",
        size(folder.path())
    );
    let gaps = reader.gaps().unwrap();
    assert_eq!(gaps.len(), 1, "neighbours become one: {gaps:?}");
    let gap = &gaps[0];
    assert_eq!(
        (
            gap.sink.as_deref(),
            gap.certain,
            gap.reason.as_str(),
            gap.since_version.as_deref()
        ),
        (Some("dead"), true, SHED, Some("1"))
    );
    let position = reader
        .standings()
        .unwrap()
        .into_iter()
        .find(|standing| standing.sink == "dead")
        .unwrap()
        .position;
    assert_eq!(
        gap.until_version.clone().unwrap(),
        position.to_string(),
        "exactly the rows before its cursor"
    );
    assert_eq!(
        reader.read(position, 10_000, usize::MAX).unwrap().len() as i64,
        6_000 - position,
        "all after it are there"
    );
}

#[tokio::test]
async fn what_was_shed_of_a_list_is_told_by_its_oldest_and_newest_version() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        max_size: Some(16 * MIB),
        on_full: OnFull::Shed,
        ..Options::new(folder.path())
    })
    .unwrap();
    journal.register("dead", Start::Oldest).await.unwrap();
    for round in 0..30_u64 {
        // In the order of names: the newest first, and in the middle the oldest.
        let mut entries = batch(round * 100 + 1..round * 100 + 101).entries;
        entries.reverse();
        entries.rotate_left(50);
        journal
            .append(Batch {
                entries,
                ..batch(0..0)
            })
            .await
            .unwrap();
    }
    let reader = journal.reader().unwrap();
    let gap = reader.gaps().unwrap().remove(0);
    let left = reader.standings().unwrap()[0].position;
    let newest = (u64::try_from(left).unwrap() - 1) / 100 * 100 + 100;
    assert_eq!(gap.since_version.as_deref(), Some("1"), "{gap:?}");
    assert!(
        gap.until_version
            .as_deref()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > newest - 100,
        "{gap:?}, up to place {left}"
    );
}

#[tokio::test]
async fn what_was_seen_and_delivered_never_blocks_by_its_identities_alone() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        max_size: Some(4 * MIB),
        on_full: OnFull::Block,
        ..Options::new(folder.path())
    })
    .unwrap();
    journal.register("a", Start::Oldest).await.unwrap();
    for round in 0..100_u64 {
        let dropped = |version: u64| Entry {
            kept: None,
            ..batch(version..version + 1).entries.remove(0)
        };
        let entries = (round * 2_000..round * 2_000 + 2_000)
            .map(dropped)
            .collect();
        let appended = journal
            .append(Batch {
                scope: "*".to_owned(),
                entries,
                ..Batch::default()
            })
            .await
            .unwrap();
        assert_eq!(appended.dropped, 2_000);
    }
    assert!(
        size(folder.path()) < 4 * MIB + MOMENT,
        "{} bytes",
        size(folder.path())
    );
}

#[tokio::test]
async fn the_files_stay_below_the_cap_when_what_is_in_them_was_deleted_and_files_beside_them_grow()
{
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    // As if sinks had been loaded before: with them the journal's own files may be half as large.
    let open = || {
        Journal::open(&Options {
            max_size: Some(16 * MIB),
            stays: Some(kept.clone()),
            ..Options::new(folder.path())
        })
        .unwrap()
    };
    let journal = open();
    journal.register("a", Start::Oldest).await.unwrap();
    for round in 1..14_u64 {
        journal
            .append(batch(round * 100..round * 100 + 100))
            .await
            .unwrap();
    }
    journal
        .acknowledge("a", *journal.head().borrow(), vec![], Haste::Now)
        .await
        .unwrap();
    journal.close().await.unwrap();
    assert!(
        size(folder.path()) > 12 * MIB,
        "{} bytes: the case is none",
        size(folder.path())
    );
    std::fs::write(
        kept.join("sink.wasm"),
        vec![0; usize::try_from(7 * MIB).unwrap()],
    )
    .unwrap();
    let journal = open();
    journal
        .configure(&["a".to_owned()], Start::Oldest)
        .await
        .unwrap();
    let mut rounds = 2_000..2_200_u64;
    while size(folder.path()) > 9 * MIB {
        let round = rounds
            .next()
            .expect("the files stay larger than there is room for");
        journal
            .append(batch(round * 10..round * 10 + 10))
            .await
            .unwrap();
        let head = *journal.head().borrow();
        journal
            .acknowledge("a", head, vec![], Haste::Now)
            .await
            .unwrap();
    }
}
