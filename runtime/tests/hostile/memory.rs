//! What a component can have the host hold.

use std::path::Path;
use std::time::{Duration, Instant};

use kubedl_events::relay::Outcome;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Error, child};

use crate::guest::Guest;
use crate::{said, save, sink};

/// By the program itself, as a child with limits.
async fn load(bytes: Vec<u8>) -> Result<Blueprint, Error> {
    let limits = child::Limits {
        program: env!("CARGO_BIN_EXE_kubedl-events").into(),
        ..child::Limits::default()
    };
    let engine = Engine::new(Compiler::Child(limits), None).unwrap();
    Blueprint::load(&engine, &Artifact::new(Path::new("x.wasm"), bytes)).await
}

/// A guest that describes itself with a list of so many elements; `place` is where the list stands
/// in the description.
pub fn describes(place: usize, count: usize, width: usize) -> Vec<u8> {
    let pages = (count * width) / 65_536 + 1;
    let code = format!(
        "(drop (memory.grow (i32.const {pages}))) (i32.store (i32.const {place}) (i32.const 1048576)) (i32.store (i32.const {}) (i32.const {count})) i32.const 1024",
        place + 4
    );
    Guest {
        describe: Box::leak(code.into_boxed_str()),
        ..Guest::default()
    }
    .component()
}

/// Whether this process runs this test alone; else it has another process do that. What others take
/// at the same time would count.
pub fn is_alone(test: &str) -> bool {
    if std::env::var_os("ALONE").is_some() {
        return true;
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command
        .args(["--exact", test])
        .env("ALONE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

/// Most bytes of memory that this process ever had (proc(5), `VmHWM`), in MiB.
pub fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        >> 10
}

/// Tries: to describe itself with more variables, or more destinations, than any sink has
/// Ends: it is refused, with how many there may be
#[tokio::test]
async fn a_description_with_hundreds_of_entries_is_refused() {
    for (place, width) in [(1048, 20), (1056, 8)] {
        let why = load(describes(place, 257, width))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(why.contains("257") && why.contains("at most 256"), "{why}");
        assert!(load(describes(place, 256, width)).await.is_ok());
    }
}

/// Tries: to have the host hold a million variables or two million destinations, which cost the
/// component nothing
/// Ends: the child that looks into it refuses it by an allowance of bytes, and the service holds
/// none of it
#[tokio::test]
async fn a_description_with_a_million_entries_costs_the_service_nothing() {
    if !is_alone("memory::a_description_with_a_million_entries_costs_the_service_nothing") {
        return;
    }
    let before = peak();
    for (place, count, width) in [(1048, 1_130_000, 20), (1056, 2_600_000, 8)] {
        let why = load(describes(place, count, width))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(why.contains("when asked to describe itself"), "{why}");
    }
    assert!(peak() - before < 150, "{} MiB, {before} MiB before", peak());
}

/// Of so many imports of one type, each of five bytes.
pub fn imports(count: usize) -> Vec<u8> {
    let leb = |mut number: usize| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let section = |id: u8, body: Vec<u8>| [vec![id], leb(body.len()), body].concat();
    let types = section(7, [vec![1, 0x40], vec![0, 1, 0]].concat());
    let entries = [0, 1, b'a', 1, 0].repeat(count);
    [
        b"\0asm\x0d\0\x01\0".to_vec(),
        types,
        section(10, [leb(count), entries].concat()),
    ]
    .concat()
}

/// Tries: to have millions of imports, of which a small packed file has room
/// Ends: it is refused at a thousand, before they are held
#[tokio::test]
async fn millions_of_imports_are_refused_at_a_thousand() {
    if !is_alone("memory::millions_of_imports_are_refused_at_a_thousand") {
        return;
    }
    let before = peak();
    let bytes = imports(5_000_000);
    let why = load(bytes.clone()).await.err().unwrap().to_string();
    assert!(why.contains("over 1000 imports"), "{why}");
    let why = Blueprint::check(&Artifact::new(Path::new("x.wasm"), bytes))
        .unwrap_err()
        .to_string();
    assert!(why.contains("over 1000 imports"), "{why}");
    assert!(peak() - before < 200, "{} MiB, {before} MiB before", peak());
}

/// Tries: to hand over hundreds of thousands of empty requests at once, with nothing granted
/// Ends: they are refused by their number, before anything is done with one of them
#[tokio::test]
async fn hundreds_of_thousands_of_requests_are_refused_by_their_number() {
    if !is_alone("memory::hundreds_of_thousands_of_requests_are_refused_by_their_number") {
        return;
    }
    let before = peak();
    let mut sink = sink("").await;
    // Each has a URL: what the guest itself can hold of them.
    match save(&mut sink, &["all 150000 https://example.com/"]).await {
        Outcome::Stored(_) | Outcome::Broken { .. } => {}
        other => panic!("{other:?}"),
    }
    assert!(peak() - before < 250, "{} MiB, {before} MiB before", peak());
}

/// Tries: nothing; its destination answers with more bytes of headers than are left for answers
/// Ends: the answer is an error, and costs no more than answers may
#[test]
fn headers_of_answers_count() {
    let web = testkit::web::Web::start().unwrap();
    let at = format!("http://127.0.0.1:{}", web.port());
    let grant = format!("http: [\"{at}\"]\nlimits: {{memory: 8MiB}}\n");
    // A thousand answers share a quarter of 8 MiB: 2 KiB each.
    let (status, log) = crate::run(
        &grant,
        &[&format!("all 1000 {at}/headers/16384")],
        |start| start,
    );
    assert!(status.success(), "{log}");
    assert!(
        said(&log)[0].contains("bytes of headers") || said(&log)[0].contains("bytes 0"),
        "{log}"
    );
}

/// Tries: to do in the child that looks into it what the service may do: to gain rights, to open
/// files, to reach the network
/// Ends: the child has no new privileges, and a filter of system calls, before it reads the first
/// byte
#[test]
fn the_child_has_no_rights() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_kubedl-events"))
        .args(["compile-sink", "268435456", "60"])
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let until = Instant::now() + Duration::from_secs(60);
    let value = |name: &str| {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    };
    while value("Seccomp:") != "2" {
        assert!(
            Instant::now() < until,
            "no filter: {}",
            std::fs::read_to_string(&status).unwrap()
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(value("NoNewPrivs:"), "1");
    let adjusted = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", child.id())).unwrap();
    assert_eq!(
        adjusted.trim(),
        "1000",
        "where memory runs out, it is the one to go"
    );
    let open = std::fs::read_dir(format!("/proc/{}/fd", child.id()))
        .unwrap()
        .count();
    assert_eq!(open, 3, "its pipes alone");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
