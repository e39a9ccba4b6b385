//! Do the metrics say what happened?

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kubedl_events::telemetry::metrics::METRICS;
use testkit::life::Written;
use testkit::program::Program;
use testkit::scrape::Scrape;
use testkit::stage::Stage;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(120);

fn start(stage: &Stage, flags: &[&str]) -> Program {
    let start = flags.iter().fold(
        stage.start().with("--listen-address", "127.0.0.1:0"),
        |start, flag| start.flag(flag),
    );
    let mut program = start.start().unwrap();
    program.wait_for_log("Watching events.", PATIENCE).unwrap();
    program
}

/// What `promtool check metrics` says, where there is one.
fn lint(text: &str) {
    let promtool = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return eprintln!("promtool is not installed: what it would say is not known");
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let words = [output.stdout, output.stderr]
        .map(|words| String::from_utf8_lossy(&words).into_owned())
        .concat();
    assert!(
        output.status.success() && words.trim().is_empty(),
        "promtool: {words}"
    );
}

/// How many events the API server holds that nobody else wrote.
async fn by_the_server_itself(stage: &Stage, written: &[Written]) -> f64 {
    let events: Api<Event> = Api::all(
        testkit::apiserver::client(&stage.server.kubeconfig)
            .await
            .unwrap(),
    );
    let ours: BTreeSet<&str> = written.iter().map(|written| written.uid.as_str()).collect();
    let listed = events.list(&ListParams::default()).await.unwrap();
    listed
        .iter()
        .filter(|event| !ours.contains(event.metadata.uid.as_deref().unwrap_or_default()))
        .count() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_tells_what_became_of_every_event() {
    // Long: one story, told in its order.
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let mut program = start(&stage, &["--redact=words=Created pod"]);
    let server = program.telemetry(PATIENCE).unwrap();
    let mut life = stage.life("jobs").await.unwrap();
    life.train("mnist").await.unwrap();
    life.noise().await.unwrap();
    let written = life.written();
    let (all, kept) = (
        written.len() as f64,
        written.iter().filter(|written| written.belongs).count() as f64,
    );
    assert!(kept > 20.0 && all > kept);

    let sls = |name: &str| format!("kubedl_events_{name}{{sink=\"aliyun-sls\"}}");
    // What is seen counts a moment before what became of it.
    let decided = |scrape: &Scrape| {
        scrape.sum("kubedl_events_journalled_total") + scrape.sum("kubedl_events_filtered_total")
    };
    let done = |scrape: &Scrape| {
        scrape.get(&sls("delivered_total")) == Some(kept) && decided(scrape) >= all
    };
    let scrape = Scrape::wait(server, PATIENCE, done).unwrap();
    let of = |sample: &str| scrape.get(&format!("kubedl_events_{sample}"));
    // On a machine with much else to do a watch may be opened again, and shows some of them once
    // more; and the API server itself may write one, of an address that it has to repair
    // (Kubernetes' `ipallocator/controller/repairip.go`).
    let (known, filtered) = (
        of("known_total").unwrap(),
        of("filtered_total{rule=\"not-kubedl\"}").unwrap(),
    );
    let own = filtered - (all - kept);
    assert!(
        (0.0..=by_the_server_itself(&stage, life.written()).await).contains(&own),
        "{own}: {}",
        scrape.text
    );
    assert_eq!(
        of("seen_total{scope=\"*\"}"),
        Some(kept + filtered + known),
        "{}",
        scrape.text
    );
    assert_eq!(of("journalled_total"), Some(kept));
    assert_eq!(of("unreadable_total"), Some(0.0));
    assert_eq!(stage.sls.count() as f64, kept);
    assert!(of("redactions_total{rule=\"words\"}").is_some_and(|hidden| hidden > 0.0));
    for (name, wanted) in [
        ("backlog_events", 0.0),
        ("lag_seconds", 0.0),
        ("dead_letters", 0.0),
        ("dead_lettered_total", 0.0),
        ("retries_total", 0.0),
    ] {
        assert_eq!(scrape.get(&sls(name)), Some(wanted), "{name}");
    }
    assert_eq!(scrape.get(&sls("call_events_sum")), Some(kept));
    let requests = stage.sls.requests().len() as f64;
    assert_eq!(scrape.sum("kubedl_events_http_requests_total"), requests);
    assert_eq!(
        of("http_requests_total{sink=\"aliyun-sls\",result=\"200\"}"),
        Some(requests)
    );
    assert_eq!(
        (of("leader"), of("ready"), of("journal_writable")),
        (Some(1.0), Some(1.0), Some(1.0))
    );
    assert_eq!(
        (
            of("gaps_total{kind=\"possible\"}"),
            of("gaps_total{kind=\"certain\"}")
        ),
        (Some(0.0), Some(0.0))
    );
    assert!(of("checkpoint_age_seconds{scope=\"*\"}").is_some_and(|age| age < 300.0));
    assert!(
        scrape
            .get(&sls("sink_memory_bytes"))
            .is_some_and(|bytes| bytes > 65_536.0)
    );
    lint(&scrape.text);

    let described: BTreeMap<String, String> = METRICS
        .iter()
        .map(|metric| (metric.name.to_owned(), metric.kind.name().to_owned()))
        .collect();
    let mut shown = scrape.names();
    // It is there only while the journal fills.
    shown.insert(
        "kubedl_events_journal_full_in_seconds".to_owned(),
        "gauge".to_owned(),
    );
    assert_eq!(shown, described);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_lead_is_told_and_no_counter_goes_back() {
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let mut program = start(&stage, &["--leader-elect"]);
    let server = program.telemetry(PATIENCE).unwrap();
    let mut life = stage.life("jobs").await.unwrap();
    life.train("mnist").await.unwrap();
    let kept = life.written().len() as f64;
    let delivered = "kubedl_events_delivered_total{sink=\"aliyun-sls\"}";
    let leads = |scrape: &Scrape, leads: f64| scrape.get("kubedl_events_leader") == Some(leads);
    Scrape::wait(server, PATIENCE, |scrape| {
        leads(scrape, 1.0) && scrape.get(delivered) == Some(kept)
    })
    .unwrap();

    // Another one takes the Lease, and dies.
    let client = testkit::apiserver::client(&stage.server.kubeconfig)
        .await
        .unwrap();
    let leases: Api<Lease> = Api::namespaced(client, "default");
    let mut lease = leases.get("kubedl-events").await.unwrap();
    loop {
        let spec = lease.spec.as_mut().unwrap();
        spec.holder_identity = Some("another".to_owned());
        spec.renew_time = Some(MicroTime(k8s_openapi::jiff::Timestamp::now()));
        match leases
            .replace("kubedl-events", &PostParams::default(), &lease)
            .await
        {
            Ok(_) => break,
            Err(_) => lease = leases.get("kubedl-events").await.unwrap(),
        }
    }
    let standby = Scrape::wait(server, PATIENCE, |scrape| leads(scrape, 0.0)).unwrap();
    assert_eq!(standby.get(delivered), Some(kept));
    life.train("second").await.unwrap();
    let all = life.written().len() as f64;
    let again = Scrape::wait(server, PATIENCE, |scrape| {
        leads(scrape, 1.0) && scrape.get(delivered) >= Some(all)
    })
    .unwrap();
    assert_eq!(again.get("kubedl_events_ready"), Some(1.0));
    assert_eq!(
        again.get("kubedl_events_backlog_events{sink=\"aliyun-sls\"}"),
        Some(0.0)
    );
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for metric in METRICS {
        let name = metric.name;
        assert!(name.starts_with("kubedl_events_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind.name() == "counter",
            "{name}"
        );
        assert!(
            !metric.help.ends_with('.') && !metric.help.is_empty(),
            "{name}"
        );
        for label in metric.labels {
            let bounded = [
                "sink", "scope", "rule", "cause", "kind", "state", "result", "version", "digest",
            ];
            assert!(
                bounded.contains(label),
                "{name} has a label {label}: can a cluster make it grow without end?"
            );
        }
    }
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/operating.md")
            .is_file()
    );
}
