//! What hostile sinks do to a good one beside them.

use std::path::Path;
use std::time::{Duration, Instant};

use testkit::apiserver::ApiServer;
use testkit::load::{Account, Load, Put};
use testkit::program::Start;
use testkit::sls;

use crate::guest::{FOREVER, Guest};

const PATIENCE: Duration = Duration::from_secs(180);
/// Runs of each kind, one after the other in turn.
const RUNS: usize = 3;

/// Starts the service on an empty journal with aliyun-sls, and these sinks beside it; gives how
/// fast aliyun-sls stored everything, in events a second, and the most memory that the process had.
/// Its Lease is its own: in that of a run before it would read that all is stored.
fn rate(server: &ApiServer, put: &[Put], lease: &str, hostile: &[(&str, Guest)]) -> (f64, u64) {
    let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let sls = sls::Server::start(sls::Options::default()).unwrap();
    let start = Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    )
    .to_sls(&sls);
    let start = start
        .with("--kubeconfig", &server.kubeconfig)
        .with("--lease-name", lease);
    let start = hostile.iter().fold(start, |start, (name, guest)| {
        let path = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, guest.component()).unwrap();
        start.with("--event-storage", path)
    });
    let began = Instant::now();
    let program = start.start().unwrap();
    let stored = sls
        .wait_for(put.len(), PATIENCE)
        .unwrap_or_else(|why| panic!("{why:?}: {}", program.log().unwrap_or_default()));
    let account = Account::of(put, &stored);
    let memory = program.peak_memory().unwrap();
    let log = program.log().unwrap();
    program.kill().unwrap();
    // A list is in the order of names, so the order says nothing here.
    assert_eq!(
        (account.missing, account.doubled, account.foreign),
        (vec![], vec![], 0),
        "{log}"
    );
    for (name, _) in hostile {
        assert!(
            log.contains(&format!("\"sink\":\"{name}\"")),
            "{name} took no part: {log}"
        );
    }
    let first = stored.iter().map(|log| log.arrived).min().unwrap();
    let last = stored.iter().map(|log| log.arrived).max().unwrap();
    assert!(first >= began);
    (stored.len() as f64 / (last - first).as_secs_f64(), memory)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Tries: to take the processor, the memory or the log from a good sink beside it: by computing for
/// ever, growing, and trapping at each batch
/// Ends: the good sink stores everything once, nearly as fast as alone
#[test]
fn a_good_sink_beside_hostile_ones_stores_everything_and_keeps_its_pace() {
    let folder = tempfile::tempdir_in(testkit::memory_folder()).unwrap();
    let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    Load::set_up(&server).unwrap();
    // More of them show how it goes on; the first second is the worst.
    let events = std::env::var("EVENTS").map_or(12_000, |events| events.parse().unwrap());
    let put = Load::start(&server, folder.path(), events, 0.0, 0)
        .unwrap()
        .finish()
        .unwrap();
    let grow =
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let hostile = [
        (
            "burner",
            Guest {
                save: FOREVER,
                ..Guest::default()
            },
        ),
        (
            "grower",
            Guest {
                save: grow,
                ..Guest::default()
            },
        ),
        (
            "trapper",
            Guest {
                save: "unreachable",
                ..Guest::default()
            },
        ),
    ];
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        alone.push(rate(&server, &put, &format!("alone-{run}"), &[]).0);
        let (rate, memory) = rate(&server, &put, &format!("beside-{run}"), &hostile);
        beside.push(rate);
        assert!(memory < 400 << 20, "{} MiB", memory >> 20);
    }
    let ratio = median(beside.clone()) / median(alone.clone());
    println!("alone {alone:.0?}, beside {beside:.0?} events a second: ratio {ratio:.2}");
    // The figure is for a person to read: beside other tests on two processors it moves by more
    // than what the sinks do to each other.
    assert!(ratio > 0.3, "alone {alone:.0?}, beside {beside:.0?}");
}

/// Tries: to hold up the start, and with it the watch and all other sinks, by computing for ever
/// when it is opened
/// Ends: all sinks together are waited for ten seconds; then the others deliver without it
#[test]
fn a_sink_that_never_opens_holds_up_the_others_for_seconds_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loops.wasm");
    std::fs::write(
        &path,
        Guest {
            open: FOREVER,
            ..Guest::default()
        }
        .component(),
    )
    .unwrap();
    std::fs::write(folder.path().join("in.json"), crate::recorded("hello", 1)).unwrap();
    let start = Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    );
    let start = start
        .with("--event-storage", "stdout")
        .with("--event-storage", path)
        .with("--from", folder.path().join("in.json"));
    // A call may take a minute: without that bound nothing would be read until then.
    let (status, out, log) = start
        .flag("--once")
        .with("--timeout", "25s")
        .with("--grace", "1s")
        .run()
        .unwrap();
    assert_eq!(status.code(), Some(4), "{log}");
    assert!(
        out.contains("hello") && log.contains("The sink is not open after 10 s"),
        "{out}{log}"
    );
}
