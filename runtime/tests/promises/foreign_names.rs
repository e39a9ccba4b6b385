//! Does what anybody may write into an object's name, or into an owner's, hold up nothing?

use std::time::Duration;

use serde_json::json;
use testkit::fake_api::{FakeApi, Reply};
use testkit::hook::Hook;
use testkit::program::Start;

use super::world::{PATIENCE, PROGRAM, World, expect, messages, to_hook, wait};

#[tokio::test]
async fn a_name_that_no_object_can_have_holds_up_no_event_of_others() {
    let world = World::new(&["team", "evil"], &[]).await;
    let hook = Hook::start().unwrap();
    let start = || to_hook(world.start("log"), world.folder.path(), "hook", &hook.url());
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    let pod = json!({"containers": [{"name": "c", "image": "x"}]});
    let replica_set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a b", "uid": "88888888-1111-1111-1111-111111111111"});
    let uid = world
        .controlled("/api/v1/namespaces/evil/pods", "p", replica_set, pod)
        .await;
    let about = |kind: &str, name: &str, uid: &str| json!({"apiVersion": if kind == "ReplicaSet" { "apps/v1" } else { "v1" }, "kind": kind, "namespace": "evil", "name": name, "uid": uid});
    let odd = [
        "a b",
        "",
        "../pods/x",
        "ü",
        "%2e%2e",
        "x?watch=1",
        "-x",
        "x\ny",
        &"x".repeat(300),
    ];
    for (number, name) in odd.iter().enumerate() {
        for kind in ["Pod", "Service", "ReplicaSet"] {
            let object = about(kind, name, "99999999-1111-1111-1111-111111111111");
            world
                .event_about(
                    "evil",
                    &format!("odd-{number}-{}", kind.to_lowercase()),
                    "odd",
                    object,
                )
                .await;
        }
    }
    world
        .event_about("evil", "of-the-pod", "of the pod", about("Pod", "p", &uid))
        .await;
    world.event("team", "after", "after").await;
    expect(&hook, &["after", "of the pod"]);
    assert!(program.terminate().unwrap().success());
    let program = start().start().unwrap();
    world.event("team", "later", "later").await;
    let got = expect(&hook, &["later"]);
    assert_eq!(
        got.iter().filter(|message| *message == "odd").count(),
        odd.len() * 3,
        "what can't be decided is kept"
    );
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_chain_that_is_cut_above_the_pod_keeps_its_events() {
    let world = World::new(&["t"], &[]).await;
    let hook = Hook::start().unwrap();
    let spec = json!({"containers": [{"name": "c", "image": "x"}]});
    let template = json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}});
    let inference = json!({"apiVersion": "serving.kubedl.io/v1alpha1", "kind": "Inference", "name": "inf", "uid": "77777777-1111-1111-1111-111111111111"});
    let deployment = world
        .controlled(
            "/apis/apps/v1/namespaces/t/deployments",
            "dep",
            inference,
            template.clone(),
        )
        .await;
    let owner =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "dep", "uid": deployment});
    let replica_set = world
        .controlled(
            "/apis/apps/v1/namespaces/t/replicasets",
            "rs",
            owner,
            template,
        )
        .await;
    let owner =
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": replica_set});
    let pod = world
        .controlled("/api/v1/namespaces/t/pods", "p1", owner, spec)
        .await;
    let about =
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "t", "name": "p1", "uid": pod});
    let start = || to_hook(world.start("log"), world.folder.path(), "hook", &hook.url());
    let mut program = start().start().unwrap();
    wait(&mut program, "The list is read.");
    // One that names the ReplicaSet's uid in another place must not be taken for an answer about
    // it.
    let sloppy = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "t", "name": "nobody", "uid": replica_set});
    world.event_about("t", "sloppy", "sloppy", sloppy).await;
    world
        .event_about("t", "started", "started", about.clone())
        .await;
    expect(&hook, &["started", "sloppy"]);
    assert!(program.terminate().unwrap().success());
    world
        .delete("/apis/apps/v1/namespaces/t/deployments/dep")
        .await;
    world
        .delete("/apis/apps/v1/namespaces/t/replicasets/rs")
        .await;
    let program = start().start().unwrap();
    world.event_about("t", "killing", "killing", about).await;
    expect(&hook, &["killing"]);
    assert!(program.terminate().unwrap().success());
}

/// An event of core/v1 as an API server has it.
fn event(number: u64, namespace: &str, kind: (&str, &str), name: &str) -> String {
    json!({
        "metadata": {"name": format!("e{number}"), "namespace": namespace, "uid": format!("00000000-0000-4000-8000-{number:012x}"), "resourceVersion": number.to_string(),
            "creationTimestamp": "2026-03-01T10:00:00Z"},
        "involvedObject": {"apiVersion": kind.0, "kind": kind.1, "namespace": namespace, "name": name, "uid": format!("10000000-0000-4000-8000-{number:012x}")},
        "reason": "R", "message": name, "type": "Normal", "count": 1, "firstTimestamp": "2026-03-01T10:00:00Z", "lastTimestamp": "2026-03-01T10:00:00Z",
    })
    .to_string()
}

#[test]
fn events_of_pods_that_are_gone_cost_no_question() {
    let events: Vec<String> = (1..=3_000)
        .map(|number| event(number, "t", ("v1", "Pod"), &format!("gone-{number}")))
        .collect();
    let api = FakeApi::start(move |asked| {
        let is_list = asked.is_about("events") && !asked.is_watch();
        // As of later than all of them.
        (is_list || asked.is_about("pods") && !asked.path.contains("watch="))
            .then(|| Reply::list(5_000, if is_list { &events } else { &[] }))
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = to_hook(start, folder.path(), "hook", &hook.url())
        .with("--objects", "all")
        .start()
        .unwrap();
    hook.wait(PATIENCE, |posted| posted.len() >= 3_000)
        .unwrap_or_else(|posted| panic!("{} of 3000", posted.len()));
    let single: Vec<String> = api
        .asked()
        .into_iter()
        .map(|asked| asked.path)
        .filter(|path| path.contains("/pods/"))
        .collect();
    assert_eq!(single, Vec::<String>::new());
    assert!(program.terminate().unwrap().success());
}

#[test]
fn a_question_that_is_never_answered_holds_up_neither_the_rest_nor_its_own_event_for_long() {
    let events = [
        event(1, "t", ("apps/v1", "ReplicaSet"), "silent"),
        event(
            2,
            "t",
            ("training.kubedl.io/v1alpha1", "PyTorchJob"),
            "quick",
        ),
    ];
    let api = FakeApi::start(move |asked| {
        if asked.path.contains("/replicasets/") {
            return Some(Reply::Silence);
        }
        (asked.is_about("events") && !asked.is_watch()).then(|| Reply::list(5, &events))
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hook = Hook::start().unwrap();
    let start = Start::new(std::path::Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", api.kubeconfig(folder.path()).unwrap());
    let program = to_hook(start, folder.path(), "hook", &hook.url())
        .start()
        .unwrap();
    let got = hook
        .wait(PATIENCE, |posted| posted.len() >= 2)
        .unwrap_or_else(|posted| panic!("{:?}", messages(&posted)));
    assert_eq!(messages(&got), ["quick", "silent"]);
    assert!(super::world::time_to_end(program) < Duration::from_secs(22));
}
