//! The open port.

use std::io::Write;
use std::time::{Duration, Instant};

use testkit::scrape::get;
use testkit::stage::Stage;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

/// Tries: to have a kubelet restart the service, by two hundred connections that read no answer, stop in the middle of a request, or say nothing
/// Ends: a probe is answered at once: the oldest connections make room for it
#[test]
fn connections_that_read_nothing_hold_up_no_probe() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let start = stage.start().with("--event-storage", "webhook").env("WEBHOOK_URL", "http://localhost:9/");
    let mut program = start.with("--listen-address", "127.0.0.1:0").start().unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    let until = Instant::now() + PATIENCE;
    while get(server, "/readyz").unwrap().0 != 200 {
        assert!(Instant::now() < until, "it never was ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let mut held = Vec::new();
    for n in 0..200 {
        let mut connection = std::net::TcpStream::connect(server).unwrap();
        connection.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // As many requests as go in, of which no answer is read; some say nothing at all, or half of a request.
        let text = match n % 3 {
            0 => "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400),
            1 => "GET /metrics HTTP/1.1\r\nHost:".to_owned(),
            _ => String::new(),
        };
        let _ = connection.write_all(text.as_bytes());
        held.push(connection);
    }
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(get(server, "/livez").unwrap(), (200, "ok\n".to_owned()));
        // A second is what a kubelet waits; a loaded machine gets some more.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    assert!(get(server, "/metrics").unwrap().1.contains("kubedl_events_"));
    drop(held);
}
