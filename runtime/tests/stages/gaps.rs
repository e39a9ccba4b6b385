//! Is every loss of sight a gap exactly when something may be missing?

use std::path::Path;
use std::time::{Duration, SystemTime};

use kubedl_events::cluster::{Lost, Resume};
use kubedl_events::journal::{Batch, Entry, Journal, Kept, Options, Reader, Start, is_open};

fn open(directory: &Path) -> Journal {
    Journal::open(&Options::new(directory)).unwrap()
}

fn entry(version: u64, text: &str, repeats: bool) -> Entry {
    let raw =
        format!("{{\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"message\":\"{text}\"}}");
    let kept = Some(Kept {
        observed_at: 1,
        job: None,
        labels: None,
        raw,
        repeats,
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

fn batch(entries: Vec<Entry>, checkpoint: Option<u64>) -> Batch {
    Batch {
        scope: "*".to_owned(),
        entries,
        checkpoint: checkpoint.map(reached),
        ..Batch::default()
    }
}

fn lost(ago: Duration, version: u64, set_back: bool) -> Batch {
    let last = Resume {
        resource_version: version.to_string(),
        at: SystemTime::now() - ago,
    };
    Batch {
        lost: Some(Lost {
            last,
            reason: "because".to_owned(),
            set_back,
        }),
        ..batch(vec![], None)
    }
}

#[test]
fn only_age_repeats_and_a_set_back_leave_something_open() {
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    for (blind, repeats, set_back, open) in [
        (second, 0, false, false),
        (second, 1, false, true),
        (hour, 0, false, true),
        (second, 0, true, true),
        (hour - second, 0, false, false),
    ] {
        assert_eq!(
            is_open(blind, hour, repeats, set_back),
            open,
            "{blind:?} {repeats} {set_back}"
        );
    }
}

#[tokio::test]
async fn a_list_that_shows_nothing_missed_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal
        .append(batch(vec![entry(5, "a", false)], Some(5)))
        .await
        .unwrap();
    journal
        .append(lost(Duration::from_secs(60), 5, false))
        .await
        .unwrap();
    assert_eq!(
        journal.reader().unwrap().gaps().unwrap().len(),
        1,
        "open while the list is read"
    );
    let end = journal
        .append(batch(
            vec![entry(5, "a", false), entry(9, "b", false)],
            Some(9),
        ))
        .await
        .unwrap();
    assert_eq!((end.known, end.stored, end.gap), (1, 1, None));
    assert!(journal.reader().unwrap().gaps().unwrap().is_empty());
}

#[tokio::test]
async fn where_nothing_was_seen_before_events_are_missing_that_were_as_old_as_they_get() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let unknown = |ago| {
        let last = Resume {
            resource_version: String::new(),
            at: SystemTime::now() - ago,
        };
        Batch {
            lost: Some(Lost {
                last,
                reason: "the journal is new".to_owned(),
                set_back: false,
            }),
            ..batch(vec![], None)
        }
    };
    journal
        .append(unknown(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(
        journal
            .append(batch(vec![entry(5, "a", false)], Some(5)))
            .await
            .unwrap()
            .gap,
        None,
        "the list had all that was ever there"
    );
    journal
        .append(unknown(Duration::from_secs(2 * 3600)))
        .await
        .unwrap();
    let gap = journal
        .append(batch(vec![entry(9, "b", false)], Some(9)))
        .await
        .unwrap()
        .gap
        .unwrap();
    let since = SystemTime::now()
        .duration_since(gap.since.unwrap())
        .unwrap();
    assert!(since >= Duration::from_secs(3 * 3600), "{since:?} ago");
}

#[tokio::test]
async fn an_update_of_something_missed_is_a_gap_even_when_the_list_was_broken_off_by_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.append(batch(vec![], Some(5))).await.unwrap();
    journal
        .append(lost(Duration::from_secs(60), 5, false))
        .await
        .unwrap();
    journal
        .append(batch(vec![entry(8, "twice", true)], None))
        .await
        .unwrap();
    journal.close().await.unwrap();
    let journal = open(folder.path());
    // The watch begins at the old checkpoint again, and loses sight again; now everything in the
    // list is known.
    assert_eq!(
        journal
            .checkpoint("*")
            .await
            .unwrap()
            .unwrap()
            .resource_version,
        "5"
    );
    journal
        .append(lost(Duration::from_secs(30), 5, false))
        .await
        .unwrap();
    let gap = journal
        .append(batch(vec![entry(8, "twice", true)], Some(9)))
        .await
        .unwrap()
        .gap
        .unwrap();
    assert_eq!(
        (
            gap.since_version.as_deref(),
            gap.until_version.as_deref(),
            gap.certain
        ),
        (Some("5"), Some("9"), false)
    );
    assert!(
        gap.since.unwrap() < SystemTime::now() - Duration::from_secs(50),
        "it began when sight was first lost"
    );
    assert_eq!(journal.stats().gaps(), 1);
    let after = journal
        .append(batch(vec![entry(10, "later", true)], Some(10)))
        .await
        .unwrap();
    assert_eq!(after.gap, None, "a gap that has ended stays ended");
}

#[tokio::test]
async fn after_a_set_back_the_same_events_are_known_and_others_of_the_same_version_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal
        .append(batch(
            vec![
                entry(5, "a", false),
                entry(6, "b", false),
                entry(7, "c", false),
            ],
            Some(7),
        ))
        .await
        .unwrap();
    journal
        .append(lost(Duration::from_secs(1), 7, true))
        .await
        .unwrap();
    assert_eq!(
        journal.checkpoint("*").await.unwrap(),
        None,
        "a start in between has to list"
    );
    let end = journal
        .append(batch(
            vec![entry(5, "a", false), entry(6, "other", false)],
            Some(6),
        ))
        .await
        .unwrap();
    assert_eq!((end.known, end.stored), (1, 1));
    let gap = end.gap.unwrap();
    assert_eq!(
        (gap.since_version.as_deref(), gap.until_version.as_deref()),
        (Some("7"), Some("6"))
    );
    let again = journal
        .append(batch(
            vec![entry(5, "a", false), entry(6, "other", false)],
            Some(6),
        ))
        .await
        .unwrap();
    assert_eq!((again.known, again.stored), (2, 0));
}

#[tokio::test]
async fn after_a_set_back_new_events_cost_about_as_much_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(&Options {
        durable: false,
        ..Options::new(folder.path())
    })
    .unwrap();
    let take = async |versions: std::ops::Range<u64>| {
        let end = versions.end;
        let entries = versions.map(|version| entry(version, "x", false)).collect();
        let began = std::time::Instant::now();
        let appended = journal.append(batch(entries, Some(end))).await.unwrap();
        (appended.stored, began.elapsed())
    };
    assert_eq!(take(0..20_000).await.0, 20_000);
    let (_, before) = take(20_000..22_000).await;
    journal
        .append(lost(Duration::from_secs(1), 22_000, true))
        .await
        .unwrap();
    let (stored, after) = take(30_000..32_000).await;
    assert_eq!(stored, 2_000);
    assert!(
        after < before * 20,
        "2000 events took {before:?} before, and {after:?} after the storage was set back"
    );
}

#[tokio::test]
async fn a_sink_that_was_parked_for_too_long_has_a_gap_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        retain: Duration::ZERO,
        ..Options::new(folder.path())
    };
    let journal = Journal::open(&options).unwrap();
    for sink in ["kept", "parked"] {
        journal.register(sink, Start::Oldest).await.unwrap();
    }
    journal.close().await.unwrap();
    let journal = Journal::open(&options).unwrap();
    journal
        .configure(&["kept".to_owned()], Start::Oldest)
        .await
        .unwrap();
    journal
        .append(batch(
            (1..=9).map(|version| entry(version, "x", false)).collect(),
            Some(9),
        ))
        .await
        .unwrap();
    journal
        .acknowledge("kept", 9, vec![], kubedl_events::journal::Haste::Now)
        .await
        .unwrap();
    let reader = journal.reader().unwrap();
    // The writer cleans when nothing else is to do.
    while !reader.read(0, 1, 1).unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        journal
            .register("parked", Start::Oldest)
            .await
            .unwrap()
            .position,
        9
    );
    let gaps = Reader::open(folder.path()).unwrap().gaps().unwrap();
    assert_eq!(
        (gaps.len(), gaps[0].sink.as_deref(), gaps[0].certain),
        (1, Some("parked"), true)
    );
}
