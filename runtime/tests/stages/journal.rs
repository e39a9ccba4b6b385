//! Does the journal keep its invariants?

use std::path::Path;
use std::time::{Duration, SystemTime};

use kubedl_events::cluster::Resume;
use kubedl_events::journal::{
    Appended, Batch, DeadLetter, Entry, Error, Haste, Journal, Kept, Options, Start,
};

fn open(directory: &Path) -> Result<Journal, Error> {
    Journal::open(&Options {
        retain: Duration::from_secs(3600),
        ..Options::new(directory)
    })
}

fn entry(version: u64, kept: bool) -> Entry {
    let raw = format!("{{\"metadata\":{{\"resourceVersion\":\"{version}\"}}}}");
    let kept = kept.then_some(Kept {
        observed_at: i64::MAX,
        job: Some("{}".to_owned()),
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

fn reached(version: u64) -> Resume {
    Resume {
        resource_version: version.to_string(),
        at: SystemTime::now(),
    }
}

fn batch(versions: impl IntoIterator<Item = u64>, checkpoint: Option<u64>) -> Batch {
    Batch {
        scope: "*".to_owned(),
        entries: versions
            .into_iter()
            .map(|version| entry(version, true))
            .collect(),
        unreadable: vec![],
        checkpoint: checkpoint.map(reached),
        lost: None,
        ..Batch::default()
    }
}

/// Stored, known, dropped.
fn counts(appended: &Appended) -> (u64, u64, u64) {
    assert_eq!(appended.gap, None);
    (appended.stored, appended.known, appended.dropped)
}

#[tokio::test]
async fn rows_come_back_in_order_after_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    let appended = journal.append(batch([5, 3, 9], Some(9))).await.unwrap();
    assert_eq!(counts(&appended), (3, 0, 0));
    journal.close().await.unwrap();
    let journal = open(folder.path()).unwrap();
    assert_eq!(
        journal
            .checkpoint("*")
            .await
            .unwrap()
            .unwrap()
            .resource_version,
        "9"
    );
    assert_eq!(*journal.head().borrow(), 3);
    let rows = journal.reader().unwrap().read(0, 10, usize::MAX).unwrap();
    assert_eq!(
        rows.iter().map(|row| row.position).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(
        rows[0].raw.contains("\"5\"")
            && rows[1].raw.contains("\"3\"")
            && rows[2].raw.contains("\"9\"")
    );
    assert_eq!(rows[0].job.as_deref(), Some("{}"));
}

#[tokio::test]
async fn an_identity_is_taken_once_even_if_it_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    let mut mixed = batch([1, 2], None);
    mixed.entries.push(entry(3, false));
    assert_eq!(
        counts(&journal.append(mixed.clone()).await.unwrap()),
        (2, 0, 1)
    );
    assert_eq!(counts(&journal.append(mixed).await.unwrap()), (0, 3, 0));
    assert_eq!(
        counts(&journal.append(batch([3, 4], None)).await.unwrap()),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn resource_versions_that_are_no_numbers_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    for version in ["7", "07", "+7", "7a", "", "99999999999999999999999"] {
        let entry = Entry {
            uid: "u".to_owned(),
            resource_version: version.to_owned(),
            ..entry(1, true)
        };
        let appended = journal
            .append(Batch {
                scope: "*".to_owned(),
                entries: vec![entry],
                ..Batch::default()
            })
            .await
            .unwrap();
        assert_eq!(appended.stored, 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_read_is_bounded_by_events_and_bytes_but_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    journal.append(batch(1..=10, None)).await.unwrap();
    let reader = journal.reader().unwrap();
    let size = reader.read(0, 1, usize::MAX).unwrap()[0].raw.len();
    assert_eq!(
        reader
            .read(4, 3, usize::MAX)
            .unwrap()
            .iter()
            .map(|row| row.position)
            .collect::<Vec<_>>(),
        [5, 6, 7]
    );
    assert_eq!(reader.read(0, 100, size * 2).unwrap().len(), 2);
    assert_eq!(reader.read(0, 100, 1).unwrap().len(), 1);
    assert!(reader.read(10, 100, 1).unwrap().is_empty());
}

#[tokio::test]
async fn a_cursor_survives_and_tells_whether_the_end_was_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    let cursor = journal.register("a", Start::Oldest).await.unwrap();
    assert_eq!((cursor.position, cursor.unsure_through), (0, 0));
    journal.append(batch(1..=4, None)).await.unwrap();
    let letter = DeadLetter {
        position: 2,
        reason: "too long".to_owned(),
        attempts: 1,
        held_back: false,
    };
    journal
        .acknowledge("a", 3, vec![letter], Haste::Now)
        .await
        .unwrap();
    journal
        .acknowledge("a", 1, vec![], Haste::WithNext)
        .await
        .unwrap();
    journal.close().await.unwrap();
    // Not settled: what follows may have been sent.
    let journal = open(folder.path()).unwrap();
    let cursor = journal.register("a", Start::Oldest).await.unwrap();
    assert_eq!((cursor.position, cursor.unsure_through), (3, 4));
    assert_eq!(journal.reader().unwrap().dead_letters("a").unwrap(), 1);
    journal.settle("a").await.unwrap();
    journal.close().await.unwrap();
    let journal = open(folder.path()).unwrap();
    assert_eq!(
        journal
            .register("a", Start::Oldest)
            .await
            .unwrap()
            .unsure_through,
        0
    );
    assert_eq!(
        journal.register("b", Start::Oldest).await.unwrap().position,
        0
    );
    assert_eq!(journal.register("c", Start::Now).await.unwrap().position, 4);
}

#[tokio::test]
async fn a_second_process_another_cluster_and_a_newer_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(Error::Locked { .. })));
    journal.bind("one").await.unwrap();
    journal.bind("one").await.unwrap();
    assert!(matches!(
        journal.bind("two").await,
        Err(Error::OtherCluster { .. })
    ));
    journal.close().await.unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(
        open(folder.path()),
        Err(Error::Newer { found: 99, .. })
    ));
}

#[tokio::test]
async fn a_damaged_row_is_noticed_and_its_neighbours_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    journal.append(batch(1..=3, None)).await.unwrap();
    journal.close().await.unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    connection
        .execute(
            "UPDATE events SET raw = replace(raw, '2', '8') WHERE position = 2",
            [],
        )
        .unwrap();
    drop(connection);
    let journal = open(folder.path()).unwrap();
    let reader = journal.reader().unwrap();
    assert_eq!(reader.read(0, 10, usize::MAX).unwrap().len(), 1);
    assert!(matches!(
        reader.read(1, 10, usize::MAX),
        Err(Error::Damaged { position: 2 })
    ));
    assert_eq!(reader.read(2, 10, usize::MAX).unwrap().len(), 1);
}

#[tokio::test]
async fn appends_from_many_tasks_share_commits_and_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path()).unwrap();
    let tasks: Vec<_> = (0..200_u64)
        .map(|i| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.append(batch([i], Some(i))).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().stored, 1);
    }
    assert_eq!(journal.stats().stored(), 200);
    assert!(
        journal.stats().commits() < 150,
        "{} commits",
        journal.stats().commits()
    );
    assert_eq!(
        journal
            .reader()
            .unwrap()
            .read(0, 1000, usize::MAX)
            .unwrap()
            .len(),
        200
    );
}
