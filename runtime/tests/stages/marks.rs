//! Can one journal say what is delivered, and another go on from there?

// Long: one question, with all of its cases.

use std::path::Path;
use std::time::SystemTime;

use kubedl_events::cluster::{Lost, Resume};
use kubedl_events::journal::{Batch, Entry, Haste, Journal, Kept, Options, Start, Through, covers};

fn open(directory: &Path) -> Journal {
    Journal::open(&Options {
        durable: false,
        ..Options::new(directory)
    })
    .unwrap()
}

fn batch(scope: &str, versions: &[&str], checkpoint: Option<&str>) -> Batch {
    let entry = |version: &&str| {
        let raw = format!("{{\"metadata\":{{\"resourceVersion\":\"{version}\"}}}}");
        let kept = Some(Kept {
            observed_at: i64::MAX,
            job: None,
            labels: None,
            raw,
            repeats: false,
        });
        Entry {
            uid: format!("{scope}-{version}"),
            resource_version: (*version).to_owned(),
            rule: "all",
            kept,
        }
    };
    let entries = versions.iter().map(entry).collect();
    let checkpoint = checkpoint.map(|version| Resume {
        resource_version: version.to_owned(),
        at: std::time::SystemTime::now(),
    });
    Batch {
        scope: scope.to_owned(),
        entries,
        checkpoint,
        ..Batch::default()
    }
}

fn through(pairs: &[(&str, &str)]) -> Through {
    pairs
        .iter()
        .map(|(scope, version)| ((*scope).to_owned(), (*version).to_owned()))
        .collect()
}

async fn delivered(journal: &Journal) -> Through {
    journal
        .delivered("s")
        .await
        .unwrap()
        .into_iter()
        .map(|(scope, reached)| (scope, reached.resource_version))
        .collect()
}

async fn acknowledge(journal: &Journal, position: i64) {
    journal
        .acknowledge("s", position, vec![], Haste::Now)
        .await
        .unwrap();
}

#[test]
fn versions_compare_as_numbers_or_not_at_all() {
    for (through, version, wanted) in [
        ("10", "9", true),
        ("9", "10", false),
        ("10", "10", true),
        ("b", "a", false),
        ("a", "b", false),
        ("a", "a", true),
        ("10", "a", false),
    ] {
        assert_eq!(covers(through, version), wanted, "{through} {version}");
    }
}

#[tokio::test]
async fn what_is_delivered_is_told_by_scope_and_survives_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    assert_eq!(delivered(&journal).await, []);
    journal.register("s", Start::Oldest).await.unwrap();
    journal
        .append(batch("x", &["1", "2"], Some("2")))
        .await
        .unwrap();
    journal.append(batch("y", &[], Some("4"))).await.unwrap();
    // Nothing of y was ever there, so all of it is delivered; x is not.
    let none_of_x = delivered(&journal).await;
    assert!(
        none_of_x.is_empty() || none_of_x == through(&[("y", "4")]),
        "{none_of_x:?}"
    );
    acknowledge(&journal, 1).await;
    assert!(
        !delivered(&journal)
            .await
            .iter()
            .any(|(scope, _)| scope == "x"),
        "row 2 is pending"
    );
    acknowledge(&journal, 2).await;
    assert_eq!(
        delivered(&journal).await,
        through(&[("x", "2"), ("y", "4")])
    );
    // Events that the filter dropped move it, too; rows of y don't hold x back.
    journal.append(batch("x", &[], Some("9"))).await.unwrap();
    journal
        .append(batch("y", &["10"], Some("10")))
        .await
        .unwrap();
    let told = delivered(&journal).await;
    assert!(
        told.contains(&("x".to_owned(), "9".to_owned()))
            && !told.contains(&("y".to_owned(), "10".to_owned())),
        "{told:?}"
    );
    journal.close().await.unwrap();
    let journal = open(folder.path());
    assert_eq!(delivered(&journal).await, told);
    acknowledge(&journal, 3).await;
    assert_eq!(
        delivered(&journal).await,
        through(&[("x", "9"), ("y", "10")])
    );
}

#[tokio::test]
async fn a_list_counts_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    journal.append(batch("x", &["7", "3"], None)).await.unwrap();
    acknowledge(&journal, 2).await;
    assert_eq!(delivered(&journal).await, []);
    journal.append(batch("x", &["5"], Some("8"))).await.unwrap();
    assert_eq!(delivered(&journal).await, [], "5 is pending");
    acknowledge(&journal, 3).await;
    assert_eq!(delivered(&journal).await, through(&[("x", "8")]));
}

#[tokio::test]
async fn marks_are_thinned_but_the_newest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    for version in 1..=500 {
        let version = version.to_string();
        journal
            .append(batch("x", &[&version], Some(&version)))
            .await
            .unwrap();
    }
    acknowledge(&journal, 500).await;
    assert_eq!(delivered(&journal).await, through(&[("x", "500")]));
    journal.close().await.unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("journal.sqlite")).unwrap();
    let marks: i64 = connection
        .query_row("SELECT count(*) FROM marks", [], |row| row.get(0))
        .unwrap();
    assert!(marks < 100, "{marks} marks of 500 appends");
}

/// A destination that is refused in the middle of a second: what came before stays told, though
/// marks of that second become one and old ones go.
#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_still_keeps_its_mark() {
    fn one_second() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000)
    }
    for (before, tidies) in [(1, true), (1, false), (3, true), (3, false)] {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open_inline(&Options {
            durable: false,
            now: one_second,
            ..Options::new(folder.path())
        })
        .unwrap();
        journal.register("s", Start::Oldest).await.unwrap();
        for version in 1..=before {
            journal
                .append(batch(
                    "x",
                    &[&version.to_string()],
                    Some(&version.to_string()),
                ))
                .await
                .unwrap();
            acknowledge(&journal, version).await;
        }
        if tidies {
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
            journal.tidy();
        }
        for version in before + 1..before + 50 {
            journal
                .append(batch(
                    "x",
                    &[&version.to_string()],
                    Some(&version.to_string()),
                ))
                .await
                .unwrap();
            assert_ne!(
                delivered(&journal).await,
                [],
                "{before} delivered, then {version} came, and old marks went: {tidies}"
            );
        }
    }
}

#[tokio::test]
async fn another_journal_goes_on_where_the_first_one_stood() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    // A list, whose order is not that of versions, then a watch.
    journal
        .append(batch("x", &["7", "3", "5"], Some("8")))
        .await
        .unwrap();
    journal
        .append(batch("x", &["9", "10", "11"], Some("12")))
        .await
        .unwrap();
    let cases = [
        ("2", 0),
        ("6", 0),
        ("7", 3),
        ("8", 3),
        ("9", 4),
        ("10", 5),
        ("9", 5),
        ("1", 5),
        ("x", 5),
        ("12", 6),
        ("99", 6),
    ];
    for (version, wanted) in cases {
        assert_eq!(
            journal
                .deliver_through("s", through(&[("x", version)]))
                .await
                .unwrap(),
            wanted,
            "{version}"
        );
    }
    assert_eq!(
        journal.register("s", Start::Oldest).await.unwrap().position,
        6
    );
    assert_eq!(
        journal
            .deliver_through("nobody", through(&[("x", "99")]))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_scope_holds_the_cursor_back_only_by_rows_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    journal.append(batch("x", &["1"], Some("1"))).await.unwrap();
    journal.append(batch("y", &["2"], Some("2"))).await.unwrap();
    journal.append(batch("x", &["3"], Some("3"))).await.unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "3")]))
            .await
            .unwrap(),
        1,
        "nothing is known of y"
    );
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "3"), ("y", "1")]))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "3"), ("y", "2")]))
            .await
            .unwrap(),
        3
    );
    journal.append(batch("x", &["5"], Some("5"))).await.unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "5"), ("y", "2")]))
            .await
            .unwrap(),
        4,
        "y has no row after its own"
    );
}

#[tokio::test]
async fn versions_that_are_no_numbers_match_where_they_were_reached() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    journal
        .append(batch("x", &["a", "b"], Some("c")))
        .await
        .unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "z")]))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "c")]))
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
async fn a_long_way_is_gone_in_steps() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    let versions: Vec<String> = (1..=12_000).map(|version| version.to_string()).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    journal
        .append(batch("x", &versions, Some("12000")))
        .await
        .unwrap();
    let (mut position, mut steps) = (0, 0);
    while position < 11_000 {
        let next = journal
            .deliver_through("s", through(&[("x", "11000")]))
            .await
            .unwrap();
        assert!(next > position, "it stands still at {position}");
        (position, steps) = (next, steps + 1);
    }
    assert_eq!(position, 11_000);
    assert!(steps > 1, "so many rows at once hold up appends");
}

#[tokio::test]
async fn nothing_from_before_the_storage_was_set_back_covers_what_came_after() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    journal
        .append(batch("x", &["900"], Some("900")))
        .await
        .unwrap();
    acknowledge(&journal, 1).await;
    assert_eq!(delivered(&journal).await, through(&[("x", "900")]));
    let last = Resume {
        resource_version: "900".to_owned(),
        at: SystemTime::now(),
    };
    let lost = Some(Lost {
        last,
        reason: "a backup was restored".to_owned(),
        set_back: true,
    });
    journal
        .append(Batch {
            lost,
            ..batch("x", &[], None)
        })
        .await
        .unwrap();
    assert_eq!(
        delivered(&journal).await,
        through(&[("x", "")]),
        "other replicas have to forget it, too"
    );
    journal
        .append(batch("x", &["300"], Some("300")))
        .await
        .unwrap();
    for stale in ["900", "299", ""] {
        assert_eq!(
            journal
                .deliver_through("s", through(&[("x", stale)]))
                .await
                .unwrap(),
            1,
            "{stale:?}"
        );
    }
    assert_eq!(delivered(&journal).await, through(&[("x", "")]));
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "300")]))
            .await
            .unwrap(),
        2
    );
    assert_eq!(delivered(&journal).await, through(&[("x", "300")]));
}

#[tokio::test]
async fn only_what_this_journal_has_reached_can_be_told_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    journal.append(batch("x", &["3", "4"], None)).await.unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "9")]))
            .await
            .unwrap(),
        0,
        "its list is not whole"
    );
    journal.append(batch("x", &[], Some("8"))).await.unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "9")]))
            .await
            .unwrap(),
        0,
        "it is behind"
    );
    journal.append(batch("x", &[], Some("9"))).await.unwrap();
    assert_eq!(
        journal
            .deliver_through("s", through(&[("x", "9")]))
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
async fn within_one_second_not_more_than_some_thousand_rows_lie_between_what_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.register("s", Start::Oldest).await.unwrap();
    let versions: Vec<String> = (1..=20_000)
        .map(|version: u32| version.to_string())
        .collect();
    for part in versions.chunks(100) {
        let part: Vec<&str> = part.iter().map(String::as_str).collect();
        journal
            .append(batch("x", &part, part.last().copied()))
            .await
            .unwrap();
    }
    let mut unknown = Vec::new();
    for position in (500..=20_000).step_by(500) {
        acknowledge(&journal, position).await;
        let told = delivered(&journal)
            .await
            .first()
            .map_or(0, |(_, version)| version.parse::<i64>().unwrap());
        assert!(told <= position, "{told} is told of {position}");
        unknown.push(position - told);
    }
    assert!(unknown.iter().all(|rows| *rows <= 2_000), "{unknown:?}");
}
