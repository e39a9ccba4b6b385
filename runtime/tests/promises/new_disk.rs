//! A disk is lost, as an emptyDir goes with its Pod: does each sink get what it has not had, and is
//! the rest a gap?

use testkit::hook::Hook;

use super::world::{PATIENCE, World, expect, messages, nobody, to_hook, wait};

#[tokio::test]
async fn a_sink_that_had_stored_nothing_gets_all_that_is_left_and_the_other_nothing_twice() {
    for elect in [false, true] {
        let world = World::new(&["t"], &[]).await;
        let (quick, late) = (Hook::start().unwrap(), nobody());
        let start = || {
            let start = to_hook(
                world.start("log"),
                world.folder.path(),
                "quick",
                &quick.url(),
            );
            let start = to_hook(
                start,
                world.folder.path(),
                "late",
                &format!("http://localhost:{}", late.port()),
            );
            if elect {
                start.flag("--leader-elect")
            } else {
                start
            }
        };
        for n in 0..10 {
            world
                .event("t", &format!("before-{n}"), &format!("before-{n}"))
                .await;
        }
        let mut program = start().start().unwrap();
        wait(&mut program, "The list is read.");
        for n in 0..40 {
            world.event("t", &format!("e-{n}"), &format!("e-{n}")).await;
        }
        expect(&quick, &["e-39"]);
        // The stop writes down what is delivered.
        assert!(program.terminate().unwrap().success());
        world.lose_disk();
        let late = Hook::start_at(late).unwrap();
        let mut program = start().start().unwrap();
        wait(&mut program, "Watching events.");
        world.event("t", "last", "last").await;
        let got = messages(
            &late
                .wait(PATIENCE, |posted| posted.len() >= 51)
                .unwrap_or_else(|posted| panic!("{:?}", messages(&posted))),
        );
        assert_eq!(got.len(), 51, "each once: {got:?}");
        let got = expect(&quick, &["last"]);
        assert_eq!(got.len(), 51, "nothing twice, elected {elect}: {got:?}");
        assert_eq!(
            world.gaps(),
            [],
            "all were there, and none had been updated"
        );
        let (code, said) = world.audit();
        assert_eq!(code, 0, "{said}");
        assert!(program.terminate().unwrap().success());
    }
}

#[tokio::test]
async fn two_sinks_that_had_come_to_different_places_each_go_on_at_their_own() {
    let world = World::new(&["t"], &[]).await;
    let (quick, slow) = (Hook::start().unwrap(), nobody());
    let start = || {
        let start = to_hook(
            world.start("log"),
            world.folder.path(),
            "quick",
            &quick.url(),
        );
        to_hook(
            start,
            world.folder.path(),
            "slow",
            &format!("http://localhost:{}", slow.port()),
        )
    };
    let first = Hook::start_at(slow).unwrap();
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "both", "both").await;
    expect(&first, &["both"]);
    expect(&quick, &["both"]);
    assert!(program.terminate().unwrap().success());
    assert!(
        world
            .get("/apis/coordination.k8s.io/v1/namespaces/default/leases/kubedl-events")
            .await
            .to_string()
            .contains("delivered-seen")
    );
    world.lose_disk();
    let program = start().start().unwrap();
    world.event("t", "after", "after").await;
    assert_eq!(expect(&quick, &["after"]), ["both", "after"]);
    assert_eq!(expect(&first, &["after"]), ["both", "after"]);
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn what_expired_while_the_destination_was_down_is_a_gap_even_with_a_lease_renewed_a_moment_ago()
 {
    let world = World::new(&["t"], &["--event-ttl", "15s"]).await;
    let hook = nobody();
    let start = || {
        to_hook(
            world.start("log").with("--event-ttl", "15s"),
            world.folder.path(),
            "hook",
            &format!("http://localhost:{}", hook.port()),
        )
    };
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_up = up.clone();
    let status = move |_: &[u8]| {
        if is_up.load(std::sync::atomic::Ordering::Relaxed) {
            202
        } else {
            503
        }
    };
    let hook = Hook::answering(hook, status).unwrap();
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "stored", "stored").await;
    expect(&hook, &["stored"]);
    up.store(false, std::sync::atomic::Ordering::Relaxed);
    for n in 0..5 {
        world.event("t", &format!("lost-{n}"), "lost").await;
    }
    // The API server forgets them; the Lease is renewed all the time.
    let until = std::time::Instant::now() + PATIENCE;
    while world.get("/api/v1/namespaces/t/events").await["items"]
        .as_array()
        .is_some_and(|items| !items.is_empty())
    {
        assert!(std::time::Instant::now() < until);
        std::thread::park_timeout(std::time::Duration::from_millis(500));
    }
    world.server.compact().unwrap();
    program.kill().unwrap();
    world.lose_disk();
    up.store(true, std::sync::atomic::Ordering::Relaxed);
    let program = start().start().unwrap();
    world.event("t", "after", "after").await;
    expect(&hook, &["after"]);
    assert_eq!(world.gaps().len(), 1, "five events are nowhere");
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn stale_entries_of_an_annotation_that_is_full_cost_nobody_the_lead() {
    let world = World::new(&["t"], &[]).await;
    let scopes: std::collections::BTreeMap<String, &str> = (0..60)
        .map(|n| (format!("namespace-{n}"), "123456789"))
        .collect();
    let mut stale: std::collections::BTreeMap<String, _> = (0..300)
        .map(|n| (format!("old-sink-{n:03}"), &scopes))
        .collect();
    while serde_json::to_string(&stale).unwrap().len() > (256 << 10) - 100 {
        stale.pop_last();
    }
    let annotations =
        serde_json::json!({"events.kubedl.io/delivered": serde_json::to_string(&stale).unwrap()});
    let lease = serde_json::json!({"metadata": {"name": "kubedl-events", "annotations": annotations}, "spec": {"holderIdentity": "", "leaseDurationSeconds": 1}});
    world
        .post(
            "/apis/coordination.k8s.io/v1/namespaces/default/leases",
            lease,
        )
        .await;
    let hook = Hook::start().unwrap();
    let mut program = to_hook(
        world.start("log").flag("--leader-elect"),
        world.folder.path(),
        "hook",
        &hook.url(),
    )
    .start()
    .unwrap();
    wait(&mut program, "The list is read.");
    world.event("t", "a", "a").await;
    expect(&hook, &["a"]);
    assert!(
        program
            .log()
            .unwrap()
            .contains("Leading: this replica delivers.")
    );
    assert!(program.terminate().unwrap().success());
    let lease = world
        .get("/apis/coordination.k8s.io/v1/namespaces/default/leases/kubedl-events")
        .await;
    let delivered = lease["metadata"]["annotations"]["events.kubedl.io/delivered"]
        .as_str()
        .unwrap();
    assert!(
        delivered.contains("hook") && !delivered.contains("old-sink"),
        "{delivered}"
    );
}
