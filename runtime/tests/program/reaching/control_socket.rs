//! Does the control socket serve who asks, whoever else is connected?

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::api::Api;
use super::run::{Case, PATIENCE, PROGRAM};

#[test]
fn silent_clients_hold_nobody_up() {
    let (api, case) = (Api::start(), Case::new());
    let program = case.until(
        case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"),
        "The list is read.",
    );
    let socket = case.folder.path().join("data/control.sock");
    let status = || {
        Command::new(PROGRAM)
            .env_clear()
            .args(["status", "--data-dir"])
            .arg(case.folder.path().join("data"))
            .output()
            .unwrap()
    };
    // One says nothing, one half a request, one does not take its answer, one has gone.
    let silent: Vec<UnixStream> = (0..8)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    (&silent[1]).write_all(b"\"sta").unwrap();
    (&silent[2]).write_all(b"\"settings\"\n").unwrap();
    drop(UnixStream::connect(&socket).unwrap());
    let began = Instant::now();
    let told = status();
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    // What it did ask is answered.
    let mut answer = String::new();
    BufReader::new(&silent[2]).read_line(&mut answer).unwrap();
    assert!(answer.contains("event-storage"), "{answer}");
    // A crowd of them waits for no longer than one may be silent.
    let crowd: Vec<UnixStream> = (0..64)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    let told = status();
    assert!(
        told.status.success() || began.elapsed() > PATIENCE,
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    drop((silent, crowd));
    assert!(program.terminate().unwrap().success());
}
