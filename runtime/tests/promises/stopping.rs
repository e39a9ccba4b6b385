//! Does it end within `--grace` and two seconds, whatever it is doing?

use std::time::Duration;

use testkit::fake_api::{FakeApi, Reply};
use testkit::hook::Hook;
use testkit::program::Start;

use super::world::{PATIENCE, PROGRAM, World, expect, nobody, time_to_end, to_hook, wait};

const GRACE: Duration = Duration::from_secs(1);
/// Two seconds, and what a loaded machine takes to end a process.
const BOUND: Duration = Duration::from_secs(2 + 2);

#[tokio::test]
async fn while_an_acknowledgement_is_refused() {
    let world = World::new(&["t"], &[]).await;
    let hook = Hook::answering(nobody(), |body| {
        if String::from_utf8_lossy(body).contains("bad") {
            400
        } else {
            202
        }
    })
    .unwrap();
    let start = || {
        to_hook(
            world.start("log").with("--grace", "1s"),
            world.folder.path(),
            "hook",
            &hook.url(),
        )
    };
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "good", "good").await;
    expect(&hook, &["good"]);
    assert!(program.terminate().unwrap().success());
    let connection = rusqlite::Connection::open(world.data().join("journal.sqlite")).unwrap();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                INSERT INTO dead_letters (sink, position, reason, attempts, died_at, observed_at, raw) SELECT 'hook', 1, 'r', 1, 1, 1, '{}' FROM n";
    connection.execute_batch(fill).unwrap();
    drop(connection);
    let mut program = start().start().unwrap();
    world.event("t", "bad", "bad").await;
    wait(&mut program, "Cannot note in the journal what is stored");
    std::thread::park_timeout(Duration::from_secs(5));
    let said = program
        .log()
        .unwrap()
        .matches("Cannot note in the journal")
        .count();
    assert!(said <= 2, "{said} lines");
    let took = time_to_end(program);
    assert!(took < GRACE + BOUND, "{took:?}");
}

#[test]
fn while_the_api_server_is_silent() {
    let api = FakeApi::start(|_| Some(Reply::Silence)).unwrap();
    for elect in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
            .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
        let start = start
            .with("--event-storage", "stdout")
            .with("--grace", "1s")
            .with("--lease-namespace", "n");
        let mut program = if elect {
            start.flag("--leader-elect")
        } else {
            start
        }
        .start()
        .unwrap();
        wait(&mut program, "Sink is ready to open");
        std::thread::park_timeout(Duration::from_secs(1));
        let took = time_to_end(program);
        assert!(took < GRACE + BOUND, "{took:?}, elected {elect}");
    }
}

#[test]
fn while_a_look_up_hangs() {
    let object = r#"{"apiVersion":"apps/v1","kind":"ReplicaSet","namespace":"t","name":"silent","uid":"10000000-0000-4000-8000-000000000001"}"#;
    let event = format!(
        r#"{{"metadata":{{"name":"e","namespace":"t","uid":"00000000-0000-4000-8000-000000000001","resourceVersion":"1","creationTimestamp":"2026-03-01T10:00:00Z"}},"involvedObject":{object}}}"#
    );
    let api = FakeApi::start(move |asked| {
        if asked.path.contains("/replicasets/") {
            return Some(Reply::Silence);
        }
        (asked.is_about("events") && !asked.is_watch())
            .then(|| Reply::list(5, std::slice::from_ref(&event)))
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = start
        .with("--event-storage", "stdout")
        .with("--grace", "1s")
        .start()
        .unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while !api
        .asked()
        .iter()
        .any(|asked| asked.path.contains("/replicasets/"))
    {
        assert!(std::time::Instant::now() < until);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let took = time_to_end(program);
    assert!(took < GRACE + BOUND, "{took:?}");
}

#[tokio::test]
async fn while_a_damaged_journal_is_saved_and_no_row_is_lost_by_it() {
    const ROWS: u64 = 40_000;
    let api = FakeApi::start(|_| None).unwrap();
    let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let data = folder.path().join("data");
    let lost = super::salvage::damaged(&data, ROWS).await;
    let nobody = format!("http://localhost:{}", nobody().port());
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = to_hook(start, folder.path(), "a", &nobody)
        .with("--grace", "1s")
        .with("--retain", "1000000h")
        .start()
        .unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    let is_building =
        || std::fs::metadata(data.join("journal.sqlite.salvage")).is_ok_and(|file| file.len() > 0);
    while !is_building() && std::fs::metadata(data.join("journal.sqlite.salvaged")).is_err() {
        let is_done = std::fs::read_dir(&data).unwrap().any(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .contains("damaged-")
        });
        assert!(
            !is_done,
            "it was saved before it could be looked at: more rows are needed"
        );
        assert!(std::time::Instant::now() < until);
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let took = time_to_end(program);
    assert!(took < GRACE + BOUND, "{took:?}");
    let options = kubedl_events::journal::Options {
        retain: Duration::MAX,
        ..kubedl_events::journal::Options::new(&data)
    };
    let journal = kubedl_events::journal::Journal::open(&options).unwrap();
    let rows = u64::try_from(super::salvage::read_all(&journal).await.unwrap()).unwrap();
    assert!(rows + lost >= ROWS, "{rows} of {ROWS}");
}

#[tokio::test]
async fn while_the_disk_is_full() {
    let world = World::new(&["t"], &[]).await;
    let Ok(disk) = testkit::small_disk::SmallDisk::mount(&world.data(), 24 << 20) else {
        return println!("a small disk can't be mounted here, so this is not tried");
    };
    let hook = Hook::start().unwrap();
    let start = || {
        to_hook(
            world.start("log").with("--grace", "1s"),
            world.folder.path(),
            "hook",
            &hook.url(),
        )
    };
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    disk.fill().unwrap();
    for n in 0..200 {
        world
            .event(
                "t",
                &format!("e-{n}"),
                &format!("{n} {}", "x".repeat(20_000)),
            )
            .await;
    }
    wait(&mut program, "Cannot store events, and the watch waits");
    let took = time_to_end(program);
    assert!(took < GRACE + BOUND, "{took:?}");
    disk.free().unwrap();
    let program = start().start().unwrap();
    let all = hook.wait(PATIENCE, |posted| {
        posted
            .iter()
            .map(|(_, body)| body.clone())
            .collect::<std::collections::HashSet<_>>()
            .len()
            >= 200
    });
    assert!(all.is_ok(), "{} of 200", all.unwrap_err().len());
    assert!(program.terminate().unwrap().success());
}

#[test]
fn while_a_sink_compiles() {
    let api = FakeApi::start(|_| None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = start
        .with("--event-storage", "webhook")
        .env("WEBHOOK_URL", "http://localhost:1")
        .with("--grace", "1s")
        .start()
        .unwrap();
    std::thread::park_timeout(Duration::from_millis(300));
    let took = time_to_end(program);
    assert!(took < GRACE + BOUND, "{took:?}");
}
