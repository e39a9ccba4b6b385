//! Is nothing lost, and nothing stored twice, when the watch is disturbed on a real API server?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::path::Path;
use std::time::Duration;

use testkit::apiserver::ApiServer;
use testkit::life::{Life, Written};
use testkit::program::{Program, Start};
use testkit::sls;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

struct Stage {
    folder: tempfile::TempDir,
    server: ApiServer,
    sls: sls::Server,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
        Self { folder, server, sls: sls::Server::start(sls::Options::default()).unwrap() }
    }

    fn program(&self) -> Program {
        let start = Start::new(Path::new(PROGRAM), self.folder.path(), "log").to_sls(&self.sls).with("--kubeconfig", &self.server.kubeconfig);
        let mut program = start.start().unwrap();
        program.wait_for_log("Watching events.", PATIENCE).unwrap();
        program
    }

    async fn life(&self, namespace: &str) -> Life {
        let file = kube::config::Kubeconfig::read_from(&self.server.kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.unwrap();
        Life::begin(kube::Client::try_from(config).unwrap(), namespace).await.unwrap()
    }

    /// Waits until all that belongs is stored, then compares.
    fn expect_exactly(&self, written: &[Written]) {
        let mut wanted: Vec<(String, String)> =
            written.iter().filter(|event| event.belongs).map(|event| (event.uid.clone(), event.resource_version.clone())).collect();
        let stored = self.sls.wait_for(wanted.len(), PATIENCE).unwrap();
        let mut found: Vec<(String, String)> =
            stored.iter().map(|log| (log.get("EventUID").unwrap().to_owned(), log.get("ResourceVersion").unwrap().to_owned())).collect();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }
}

#[tokio::test]
async fn a_cut_connection_is_healed_without_loss_or_doubles() {
    let stage = Stage::set();
    let program = stage.program();
    let mut life = stage.life("one").await;
    life.train("before").await.unwrap();
    stage.server.cut_connections().unwrap();
    life.train("after").await.unwrap();
    stage.expect_exactly(life.written());
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn what_happened_while_it_was_down_is_seen_even_when_the_history_was_compacted() {
    let stage = Stage::set();
    let mut life = stage.life("one").await;
    let program = stage.program();
    life.train("before").await.unwrap();
    stage.expect_exactly(life.written());
    assert!(program.terminate().unwrap().success());

    life.serve("meanwhile").await.unwrap();
    stage.server.compact().unwrap();
    life.noise().await.unwrap();
    stage.server.compact().unwrap();

    let program = stage.program();
    life.serve("later").await.unwrap();
    stage.expect_exactly(life.written());
    assert!(program.log().unwrap().contains("no longer knows the resource version"), "the watch had to begin anew");
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stood() {
    let stage = Stage::set();
    let mut life = stage.life("one").await;
    let program = stage.program();
    life.serve("before").await.unwrap();
    stage.expect_exactly(life.written());
    assert!(program.terminate().unwrap().success());
    life.serve("meanwhile").await.unwrap();
    let program = stage.program();
    stage.expect_exactly(life.written());
    assert!(!program.log().unwrap().contains("The list is read."), "no list was needed");
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_namespace_is_a_scope_of_its_own_and_once_ends_when_its_list_is_stored() {
    let stage = Stage::set();
    let mut life = stage.life("mine").await;
    life.serve("a").await.unwrap();
    let mut other = stage.life("theirs").await;
    other.serve("b").await.unwrap();
    let start = Start::new(Path::new(PROGRAM), stage.folder.path(), "log").to_sls(&stage.sls).with("--kubeconfig", &stage.server.kubeconfig);
    let (status, _, log) = start.with("--namespace", "mine").flag("--once").with("--timeout", "120s").run().unwrap();
    assert!(status.success(), "{log}");
    stage.expect_exactly(life.written());
}
