//! Does the watch slow down where it fails, say so once, and know a deletion from a restored
//! backup?

use std::time::{Duration, Instant};

use testkit::fake_api::{Asked, FakeApi, Reply};
use testkit::hook::Hook;
use testkit::program::{Program, Start};

use super::world::{PATIENCE, PROGRAM, World, expect, to_hook, wait};

/// The program before an API server whose watches fail so.
fn begin(
    watch: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (FakeApi, tempfile::TempDir, Program) {
    let api = FakeApi::start(move |asked| asked.is_watch().then(|| watch(asked))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = start
        .with("--event-storage", "stdout")
        .with("--listen-address", "127.0.0.1:0")
        .start()
        .unwrap();
    (api, folder, program)
}

#[test]
fn a_watch_that_fails_again_and_again_is_tried_seldom_said_once_and_not_ready() {
    // Long: a table of cases.
    let error = r#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"etcdserver: leader changed","code":500}}"#;
    let nulls = r#"{"type":"ERROR","object":{"status":"Failure","message":null,"reason":null,"code":null}}"#;
    type Watch = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;
    let cases: Vec<(&str, Watch)> = vec![
        ("denied", Box::new(|_| Reply::refusal(403, "Forbidden"))),
        ("500", Box::new(|_| Reply::refusal(500, "InternalError"))),
        ("410", Box::new(|_| Reply::refusal(410, "Expired"))),
        (
            "ended at once",
            Box::new(|_| Reply::Lines(Vec::new(), Duration::ZERO)),
        ),
        (
            "no JSON",
            Box::new(|_| Reply::Lines(vec!["<html>Sign in</html>".to_owned()], Duration::ZERO)),
        ),
        (
            "an error line",
            Box::new(move |_| Reply::Lines(vec![error.to_owned()], Duration::ZERO)),
        ),
        (
            "nulls",
            Box::new(move |_| Reply::Lines(vec![nulls.to_owned()], Duration::ZERO)),
        ),
    ];
    // All at once, since each takes two minutes.
    let running: Vec<_> = cases
        .into_iter()
        .map(|(name, watch)| (name, begin(watch)))
        .collect();
    for (name, (api, _folder, mut program)) in running {
        wait(&mut program, "The list is read.");
        let began = api
            .asked()
            .iter()
            .find(|asked| asked.is_watch())
            .map_or_else(Instant::now, |asked| asked.at);
        while began.elapsed() < Duration::from_secs(121) {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let second = api
            .asked()
            .iter()
            .filter(|asked| asked.is_about("events"))
            .filter(|asked| (60..120).contains(&(asked.at - began).as_secs()))
            .count();
        assert!(
            second <= 30,
            "{name}: {second} requests in the second minute"
        );
        let address = program.telemetry(PATIENCE).unwrap();
        let (status, page) = testkit::scrape::get(address, "/readyz?verbose").unwrap();
        assert!(
            status == 503 && page.contains("[-]watch *"),
            "{name}: {status} {page}"
        );
        let log = program.log().unwrap();
        let said = log
            .lines()
            .filter(|line| line.contains("Cannot see events") || line.contains("no longer knows"))
            .count();
        assert!((1..=3).contains(&said), "{name}: {said} lines: {log}");
        assert!(!log.contains("answers again"), "{name}: {log}");
        assert!(program.terminate().unwrap().success());
    }
}

/// Events of the namespace `t`, deleted by hand once the sink has them.
async fn see_and_delete(world: &World, hook: &Hook, program: &mut Program) {
    wait(program, "The list is read.");
    for n in 0..5 {
        world.event("t", &format!("e-{n}"), &format!("e-{n}")).await;
    }
    expect(hook, &["e-4"]);
    world.delete("/api/v1/namespaces/t/events").await;
}

#[tokio::test]
async fn events_deleted_by_hand_are_no_restored_backup() {
    let (world, hook) = (World::new(&["t"], &[]).await, Hook::start().unwrap());
    let start = || to_hook(world.start("log"), world.folder.path(), "hook", &hook.url());
    let mut program = start().start().unwrap();
    see_and_delete(&world, &hook, &mut program).await;
    // Beyond the deletions, so that the watch has seen them.
    world.event("default", "beyond", "beyond").await;
    expect(&hook, &["beyond"]);
    world
        .delete("/api/v1/namespaces/default/events/beyond")
        .await;
    world.event("t", "newer", "newer").await;
    expect(&hook, &["newer"]);
    world.server.compact().unwrap();
    world.server.cut_connections().unwrap();
    world.event("t", "after", "after").await;
    expect(&hook, &["after"]);
    assert!(program.terminate().unwrap().success());
    assert!(
        world
            .gaps()
            .iter()
            .all(|gap| !gap.reason.contains("set back")),
        "{:?}",
        world.gaps()
    );
}

#[tokio::test]
async fn that_events_were_deleted_by_hand_is_known_after_a_restart_too() {
    let (world, hook) = (World::new(&["t"], &[]).await, Hook::start().unwrap());
    let start = || to_hook(world.start("log"), world.folder.path(), "hook", &hook.url());
    let mut program = start().start().unwrap();
    see_and_delete(&world, &hook, &mut program).await;
    let deleted = world.get("/api/v1/namespaces/t/events").await["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse::<u64>()
        .unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    let reached = || {
        kubedl_events::journal::Reader::open(&world.data())
            .unwrap()
            .checkpoint("*")
            .unwrap()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    while reached() < deleted {
        assert!(std::time::Instant::now() < until);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert!(program.terminate().unwrap().success());
    world
        .post(
            "/api/v1/namespaces/t/configmaps",
            serde_json::json!({"metadata": {"name": "x"}}),
        )
        .await;
    world.server.compact().unwrap();
    let program = start().start().unwrap();
    world.event("t", "last", "last").await;
    expect(&hook, &["last"]);
    assert!(program.terminate().unwrap().success());
    assert!(
        world
            .gaps()
            .iter()
            .all(|gap| !gap.reason.contains("set back")),
        "{:?}",
        world.gaps()
    );
}

#[tokio::test]
async fn an_event_ttl_that_is_shorter_than_the_api_servers_stores_nothing_twice() {
    let world = World::new(&["t"], &[]).await;
    let hook = Hook::start().unwrap();
    let start = || {
        to_hook(
            world.start("log").with("--event-ttl", "1s"),
            world.folder.path(),
            "hook",
            &hook.url(),
        )
    };
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    for n in 0..10 {
        world.event("t", &format!("e-{n}"), &format!("e-{n}")).await;
    }
    expect(&hook, &["e-9"]);
    // Older than four times the flag, and time for a clean-up.
    std::thread::park_timeout(Duration::from_secs(16));
    assert!(program.terminate().unwrap().success());
    world
        .post(
            "/api/v1/namespaces/t/configmaps",
            serde_json::json!({"metadata": {"name": "x"}}),
        )
        .await;
    world.server.compact().unwrap();
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "after", "after").await;
    assert_eq!(expect(&hook, &["after"]).len(), 11);
    assert!(program.terminate().unwrap().success());
}
