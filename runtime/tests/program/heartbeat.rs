//! Does `--heartbeat` notice a watch that hangs in silence, and have it opened again, with nothing
//! lost and nothing of its own delivered?

use std::path::Path;
use std::time::{Duration, Instant};

use testkit::apiserver::ApiServer;
use testkit::load::{Account, Load};
use testkit::program::Start;
use testkit::proxy::Proxy;
use testkit::sls;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_connection_that_died_without_a_word_is_found_by_the_next_beats_and_loses_nothing() {
    // Long: one story, told in its order.
    let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    Load::set_up(&server).unwrap();
    let sls = sls::Server::start(sls::Options::default()).unwrap();
    let proxy = Proxy::start(server.url.trim_start_matches("https://").parse().unwrap()).unwrap();
    let kubeconfig = folder.path().join("by-way-of-the-proxy");
    let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
    std::fs::write(
        &kubeconfig,
        text.replace(&server.url, &format!("https://{}", proxy.address())),
    )
    .unwrap();

    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .to_sls(&sls)
        .with("--kubeconfig", &kubeconfig);
    let start = start
        .flag("--heartbeat=2s")
        .with("--objects", "all")
        .with("--log-level", "debug");
    let mut program = start.start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    program.wait_for_log("Heartbeat seen.", PATIENCE).unwrap();
    let mut put = Load::start(&server, folder.path(), 50, 0.0, 100)
        .unwrap()
        .finish()
        .unwrap();
    sls.wait_for(put.len(), PATIENCE).unwrap();

    proxy.freeze();
    let frozen = Instant::now();
    put.extend(
        Load::start(&server, folder.path(), 50, 0.0, 100)
            .unwrap()
            .finish()
            .unwrap(),
    );
    let stored = sls.wait_for(put.len(), PATIENCE).unwrap();
    println!(
        "seen {:.1} s after the connections had died; without a beat it is 260 s",
        frozen.elapsed().as_secs_f64()
    );
    program
        .wait_for_log(
            "The watch does not show an event that was written",
            PATIENCE,
        )
        .unwrap();
    program
        .wait_for_log("The watch sees what is written again.", PATIENCE)
        .unwrap();
    let account = Account::of(&put, &stored);
    // Of an account that does not hold.
    for log in stored.iter().filter(|log| {
        !put.iter()
            .any(|put| log.get("EventUID") == Some(put.uid.as_str()))
    }) {
        println!("never put: {log:?}");
    }
    assert_eq!(
        (
            account.missing.len(),
            account.doubled.len(),
            account.foreign
        ),
        (0, 0, 0)
    );
    assert!(program.terminate().unwrap().success());
}
