//! Does it say what to do when the API server refuses, or is not there?

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use testkit::apiserver::{ApiServer, client, kubeconfig_of};
use testkit::program::Start;

use crate::PROGRAM;

fn run(folder: &Path, kubeconfig: &Path, more: &[&str]) -> (i32, String) {
    let mut start = Start::new(Path::new(PROGRAM), folder, "log")
        .with("--event-storage", "stdout")
        .with("--kubeconfig", kubeconfig);
    for flag in more {
        start = start.flag(flag);
    }
    let (status, _, log) = start.run().unwrap();
    (status.code().unwrap(), log)
}

#[test]
fn a_missing_right_is_named_with_the_role_that_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(
        &folder.path().join("cluster"),
        &["--extra-tokens", "nobody,nobody,nobodies"],
    )
    .unwrap();
    let (code, log) = run(
        folder.path(),
        &kubeconfig_of("nobody", &server, folder.path().join("nobody")).unwrap(),
        &["--objects", "all"],
    );
    assert_eq!(code, 1, "{log}");
    for words in [
        "error: not permitted to list",
        "A ClusterRole with this rule gives it",
        "apiGroups: [\"\"]",
        "verbs: [",
    ] {
        assert!(log.contains(words), "{words:?} is not in: {log}");
    }
    let (code, log) = run(
        folder.path(),
        &kubeconfig_of("nobody", &server, folder.path().join("nobody")).unwrap(),
        &["--namespace", "kube-system"],
    );
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("in namespace kube-system") && log.contains("A Role with this rule"),
        "{log}"
    );
    let (code, log) = run(
        folder.path(),
        &kubeconfig_of("wrong", &server, folder.path().join("wrong")).unwrap(),
        &[],
    );
    assert_eq!(code, 1, "{log}");
    assert!(
        log.contains("does not accept these credentials (401"),
        "{log}"
    );
}

/// The rights that the service needs without a Lease, for the user `watcher`.
async fn let_watch(server: &ApiServer) {
    use kube::api::{Api, PostParams};
    let client = client(&server.kubeconfig).await.unwrap();
    let role = serde_json::json!({"metadata": {"name": "watcher"}, "rules": [
        {"apiGroups": [""], "resources": ["events", "pods"], "verbs": ["get", "list", "watch"]}]});
    let binding = serde_json::json!({"metadata": {"name": "watcher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "watcher"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "watcher"}]});
    let (roles, bindings): (Api<ClusterRole>, Api<ClusterRoleBinding>) =
        (Api::all(client.clone()), Api::all(client));
    roles
        .create(
            &PostParams::default(),
            &serde_json::from_value(role).unwrap(),
        )
        .await
        .unwrap();
    bindings
        .create(
            &PostParams::default(),
            &serde_json::from_value(binding).unwrap(),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn without_the_right_to_leases_it_warns_once_and_runs_but_takes_no_part_in_an_election() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(
        &folder.path().join("cluster"),
        &["--extra-tokens", "watcher,watcher,watchers"],
    )
    .unwrap();
    let_watch(&server).await;
    let watcher = kubeconfig_of("watcher", &server, folder.path().join("watcher")).unwrap();
    let start = || {
        Start::new(Path::new(PROGRAM), folder.path(), "log")
            .with("--event-storage", "stdout")
            .with("--kubeconfig", &watcher)
    };
    let mut program = start().start().unwrap();
    for words in [
        "What is delivered is noted on this disk alone",
        "The list is read.",
    ] {
        program
            .wait_for_log(words, Duration::from_secs(60))
            .unwrap();
    }
    let log = program.log().unwrap();
    assert!(program.terminate().unwrap().success());
    assert_eq!(log.matches("noted on this disk alone").count(), 1, "{log}");
    for words in [
        "A Role with this rule gives it",
        "coordination.k8s.io",
        "create",
        "update",
    ] {
        assert!(log.contains(words), "{words:?} is not in: {log}");
    }
    let (status, _, log) = start().flag("--leader-elect").run().unwrap();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("error: not permitted to get leases in namespace default")
            && log.contains("A Role with this rule gives it"),
        "{log}"
    );
}

#[test]
fn an_api_server_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = "apiVersion: v1\nkind: Config\nclusters: [{name: t, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: t, user: u}}]\ncurrent-context: c\n";
    std::fs::write(&kubeconfig, text).unwrap();
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--event-storage", "stdout")
        .with("--kubeconfig", &kubeconfig);
    let mut program = start.start().unwrap();
    program
        .wait_for_log("can't be reached", Duration::from_secs(60))
        .unwrap();
    assert!(
        program.terminate().unwrap().success(),
        "it goes on trying until it is stopped"
    );
}

#[test]
fn a_kubeconfig_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, log) = run(folder.path(), Path::new("/nowhere/kubeconfig"), &[]);
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("/nowhere/kubeconfig"), "{log}");
}
