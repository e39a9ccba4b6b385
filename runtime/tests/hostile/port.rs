//! The open port.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use testkit::load::Load;
use testkit::scrape::get;
use testkit::stage::Stage;

use crate::guest::{FOREVER, Guest};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

/// Two hundred connections that read no answer, stop in the middle of a request, or say nothing at
/// all.
fn mute(server: SocketAddr) -> Vec<TcpStream> {
    let connect = |n| {
        let mut connection = TcpStream::connect(server).unwrap();
        connection
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        // As many requests as go in, of which no answer is read.
        let text = match n % 3 {
            0 => "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400),
            1 => "GET /metrics HTTP/1.1\r\nHost:".to_owned(),
            _ => String::new(),
        };
        let _ = connection.write_all(text.as_bytes());
        connection
    };
    (0..200).map(connect).collect()
}

/// Asks twenty times; gives how long the slowest answer took.
fn probe(server: SocketAddr) -> Duration {
    let ask = |_| {
        let began = Instant::now();
        assert_eq!(get(server, "/livez").unwrap(), (200, "ok\n".to_owned()));
        began.elapsed()
    };
    (0..20).map(ask).max().unwrap()
}

/// A second is what a kubelet waits; a loaded machine gets some more.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Tries: to have a kubelet restart the service, by two hundred connections that read no answer,
/// stop in the middle of a request, or say nothing
/// Ends: a probe is answered at once: the oldest connections make room for it
#[test]
fn connections_that_read_nothing_hold_up_no_probe() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let start = stage
        .start()
        .with("--event-storage", "webhook")
        .env("WEBHOOK_URL", "http://localhost:9/");
    let mut program = start
        .with("--listen-address", "127.0.0.1:0")
        .start()
        .unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    let until = Instant::now() + PATIENCE;
    while get(server, "/readyz").unwrap().0 != 200 {
        assert!(Instant::now() < until, "it never was ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let held = mute(server);
    let slowest = probe(server);
    assert!(slowest < AT_ONCE, "{slowest:?}");
    // While one page is made, another one is refused: those connections ask for many.
    let until = Instant::now() + PATIENCE;
    while !get(server, "/metrics").is_ok_and(|(_, page)| page.contains("kubedl_events_")) {
        assert!(Instant::now() < until, "{:?}", get(server, "/metrics"));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    drop(held);
}

/// Tries: to have a kubelet restart the service, by eight sinks that compute for ever at the same
/// time as those connections are open
/// Ends: a probe is answered at once: sinks compute on threads of their own, and give way
#[test]
fn sinks_that_burn_the_processors_hold_up_no_probe() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    Load::set_up(&stage.server).unwrap();
    let mut start = stage.start().with("--listen-address", "127.0.0.1:0");
    for number in 0..8 {
        let path = stage.folder.path().join(format!("burner-{number}.wasm"));
        std::fs::write(
            &path,
            Guest {
                save: FOREVER,
                ..Guest::default()
            }
            .component(),
        )
        .unwrap();
        start = start.with("--event-storage", path);
    }
    let mut program = start.start().unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    let put = Load::start(&stage.server, stage.folder.path(), 50, 0.0, 0)
        .unwrap()
        .finish()
        .unwrap();
    // Each call may take a minute, which all of this is over in.
    stage.sls.wait_for(put.len(), PATIENCE).unwrap();
    let until = Instant::now() + PATIENCE;
    let behind = |line: &&str| {
        line.starts_with("kubedl_events_backlog_events{sink=\"burner-") && !line.ends_with(" 0")
    };
    while get(server, "/metrics").map_or(0, |(_, page)| page.lines().filter(behind).count()) < 8 {
        assert!(
            Instant::now() < until,
            "{}",
            get(server, "/metrics").unwrap().1
        );
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let held = mute(server);
    let slowest = probe(server);
    println!("the slowest probe took {slowest:?}");
    assert!(slowest < AT_ONCE, "{slowest:?}");
    drop(held);
    program.kill().unwrap();
}
