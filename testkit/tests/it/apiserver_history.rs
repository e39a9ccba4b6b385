//! What does the API server remember after a restart, and after its storage was set back?

use testkit::apiserver::{ApiServer, client};
use testkit::life::{Life, Written};

/// Uid and resource version of every event of a life, and the resource version of the list.
async fn events(server: &ApiServer) -> (Vec<(String, String)>, u64) {
    let api: kube::Api<k8s_openapi::api::core::v1::Event> =
        kube::Api::all(client(&server.kubeconfig).await.unwrap());
    let list = api
        .list_metadata(&kube::api::ListParams::default())
        .await
        .unwrap();
    let mut found: Vec<(String, String)> = list
        .items
        .into_iter()
        // On a busy machine the API server writes some of its own there.
        .filter(|event| event.metadata.namespace.as_deref() != Some("default"))
        .map(|event| {
            (
                event.metadata.uid.unwrap(),
                event.metadata.resource_version.unwrap(),
            )
        })
        .collect();
    found.sort();
    (
        found,
        list.metadata.resource_version.unwrap().parse().unwrap(),
    )
}

fn versions(written: &[Written]) -> Vec<(String, String)> {
    let mut versions: Vec<_> = written
        .iter()
        .map(|event| (event.uid.clone(), event.resource_version.clone()))
        .collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn a_restart_keeps_port_and_events_and_a_restore_takes_versions_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    let url = server.url.clone();
    let mut life = Life::begin(client(&server.kubeconfig).await.unwrap(), "one")
        .await
        .unwrap();
    life.serve("a").await.unwrap();

    server.restart_at_same_port(|| Ok(())).unwrap();
    assert_eq!(server.url, url);
    assert_eq!(events(&server).await.0, versions(life.written()));

    server.snapshot(&folder.path().join("copy")).unwrap();
    let kept = versions(life.written());
    let mut life = Life::begin(client(&server.kubeconfig).await.unwrap(), "two")
        .await
        .unwrap();
    life.serve("a").await.unwrap();
    let (found, before) = events(&server).await;
    assert_eq!(
        found.len(),
        kept.len() + life.written().len(),
        "the server goes on after a copy"
    );

    server.restore(&folder.path().join("copy")).unwrap();
    assert_eq!(server.url, url);
    let (found, after) = events(&server).await;
    assert_eq!(found, kept);
    assert!(after < before, "{after} is not before {before}");
}
