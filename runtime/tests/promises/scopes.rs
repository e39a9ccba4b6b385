//! Does one scope that is refused neither hide nor stop the others?

use std::time::Duration;

use serde_json::json;
use testkit::apiserver::kubeconfig_of;
use testkit::fake_api::{FakeApi, Reply};
use testkit::hook::Hook;
use testkit::program::Start;

use super::world::{PROGRAM, World, expect, to_hook, wait};

async fn permit(world: &World, namespace: &str, resources: &[&str]) {
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
    let rules =
        json!([{"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]}]);
    world
        .post(
            &format!("{path}/roles"),
            json!({"metadata": {"name": "r"}, "rules": rules}),
        )
        .await;
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "svc"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
    world
        .post(
            &format!("{path}/rolebindings"),
            json!({"metadata": {"name": "r"}, "roleRef": role, "subjects": [subject]}),
        )
        .await;
}

#[tokio::test]
async fn a_namespace_whose_events_are_refused_is_named_and_never_silently_left_out() {
    let world = World::new(&["a", "b"], &["--extra-tokens", "tok,svc,grp"]).await;
    permit(&world, "a", &["events", "pods"]).await;
    let kubeconfig =
        kubeconfig_of("tok", &world.server, world.folder.path().join("kubeconfig")).unwrap();
    let hook = Hook::start().unwrap();
    let start = || {
        let start = world
            .start_with("log", &kubeconfig)
            .with("--namespace", "b")
            .with("--namespace", "a");
        to_hook(start, world.folder.path(), "hook", &hook.url())
    };
    world.event("b", "y", "of b").await;
    // Whichever answer comes first, and however often it is started.
    for round in 0..3 {
        let mut program = start().start().unwrap();
        wait(&mut program, "not permitted to list events in namespace b");
        world
            .event("a", &format!("x{round}"), &format!("of a, {round}"))
            .await;
        expect(&hook, &[&format!("of a, {round}")]);
        assert!(program.terminate().unwrap().success());
    }
    let program = start().start().unwrap();
    permit(&world, "b", &["events", "pods"]).await;
    expect(&hook, &["of b"]);
    assert!(program.terminate().unwrap().success());
    // Where nothing is permitted at all, nothing is waited for.
    world
        .delete("/apis/rbac.authorization.k8s.io/v1/namespaces/b/rolebindings/r")
        .await;
    world
        .delete("/apis/rbac.authorization.k8s.io/v1/namespaces/a/rolebindings/r")
        .await;
    let (status, _, log) = start().run().unwrap();
    assert!(
        status.code() == Some(1) && log.contains("not permitted to list"),
        "{log}"
    );
}

#[test]
fn a_scope_that_is_refused_beside_one_that_is_served_is_said_shown_and_tried_again() {
    let began = std::time::Instant::now();
    let api = FakeApi::start(move |asked| {
        let of_b = asked.path.contains("/namespaces/b/events");
        // Refused for as long as the other one needs to be served, and some time more.
        (of_b && began.elapsed() < Duration::from_secs(12)).then(|| {
            std::thread::sleep(Duration::from_secs(3));
            Reply::refusal(403, "Forbidden")
        })
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let start = start
        .with("--namespace", "a")
        .with("--namespace", "b")
        .with("--event-storage", "stdout")
        .with("--listen-address", "127.0.0.1:0");
    let mut program = start.start().unwrap();
    wait(&mut program, "not permitted to list events in namespace b");
    let address = program.telemetry(super::world::PATIENCE).unwrap();
    let (status, page) = testkit::scrape::get(address, "/readyz?verbose").unwrap();
    assert!(
        status == 503 && page.contains("[-]watch b failed") && page.contains("[+]watch a ok"),
        "{status} {page}"
    );
    // The right is there.
    let mut lists = 0;
    let until = std::time::Instant::now() + super::world::PATIENCE;
    while lists < 1 {
        lists = program
            .log()
            .unwrap()
            .lines()
            .filter(|line| line.contains("The list is read.") && line.contains("namespace b"))
            .count();
        assert!(
            std::time::Instant::now() < until,
            "{}",
            program.log().unwrap()
        );
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(program.terminate().unwrap().success());
}
