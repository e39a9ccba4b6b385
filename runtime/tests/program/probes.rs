//! Do /livez and /readyz tell a kubelet what it needs to know, and never to kill a service that is
//! well?

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::program::Start;
use testkit::scrape::get;
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);
const ANYWHERE: &str = "127.0.0.1:0";

/// Asks until a page has a text.
fn wait_for(server: SocketAddr, path: &str, text: &str) -> (u16, String) {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, page) = get(server, path).unwrap();
        if page.contains(text) {
            return (status, page);
        }
        assert!(Instant::now() < until, "{path} never said {text:?}: {page}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A program that reads nothing, and whose one sink has to be compiled first.
fn compiling(folder: &Path, address: &str) -> Start {
    let start = Start::new(Path::new(PROGRAM), folder, "log")
        .with("--event-storage", "graphite")
        .env("GRAPHITE_URL", "http://localhost:9");
    let recording = folder.join("nothing.jsonl");
    std::fs::write(&recording, "").unwrap();
    start
        .with("--from", recording)
        .with("--listen-address", address)
}

#[test]
fn a_service_is_alive_from_its_start_and_ready_when_it_can_work_though_a_destination_is_down() {
    // Long: one story, told in its order.
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    // Nobody listens there.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let start = stage
        .start()
        .with("--event-storage", "webhook")
        .env("WEBHOOK_URL", format!("http://localhost:{}", closed.port()));
    let mut program = start
        .with("--objects", "all")
        .with("--listen-address", ANYWHERE)
        .start()
        .unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    assert_eq!(get(server, "/livez").unwrap(), (200, "ok\n".to_owned()));
    let (status, page) = wait_for(server, "/readyz", "[-]sink webhook failed: compiling");
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("readyz check failed"), "{page}");

    wait_for(server, "/readyz?verbose", "readyz check passed");
    assert_eq!(get(server, "/readyz").unwrap(), (200, "ok\n".to_owned()));
    let event = r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"e","namespace":"default"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"reason":"R","message":"m","type":"Normal"}"#;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = testkit::apiserver::client(&stage.server.kubeconfig)
            .await
            .unwrap();
        let events: kube::Api<k8s_openapi::api::core::v1::Event> =
            kube::Api::namespaced(client, "default");
        events
            .create(
                &kube::api::PostParams::default(),
                &serde_json::from_str(event).unwrap(),
            )
            .await
            .unwrap();
    });
    stage.sls.wait_for(1, PATIENCE).unwrap();
    let (status, page) = wait_for(server, "/readyz?verbose", "its destination is waited for");
    assert_eq!(status, 200, "{page}");
    for check in [
        "[+]sink aliyun-sls ok\n",
        "[+]sink webhook ok: ",
        "[+]journal ok\n",
        "[+]watch * ok\n",
        "[+]lead ok\n",
        "readyz check passed\n",
    ] {
        assert!(page.contains(check), "no {check:?} in {page}");
    }
    let (status, page) = get(server, "/livez?verbose").unwrap();
    assert_eq!(status, 200);
    for check in [
        "pipeline",
        "watch *",
        "journal",
        "sink aliyun-sls",
        "sink webhook",
    ] {
        assert!(page.contains(&format!("[+]{check} ok\n")), "{page}");
    }
    assert_eq!(get(server, "/nowhere").unwrap().0, 404);
}

#[test]
fn a_replica_is_not_ready_while_the_api_server_does_not_answer_and_says_so_seldom() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let mut program = stage
        .start()
        .flag("--leader-elect")
        .with("--listen-address", ANYWHERE)
        .start()
        .unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    wait_for(server, "/readyz?verbose", "readyz check passed");
    stage.server.stand_still().unwrap();
    let (status, page) = wait_for(
        server,
        "/readyz",
        "[-]lead failed: the Lease can't be reached",
    );
    assert_eq!(status, 503, "{page}");
    stage.server.go_on().unwrap();
    wait_for(server, "/readyz?verbose", "readyz check passed");
    let log = program.log().unwrap();
    let said = log
        .lines()
        .filter(|line| line.contains("The Lease can't be reached") || line.contains("Standing by:"))
        .count();
    assert_eq!(said, 1, "{log}");
}

#[test]
fn a_stop_is_heeded_while_a_sink_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = compiling(folder.path(), ANYWHERE).start().unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    wait_for(server, "/readyz", "compiling");
    let status = program.terminate().unwrap();
    let log = std::fs::read_to_string(folder.path().join("log.log")).unwrap();
    assert!(
        status.success() && log.contains("Stopping."),
        "{status}: {log}"
    );
    assert!(
        !log.contains("Sink is ready to open."),
        "it compiled to the end first: {log}"
    );
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, _, log) = compiling(folder.path(), &address).run().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(
        log.contains(&format!("cannot listen on {address}")) && log.contains("in use"),
        "{log}"
    );
    for wrong in [":http", "localhost", "127.0.0.1:70000", ""] {
        let (status, _, log) = compiling(folder.path(), wrong).run().unwrap();
        assert!(
            status.code() == Some(2) && log.contains("--listen-address"),
            "{wrong:?}, {status}: {log}"
        );
    }
}

#[test]
fn a_port_alone_means_all_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = compiling(folder.path(), ":0").start().unwrap();
    let port = program.telemetry(PATIENCE).unwrap().port();
    assert_eq!(
        get((Ipv4Addr::LOCALHOST, port).into(), "/livez").unwrap().0,
        200
    );
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_eq!(
            get((Ipv6Addr::LOCALHOST, port).into(), "/livez").unwrap().0,
            200
        );
    }
}
