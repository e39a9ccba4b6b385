//! Is nothing lost, and nothing stored twice, when the watch is disturbed on a real API server?

use std::time::Duration;

use testkit::life::Written;
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

fn stage() -> Stage {
    Stage::set(PROGRAM, &std::env::temp_dir()).unwrap()
}

/// Waits until all that belongs is stored, then compares.
fn expect_exactly(stage: &Stage, written: &[Written]) {
    let mut wanted: Vec<(String, String)> = written
        .iter()
        .filter(|event| event.belongs)
        .map(|event| (event.uid.clone(), event.resource_version.clone()))
        .collect();
    let stored = stage.sls.wait_for(wanted.len(), PATIENCE).unwrap();
    let mut found: Vec<(String, String)> = stored
        .iter()
        .map(|log| {
            (
                log.get("EventUID").unwrap().to_owned(),
                log.get("ResourceVersion").unwrap().to_owned(),
            )
        })
        .collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_cut_connection_is_healed_without_loss_or_doubles() {
    let stage = stage();
    let program = stage.program(PATIENCE).unwrap();
    let mut life = stage.life("one").await.unwrap();
    life.train("before").await.unwrap();
    stage.server.cut_connections().unwrap();
    life.train("after").await.unwrap();
    expect_exactly(&stage, life.written());
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn what_happened_while_it_was_down_is_seen_even_when_the_history_was_compacted() {
    let stage = stage();
    let mut life = stage.life("one").await.unwrap();
    let program = stage.program(PATIENCE).unwrap();
    life.train("before").await.unwrap();
    expect_exactly(&stage, life.written());
    assert!(program.terminate().unwrap().success());

    life.serve("meanwhile").await.unwrap();
    stage.server.compact().unwrap();
    life.noise().await.unwrap();
    stage.server.compact().unwrap();

    let program = stage.program(PATIENCE).unwrap();
    life.serve("later").await.unwrap();
    expect_exactly(&stage, life.written());
    assert!(
        program
            .log()
            .unwrap()
            .contains("no longer knows the resource version"),
        "the watch had to begin anew"
    );
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stood() {
    let stage = stage();
    let mut life = stage.life("one").await.unwrap();
    let program = stage.program(PATIENCE).unwrap();
    life.serve("before").await.unwrap();
    expect_exactly(&stage, life.written());
    assert!(program.terminate().unwrap().success());
    life.serve("meanwhile").await.unwrap();
    let program = stage.program(PATIENCE).unwrap();
    expect_exactly(&stage, life.written());
    assert!(
        !program.log().unwrap().contains("The list is read."),
        "no list was needed"
    );
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_namespace_is_a_scope_of_its_own_and_once_ends_when_its_list_is_stored() {
    let stage = stage();
    let mut life = stage.life("mine").await.unwrap();
    life.serve("a").await.unwrap();
    let mut other = stage.life("theirs").await.unwrap();
    other.serve("b").await.unwrap();
    let (status, _, log) = stage
        .start()
        .with("--namespace", "mine")
        .flag("--once")
        .with("--timeout", "120s")
        .run()
        .unwrap();
    assert!(status.success(), "{log}");
    expect_exactly(&stage, life.written());
}
