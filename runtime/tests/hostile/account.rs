//! How much a sink may send, and what is known of it afterwards.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::program::Start;
use testkit::web::Web;

use crate::{probe, recorded, run, said};

/// Tries: to send more requests than its grant gives it for a minute
/// Ends: those beyond are not sent, and the answer says which limit it is
#[test]
fn what_is_over_the_budget_is_not_sent() {
    let web = Web::start().unwrap();
    let at = format!("http://127.0.0.1:{}", web.port());
    let grant = format!("http: [\"{at}\"]\nlimits: {{requests-per-minute: 3}}\n");
    let messages: Vec<String> = (0..5).map(|n| format!("get {at}/{n}")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let (status, log) = run(&grant, &messages, |start| start);
    assert!(status.success(), "{log}");
    let said = said(&log);
    assert_eq!(
        said.iter()
            .filter(|line| line.contains("status 200"))
            .count(),
        3,
        "{log}"
    );
    assert_eq!(
        said.iter()
            .filter(|line| line.contains("NotSent") && line.contains("limits.requests-per-minute"))
            .count(),
        2,
        "{log}"
    );
    assert_eq!(web.heads().len(), 3);
}

/// Tries: to send requests that nobody hears of: granted ones, denied ones, with a secret in the
/// host's name
/// Ends: each is in the account, with host, address, bytes and result, and without the secret
#[test]
fn each_request_is_in_the_account() {
    // Long: one story, told in its order.
    let web = Web::start().unwrap();
    let at = format!("http://127.0.0.1:{}", web.port());
    let folder = tempfile::tempdir().unwrap();
    let grant = format!("env:\n  TOKEN: {{from: TOKEN}}\nhttp: [\"{at}\"]\n");
    std::fs::write(folder.path().join("probe.yaml"), grant).unwrap();
    let api =
        testkit::stage::Stage::set(env!("CARGO_BIN_EXE_kubedl-events"), folder.path()).unwrap();
    let messages = [
        format!("get {at}/some/path?value=1"),
        "get http://hunter2hunter2.example.com/".to_owned(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = testkit::apiserver::client(&api.server.kubeconfig)
            .await
            .unwrap();
        let events: kube::Api<k8s_openapi::api::core::v1::Event> =
            kube::Api::namespaced(client, "default");
        for (n, message) in messages.iter().enumerate() {
            let mut event: serde_json::Value = serde_json::from_str(&recorded(message, n)).unwrap();
            event["metadata"] =
                serde_json::json!({"name": format!("e{n}"), "namespace": "default"});
            event["involvedObject"]["namespace"] = "default".into();
            event["reason"] = "R".into();
            event["type"] = "Normal".into();
            events
                .create(
                    &kube::api::PostParams::default(),
                    &serde_json::from_value(event).unwrap(),
                )
                .await
                .unwrap();
        }
    });
    let data = folder.path().join("data");
    let start = Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    )
    .with("--event-storage", probe());
    let start = start
        .with("--grant-dir", folder.path())
        .with("--kubeconfig", &api.server.kubeconfig)
        .with("--objects", "all");
    let program = start.env("TOKEN", "hunter2hunter2").start().unwrap();
    let list = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubedl-events"))
            .args(["egress", "list", "--data-dir"])
            .arg(&data)
            .args(more)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let until = std::time::Instant::now() + Duration::from_secs(120);
    let all = loop {
        let (well, text) = list(&["--format", "json"]);
        let all: Vec<serde_json::Value> = if well {
            serde_json::from_str(&text).unwrap()
        } else {
            Vec::new()
        };
        if all.len() >= 2 {
            break all;
        }
        assert!(std::time::Instant::now() < until, "{text}");
        std::thread::park_timeout(Duration::from_millis(50));
    };
    let one = |result: &str| {
        all.iter()
            .find(|exchange| exchange["result"] == result)
            .unwrap_or_else(|| panic!("{result}: {all:?}"))
    };
    let sent = one("200");
    assert_eq!(
        (&sent["sink"], &sent["method"], &sent["host"]),
        (&"probe".into(), &"GET".into(), &"127.0.0.1".into())
    );
    assert_eq!(
        (&sent["address"], &sent["port"]),
        (&"127.0.0.1".into(), &web.port().into())
    );
    assert!(sent["batch"].as_u64().unwrap() >= 1, "{sent}");
    assert_eq!(one("denied")["host"], "(secret TOKEN).example.com");
    let (_, text) = list(&[]);
    assert!(
        text.contains(&format!("GET http://127.0.0.1:{}", web.port()))
            && !text.contains("some/path")
            && !text.contains("hunter2"),
        "{text}"
    );
    let (well, why) = list(&["--sink", "other"]);
    assert!(
        !well && why.contains("no sink \"other\"") && why.contains("probe"),
        "{why}"
    );
    drop(program);
}
