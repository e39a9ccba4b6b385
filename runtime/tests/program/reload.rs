//! Is a sink replaced while the service runs, by good versions only, and without loss?

// Long: one question, with all of its cases.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster_events::Teller;
use kubedl_events::sink::Digest;
use kubedl_events::sink::loading::{Form, Index, pack};
use testkit::apiserver::{ApiServer, binaries};
use testkit::load::{Account, Load};
use testkit::program::{Program, Start, sinks};
use testkit::sls;
use testkit::volume::{Volume, padded};

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(180);
/// The most events that aliyun-sls takes at once.
const BATCH: usize = 4_096;
/// Events a second, and for each swap.
const RATE: usize = 500;
const EACH: usize = 1_250;

/// `--max-size` in bytes, and what is being written for a moment: a batch of events or the code of
/// a version on its way.
const CAP: u64 = 48 << 20;
const MOMENT: u64 = 4 << 20;

/// Bytes of all files in a folder and below.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // What is taken away in between has no size.
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                size_of(&entry.path())
            } else {
                entry.metadata().map_or(0, |about| about.len())
            }
        })
        .sum()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|why| {
        panic!(
            "{}: {why}: run `cargo xtask sinks` and `cargo xtask testkit`",
            path.display()
        )
    })
}

fn probe() -> Vec<u8> {
    read(&binaries().join("probe.wasm"))
}

/// A probe that obeys another variable when it is opened: with the same grant, it can do evil
/// there.
fn evil() -> Vec<u8> {
    let mut bytes = probe();
    let place = bytes
        .windows(10)
        .position(|word| word == b"PROBE_OPEN")
        .expect("the probe reads the variable");
    bytes[place..place + 10].copy_from_slice(b"PROBE_EVIL");
    bytes
}

/// Waits for a line of the log with all these words.
fn wait_for_line(program: &mut Program, words: &[&str]) {
    let until = Instant::now() + PATIENCE;
    while !program
        .log()
        .unwrap()
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)))
    {
        assert!(
            program.ended().unwrap().is_none() && Instant::now() < until,
            "no line with {words:?} in:\n{}",
            program.log().unwrap()
        );
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A cluster, and a volume with sinks beside a folder with grants.
struct Stage {
    folder: tempfile::TempDir,
    server: ApiServer,
    volume: Volume,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
        let volume = Volume::new(&folder.path().join("sinks")).unwrap();
        std::fs::create_dir(folder.path().join("grants")).unwrap();
        Self {
            folder,
            server,
            volume,
        }
    }

    fn grant(&self, sink: &str, text: &str) {
        std::fs::write(self.folder.path().join(format!("grants/{sink}.yaml")), text).unwrap();
    }

    /// With a log of this name.
    fn start(&self, name: &str) -> Start {
        self.with(Start::new(Path::new(PROGRAM), self.folder.path(), name))
    }

    /// With a data folder of its own.
    fn start_in(&self, name: &str) -> Start {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        self.with(Start::new(Path::new(PROGRAM), &folder, "log"))
    }

    fn with(&self, start: Start) -> Start {
        let start = start.with("--kubeconfig", &self.server.kubeconfig);
        start
            .with("--sink-dir", self.volume.folder())
            .with("--grant-dir", self.folder.path().join("grants"))
    }

    fn probe(&self, name: &str) -> Program {
        let mut program = self
            .start(name)
            .with("--event-storage", "probe")
            .with("--objects", "all")
            .start()
            .unwrap();
        wait_for_line(&mut program, &["Watching events."]);
        program
    }
}

#[test]
fn swaps_under_load_lose_nothing_and_bad_versions_are_refused() {
    // Long: one story, told in its order.
    let swaps: usize =
        std::env::var("SWAPS").map_or(6, |text| text.parse().expect("SWAPS is a number"));
    let stage = Stage::set();
    let server = sls::Server::start(sls::Options::default()).unwrap();
    Load::set_up(&stage.server).unwrap();
    let sink = read(&sinks().join("aliyun-sls.wasm"));
    stage.grant(
        "sls",
        std::str::from_utf8(&read(&sinks().join("aliyun-sls.yaml"))).unwrap(),
    );
    stage.volume.write(&[("sls.wasm", &sink)]).unwrap();
    let known = sls::Options::default();
    let start = stage
        .start("log")
        .with("--event-storage", "sls")
        .env("SLS_ENDPOINT", server.endpoint())
        .env("SLS_KEY_ID", known.access_key_id);
    let start = start
        .env("SLS_KEY_SECRET", known.access_key_secret)
        .env("SLS_PROJECT", known.project)
        .env("SLS_LOG_STORE", known.log_store);
    let mut program = start.with("--max-size", "48Mi").start().unwrap();
    program.wait_for_log("The list is read.", PATIENCE).unwrap();
    // The last swap, too, needs events to take over at, however slow the machine is.
    let events = u32::try_from(swaps * EACH * 2 + 5_000).unwrap();
    let load = Load::start(&stage.server, stage.folder.path(), events, 0.0, RATE as u32).unwrap();
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    for swap in 1..=swaps {
        server.wait_for((swap - 1) * EACH, PATIENCE).unwrap();
        let began = Instant::now();
        if swap % 3 == 0 {
            // Cut short at another place each time, so that another refusal is said.
            let bad = &sink[..sink.len() / (swaps + 1) * swap];
            stage.volume.write(&[("sls.wasm", bad)]).unwrap();
            let refusals = swap / 3;
            while program
                .log()
                .unwrap()
                .matches("is refused, and the one before goes on")
                .count()
                < refusals
            {
                assert!(began.elapsed() < PATIENCE, "{}", program.log().unwrap());
                std::thread::park_timeout(Duration::from_millis(50));
            }
        } else {
            let next = padded(&sink, &swap.to_le_bytes());
            stage.volume.write(&[("sls.wasm", &next)]).unwrap();
            wait_for_line(
                &mut program,
                &["has taken over", &Digest::of(&next).to_string()],
            );
        }
        slowest = slowest.max(began.elapsed());
        largest = largest.max(size_of(&stage.folder.path().join("data")));
    }
    let put = load.finish().unwrap();
    let stored = server.wait_for(put.len(), PATIENCE).unwrap();
    assert!(program.terminate().unwrap().success());
    let account = Account::of(&put, &stored);
    println!(
        "{swaps} swaps, {} events, {} doubled, slowest swap {slowest:?}, largest data folder {} MiB, p50 {:?}, p99 {:?}",
        put.len(),
        account.doubled.len(),
        largest >> 20,
        account.percentile(50),
        account.percentile(99)
    );
    assert_eq!(
        (account.missing, account.foreign, account.disordered),
        (vec![], 0, 0)
    );
    assert!(
        largest <= CAP + MOMENT,
        "{largest} bytes in the data folder, of at most {CAP}"
    );
    assert!(
        account.doubled.len() <= BATCH * swaps,
        "{} events were stored twice",
        account.doubled.len()
    );
}

#[tokio::test]
async fn a_version_that_can_not_be_used_is_refused_while_the_one_before_delivers() {
    // Long: a table of cases.
    let stage = Stage::set();
    let mut teller = Teller::new(&stage.server.kubeconfig).await;
    stage.grant("probe", "env: {PROBE_EVIL: {value: trap}}\n");
    stage.volume.write(&[("probe.wasm", &probe())]).unwrap();
    let mut program = stage.probe("log");
    let needs_more = read(&sinks().join("aliyun-sls.wasm"));
    let module = b"\0asm\x01\0\0\0".to_vec();
    let bad: [(&str, &[u8], &str); 4] = [
        ("what is no component", &module, "a core WebAssembly module"),
        (
            "half of one",
            &probe()[..probe().len() / 2],
            "can't be used",
        ),
        (
            "one that requires variables that are not granted",
            &needs_more,
            "SLS_ENDPOINT: {from: SLS_ENDPOINT}",
        ),
        (
            "one that traps when it is opened",
            &evil(),
            "open ended with a trap",
        ),
    ];
    for (what, bytes, words) in bad {
        stage.volume.write(&[("probe.wasm", bytes)]).unwrap();
        wait_for_line(&mut program, &["and the one before goes on", words]);
        let message = format!("show PROBE_EVIL-{}", what.len());
        teller.tell(&message).await;
        wait_for_line(&mut program, &[&format!("PROBE_EVIL-{} is", what.len())]);
    }
    stage.grant(
        "probe",
        "env: {PROBE_EVIL: {value: loop}}\nlimits: {call: 2s}\n",
    );
    wait_for_line(
        &mut program,
        &[
            "and the one before goes on",
            "open took longer than 2000 ms",
        ],
    );
    let good = padded(&probe(), b"good");
    stage.volume.write(&[("probe.wasm", &good)]).unwrap();
    wait_for_line(
        &mut program,
        &[
            "The next version of the sink is open",
            &Digest::of(&good).to_string(),
        ],
    );
    teller.tell("hello").await;
    wait_for_line(
        &mut program,
        &["has taken over", &Digest::of(&good).to_string()],
    );
    wait_for_line(&mut program, &[r#""stream":"stdout""#, "closed"]);
    stage.volume.write(&[]).unwrap();
    wait_for_line(&mut program, &["file is gone"]);
    teller.tell("show PROBE_EVIL").await;
    wait_for_line(&mut program, &[r#"PROBE_EVIL is Ok(\"loop\")"#]);
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn killed_right_after_a_bad_swap_it_starts_with_the_version_that_opened_last() {
    let stage = Stage::set();
    let mut teller = Teller::new(&stage.server.kubeconfig).await;
    stage.grant("probe", "env: {PROBE_EVIL: {value: refuse}}\n");
    stage.volume.write(&[("probe.wasm", &probe())]).unwrap();
    let mut program = stage.probe("first");
    let good = padded(&probe(), b"good");
    stage.volume.write(&[("probe.wasm", &good)]).unwrap();
    wait_for_line(&mut program, &["The next version of the sink is open"]);
    for (place, bad) in [b"nothing".to_vec(), evil()].iter().enumerate() {
        stage.volume.write(&[("probe.wasm", bad)]).unwrap();
        program.kill().unwrap();
        program = stage.probe(&format!("log{place}"));
        wait_for_line(
            &mut program,
            &[
                "ERROR",
                "the version that opened last goes on in its place",
                &Digest::of(&good).to_string(),
            ],
        );
        teller.tell(&format!("show AFTER-{place}")).await;
        wait_for_line(&mut program, &[&format!("AFTER-{place} is")]);
    }
    let better = padded(&probe(), b"better");
    stage.volume.write(&[("probe.wasm", &better)]).unwrap();
    wait_for_line(
        &mut program,
        &[
            "The next version of the sink is open",
            &Digest::of(&better).to_string(),
        ],
    );
    assert!(program.terminate().unwrap().success());
    let kept: Vec<_> = std::fs::read_dir(stage.folder.path().join("data/sinks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        kept,
        [format!("probe-{}.wasm", Digest::of(&better)).as_str()],
        "one version a sink is kept"
    );
}

#[tokio::test]
async fn a_torn_update_is_waited_for() {
    let stage = Stage::set();
    let mut teller = Teller::new(&stage.server.kubeconfig).await;
    let files = |component: &[u8]| {
        let packed = pack(Form::Gzip, component).unwrap();
        let (index, parts) = Index::cut(
            "probe",
            Digest::of(component),
            Form::Gzip,
            &packed,
            packed.len() / 2,
        );
        let mut files = vec![(
            "probe.wasm.parts".to_owned(),
            serde_json::to_vec(&index).unwrap(),
        )];
        files.extend(
            index
                .parts
                .iter()
                .zip(parts)
                .map(|(part, bytes)| (part.name.clone(), bytes.to_vec())),
        );
        files
    };
    let write = |files: &[(String, Vec<u8>)]| {
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        stage.volume.write(&files).unwrap();
    };
    let next = padded(&probe(), b"next");
    let (old, new) = (files(&probe()), files(&next));
    write(&old);
    let mut program = stage.probe("log");
    // Each ConfigMap of a projected volume is updated by itself.
    write(&[&new[..2], &old[2..]].concat());
    wait_for_line(&mut program, &["is not whole yet", &new[2].0]);
    teller.tell("show MEANWHILE").await;
    wait_for_line(&mut program, &["MEANWHILE is"]);
    write(&new);
    wait_for_line(
        &mut program,
        &[
            "The next version of the sink is open",
            &Digest::of(&next).to_string(),
        ],
    );
    assert!(program.terminate().unwrap().success());
}

#[tokio::test]
async fn a_standby_opens_nothing_and_takes_the_next_version_when_it_leads() {
    let stage = Stage::set();
    let mut teller = Teller::new(&stage.server.kubeconfig).await;
    stage.volume.write(&[("probe.wasm", &probe())]).unwrap();
    let replica = |name: &str| {
        let start = stage
            .start_in(name)
            .with("--event-storage", "probe")
            .with("--objects", "all")
            .flag("--leader-elect");
        start.with("--lease-namespace", "default").start().unwrap()
    };
    let mut leader = replica("leader");
    wait_for_line(&mut leader, &["Sink is open."]);
    let mut standby = replica("standby");
    wait_for_line(&mut standby, &["Standing by"]);
    let next = padded(&probe(), b"next");
    let digest = Digest::of(&next).to_string();
    stage.volume.write(&[("probe.wasm", &next)]).unwrap();
    wait_for_line(
        &mut leader,
        &["The next version of the sink is open", &digest],
    );
    assert!(
        !standby.log().unwrap().contains("is open"),
        "{}",
        standby.log().unwrap()
    );
    assert!(leader.terminate().unwrap().success());
    wait_for_line(
        &mut standby,
        &["The next version of the sink is open", &digest],
    );
    teller.tell("hello").await;
    wait_for_line(&mut standby, &["has taken over", &digest]);
    assert!(standby.terminate().unwrap().success());
}

#[tokio::test]
async fn a_rotated_secret_and_a_changed_grant_are_used_within_seconds() {
    let stage = Stage::set();
    let mut teller = Teller::new(&stage.server.kubeconfig).await;
    let secret = Volume::new(&stage.folder.path().join("secret")).unwrap();
    secret.write(&[("token", b"one")]).unwrap();
    let token = secret.folder().join("token");
    stage.grant("probe", &format!("env: {{TOKEN: {{file: {}, secret: false}}, KEY: {{value: a-hidden-key, secret: true}}}}\n", token.display()));
    stage.volume.write(&[("probe.wasm", &probe())]).unwrap();
    let mut program = stage.probe("log");
    teller.tell("show TOKEN").await;
    wait_for_line(&mut program, &[r#"TOKEN is Ok(\"one\")"#]);
    wait_for_line(&mut program, &["WARN", "Write sha256:"]);
    let mut until_seen = async |text: &str| {
        let began = Instant::now();
        while !program.log().unwrap().contains(text) {
            assert!(
                began.elapsed() < PATIENCE,
                "{text}: {}",
                program.log().unwrap()
            );
            teller.tell("show TOKEN").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        began.elapsed()
    };
    secret.write(&[("token", b"two")]).unwrap();
    let took = until_seen(r#"TOKEN is Ok(\"two\")"#).await;
    println!("a rotated Secret was used after {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    stage.grant("probe", "env: {TOKEN: {value: three}}\n");
    until_seen(r#"TOKEN is Ok(\"three\")"#).await;
    assert!(program.terminate().unwrap().success());
}
