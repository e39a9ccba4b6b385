//! Does each mistake of the page for operators lead to the words that the page says, and to no
//! loss?

use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::apiserver::{ApiServer, kubeconfig_of};
use testkit::program::{Program, Start};
use testkit::sls;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the page says about a mistake.
fn words(mistake: &str) -> String {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md"))
            .unwrap();
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| {mistake}")))
        .unwrap_or_else(|| panic!("the page has no {mistake:?}"));
    let said = row.split(" | ").nth(1).unwrap();
    said.trim_matches('`').to_owned()
}

fn begin(folder: &Path, name: &str) -> Start {
    Start::new(Path::new(PROGRAM), folder, name)
}

fn recorded(start: Start) -> Start {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/recordings/job.jsonl");
    start.with("--from", recording)
}

/// It ends with this code and says what the page says.
fn refused(start: Start, code: i32, mistake: &str) {
    let (status, _, log) = start.run().unwrap();
    assert_eq!(status.code(), Some(code), "{log}");
    assert!(
        log.contains(&words(mistake)),
        "{:?} is not in: {log}",
        words(mistake)
    );
}

/// It says what the page says, and goes on.
fn said(start: Start, mistake: &str) -> Program {
    let mut program = start.start().unwrap();
    program
        .wait_for_log(&words(mistake), PATIENCE)
        .unwrap_or_else(|why| panic!("{why}: {}", program.log().unwrap_or_default()));
    program
}

fn copied(folder: &Path, sink: &str) -> PathBuf {
    let copy = folder.join(format!("{sink}.wasm"));
    std::fs::copy(
        testkit::program::sinks().join(format!("{sink}.wasm")),
        &copy,
    )
    .unwrap();
    copy
}

#[test]
fn a_wrong_name_of_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let server = sls::Server::start(sls::Options::default()).unwrap();
    let start = recorded(begin(folder.path(), "log"))
        .to_sls(&server)
        .env("SLS_ENDPOINT", "")
        .env("SLS_ENDPONT", server.endpoint());
    refused(start, 2, "a variable's name is wrong");
}

#[test]
fn a_wrong_key_of_a_mounted_secret() {
    let folder = tempfile::tempdir().unwrap();
    let sink = copied(folder.path(), "stdout");
    std::fs::write(
        folder.path().join("stdout.yaml"),
        "env: {TOKEN: {file: /etc/credentials/token}}\nstdout: inherit\n",
    )
    .unwrap();
    let start = recorded(begin(folder.path(), "log"))
        .with("--event-storage", sink)
        .with("--grant-dir", folder.path());
    refused(start, 2, "a key of the Secret is wrong");
}

#[test]
fn a_sink_without_a_grant() {
    let folder = tempfile::tempdir().unwrap();
    let sink = copied(folder.path(), "webhook");
    let start = recorded(begin(folder.path(), "log"))
        .with("--event-storage", sink)
        .env("WEBHOOK_URL", "http://localhost:1");
    refused(start, 2, "the sink has no grant");
}

#[test]
fn a_grant_of_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let sink = copied(folder.path(), "webhook");
    let grant = "env: {WEBHOOK_URL: {value: 'https://hooks.example.com/in'}}\nhttp: ['https://hook.example.com']\n";
    std::fs::write(folder.path().join("webhook.yaml"), grant).unwrap();
    let start = recorded(begin(folder.path(), "log"))
        .with("--event-storage", sink)
        .with("--grant-dir", folder.path());
    said(start, "the grant has another host")
        .terminate()
        .unwrap();
}

#[test]
fn a_config_map_that_holds_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let sink = folder.path().join("mine.wasm");
    std::fs::write(&sink, "<html>not found</html>").unwrap();
    refused(
        recorded(begin(folder.path(), "log")).with("--event-storage", sink),
        2,
        "the ConfigMap is not readable",
    );
}

#[test]
fn a_clock_that_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = sls::Server::start(sls::Options::default()).unwrap();
    server.order(sls::Order::skew_clock(3_600).times(u32::MAX));
    let (status, _, log) = recorded(begin(folder.path(), "log"))
        .to_sls(&server)
        .flag("--once")
        .run()
        .unwrap();
    assert!(status.success() && server.count() > 0, "{log}");
    assert!(log.contains(&words("the clock is off")), "{log}");
}

#[test]
fn mistakes_about_the_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(
        &folder.path().join("cluster"),
        &["--extra-tokens", "nobody,nobody,nobodies"],
    )
    .unwrap();
    let start = |name: &str| begin(folder.path(), name).with("--event-storage", "stdout");
    refused(
        start("a").with(
            "--kubeconfig",
            kubeconfig_of("nobody", &server, folder.path().join("nobody")).unwrap(),
        ),
        1,
        "the ServiceAccount lacks rights",
    );
    refused(
        start("b").with(
            "--kubeconfig",
            kubeconfig_of("expired", &server, folder.path().join("expired")).unwrap(),
        ),
        1,
        "the token has expired",
    );
    let first = said(
        start("c")
            .with("--kubeconfig", &server.kubeconfig)
            .with("--namespace", "trian"),
        "the namespace is wrong",
    );
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let second = begin(&other, "d")
        .with("--event-storage", "stdout")
        .with("--kubeconfig", &server.kubeconfig);
    said(second, "two releases run side by side")
        .terminate()
        .unwrap();
    first.terminate().unwrap();
}
