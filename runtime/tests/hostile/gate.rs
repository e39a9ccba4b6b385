//! What a sink can learn, and where it can send it.

// Long: one question, with all of its cases.

use std::path::Path;

use kubedl_events::relay::Outcome;
use testkit::apiserver::{ApiServer, client};
use testkit::connect_proxy;
use testkit::program::Start;
use testkit::web::{Authority, Web};

use crate::{probe, run, said, save, sink};

const SECRET: &str = "pa55w0rd/+ of=the&sink";

/// The secret in every form that the probe knows.
fn forms() -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let mut forms = vec![SECRET.to_owned()];
    forms.push(SECRET.bytes().map(|b| format!("{b:02x}")).collect());
    forms.push(SECRET.bytes().map(|b| format!("{b:02X}")).collect());
    forms.push(SECRET.bytes().map(|b| format!("%{b:02X}")).collect());
    forms.push(SECRET.bytes().map(|b| format!("\\u{b:04x}")).collect());
    for before in ["", "a", "ab"] {
        let text = format!("{before}{SECRET}");
        // Without the characters that its neighbours have a part in.
        let inner = |text: String| text[4..text.len() - 4].to_owned();
        forms.extend([
            inner(STANDARD_NO_PAD.encode(&text)),
            inner(URL_SAFE_NO_PAD.encode(&text)),
        ]);
    }
    forms
}

fn assert_absent(log: &str) {
    // As the JSON of the log's lines has it, and as it was before.
    let texts = [
        log.to_owned(),
        log.replace("\\\\", "\\").replace("\\\"", "\""),
    ];
    for form in forms() {
        for text in &texts {
            assert_eq!(
                text.lines().find(|line| line.contains(&form)),
                None,
                "{form} is in the log"
            );
        }
    }
}

/// Tries: to read all variables, files and metadata services, and to give away what it finds,
/// plain, in base64, in hex, by logs, names of hosts and reasons
/// Ends: it sees its granted variables only; nothing is sent, and the log shows `(secret NAME)` in
/// each place, also at `--log-level trace`
#[test]
fn a_stealing_sink_learns_what_was_granted_and_leaks_none_of_it() {
    let grant = "env:\n  TOKEN: {from: TOKEN}\nhttp: [\"https://sls.example.com\"]\n";
    let (status, log) = run(grant, &["steal", "excuse TOKEN", "environment"], |start| {
        start
            .env("TOKEN", SECRET)
            .env("OTHER", "the-secret-of-another")
            .env("KUBERNETES_SERVICE_HOST", "10.9.8.7")
            .with("--log-level", "trace")
    });
    assert_eq!(
        status.code(),
        Some(3),
        "the event with an excuse is a dead letter: {log}"
    );
    assert_absent(&log);
    assert!(!log.contains("the-secret-of-another"), "{log}");
    let said = said(&log);
    assert!(
        said.contains(&r#"environment ["TOKEN"]"#.to_owned()),
        "{log}"
    );
    assert!(
        said.contains(&"stolen TOKEN=(secret TOKEN)".to_owned()),
        "{log}"
    );
    assert!(
        log.contains("among its dead letters: (secret TOKEN)"),
        "{log}"
    );
    let tries: Vec<&String> = said
        .iter()
        .filter(|line| line.starts_with("tried"))
        .collect();
    assert_eq!(tries.len(), 15, "{tries:?}");
    assert!(
        tries
            .iter()
            .all(|line| line.contains("Denied") || line.contains("Err(")),
        "{tries:?}"
    );
    assert!(
        said.iter()
            .any(|line| line.starts_with("sent ") && line.contains("Denied")),
        "{log}"
    );
}

/// Tries: to have a secret written into a dead letter
/// Ends: the reason that is kept shows `(secret NAME)` in its place
#[tokio::test]
async fn a_secret_gets_into_no_dead_letter() {
    let mut sink = sink("env:\n  TOKEN: {from: TOKEN}\n").await;
    let Outcome::Stored(failures) = save(&mut sink, &["hello", "excuse TOKEN"]).await else {
        panic!("the batch was not stored")
    };
    let reason = &failures[0].reason;
    assert!(reason.matches("(secret TOKEN)").count() >= 10, "{reason}");
    assert!(!reason.contains("value of TOKEN"), "{reason}");
}

/// Tries: to print a secret that is too short to be searched for
/// Ends: nothing that the sink says is shown, and the start names the variable
#[test]
fn a_short_secret_silences_the_sink() {
    let (status, log) = run(
        "env:\n  PIN: {from: PIN}\n",
        &["reveal PIN", "excuse PIN"],
        |start| start.env("PIN", "73x91q"),
    );
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(
        !log.contains("73x91q") && !log.contains("73783931"),
        "{log}"
    );
    assert!(said(&log).is_empty(), "{log}");
    assert!(
        log.contains(r#""variables":"PIN""#) && log.contains("secret: false"),
        "{log}"
    );
    assert!(
        log.contains("not shown: the secret in PIN is too short"),
        "{log}"
    );
}

/// Tries: nothing; its operator lets it write to stdout with a secret too short to be searched for
/// Ends: the start is refused with the variable and what to change
#[test]
fn a_short_secret_and_the_process_stdout_are_not_granted_together() {
    let (status, log) = run(
        "env:\n  PIN: {from: PIN}\nstdout: inherit\n",
        &["reveal PIN"],
        |start| start.env("PIN", "73x91q"),
    );
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains("can't be kept out of it: PIN") && !log.contains("73x91q"),
        "{log}"
    );
}

/// Tries: to fill the log with denials of made-up hosts
/// Ends: twenty are said; further ones are denied in silence
#[test]
fn denials_are_said_for_a_few_hosts_only() {
    let messages: Vec<String> = (0..50)
        .map(|n| format!("get https://h{n}.example.com/"))
        .collect();
    let (status, log) = run(
        "",
        &messages.iter().map(String::as_str).collect::<Vec<_>>(),
        |start| start,
    );
    assert!(status.success(), "{log}");
    assert_eq!(
        log.matches("The sink was denied a destination").count(),
        20,
        "{log}"
    );
    assert_eq!(
        said(&log)
            .iter()
            .filter(|line| line.contains("Denied"))
            .count(),
        50,
        "{log}"
    );
    assert!(
        log.contains("further ones are denied, but not said"),
        "{log}"
    );
}

/// Each answer is in the order of the messages.
fn assert_answers(log: &str, wanted: &[&str]) {
    let mut answers = said(log);
    assert_eq!(answers.pop().as_deref(), Some("closed"), "{log}");
    assert_eq!(answers.len(), wanted.len(), "{log}");
    for (answer, wanted) in answers.iter().zip(wanted) {
        assert!(
            answer.contains(wanted),
            "{answer} should have {wanted}: {log}"
        );
    }
}

/// Tries: to be led to a metadata service by a redirect, to have a gigabyte of answer kept, or
/// unpacked, and to be answered never
/// Ends: the redirect is shown and not followed; bodies are cut at 4 MiB and stay packed; more than
/// 64 KiB of headers are no answer; requests end before the call does
#[test]
fn what_a_server_answers_costs_no_more_than_its_cap() {
    let web = Web::start().unwrap();
    let at = |path: &str| format!("get http://127.0.0.1:{}{path}", web.port());
    let grant = format!(
        "http: [\"http://127.0.0.1:{}\"]\nlimits: {{call: 10s}}\n",
        web.port()
    );
    let messages = [
        "/redirect",
        "/huge",
        "/headers",
        "/long-header",
        "/zeros.gz",
        "/slow",
    ]
    .map(at);
    let (status, log) = run(&grant, &messages.each_ref().map(String::as_str), |start| {
        start
    });
    assert!(
        status.success(),
        "the call is not ended by the slow answer: {log}"
    );
    let wanted = [
        "status 302",
        "status 200 bytes 4194304 truncated true",
        "headers 112",
        "Protocol",
        "status 200 bytes 1000 truncated false",
        "Timeout",
    ];
    assert_answers(&log, &wanted);
    assert_eq!(
        log.matches("sends on to 169.254.169.254 (302). Redirects are not followed")
            .count(),
        1,
        "{log}"
    );
}

/// Tries: to have many huge answers at once
/// Ends: all of them together get a quarter of its memory, and are cut to it
#[test]
fn many_huge_answers_share_one_cap() {
    let web = Web::start().unwrap();
    let grant = format!(
        "http: [\"http://127.0.0.1:{}\"]\nlimits: {{memory: 16MiB}}\n",
        web.port()
    );
    let (status, log) = run(
        &grant,
        &[&format!("all 100 http://127.0.0.1:{}/huge", web.port())],
        |start| start,
    );
    assert!(status.success(), "{log}");
    assert_answers(
        &log,
        &["all 100 bytes 4194300 the last status 200 bytes 41943 truncated true"],
    );
}

/// Tries: to send more than is allowed, or headers that frame a message
/// Ends: nothing is sent, and the answer says the limit
#[test]
fn what_a_sink_sends_is_capped() {
    let web = Web::start().unwrap();
    let at = format!("http://127.0.0.1:{}/", web.port());
    let grant = format!("http: [\"{at}\"]\n").replace("/\"", "\"");
    let messages = [
        format!("headers 101 1 {at}"),
        format!("headers 50 2000 {at}"),
        format!("post 33 {at}"),
        format!("header Transfer-Encoding {at}"),
    ];
    let (status, log) = run(&grant, &messages.each_ref().map(String::as_str), |start| {
        start
    });
    assert!(status.success(), "{log}");
    assert_answers(
        &log,
        &[
            "at most 100",
            "at most 100 of 65536 bytes",
            "RequestTooLarge(33554432)",
            "host's to set",
        ],
    );
    assert!(web.heads().is_empty(), "{:?}", web.heads());
}

/// Tries: to reach the cluster's API server, though a grant would let it
/// Ends: its address and port, and its name and port, are refused in any case; another port of the
/// same machine is not
#[test]
fn the_api_server_is_never_reached() {
    let (api, other) = (Web::start().unwrap(), Web::start().unwrap());
    let hosts = [
        format!("http://127.0.0.1:{}", api.port()),
        format!("http://localhost:{}", api.port()),
        format!("http://127.0.0.1:{}", other.port()),
    ];
    let grant = format!("http: {hosts:?}\n");
    let messages = hosts.each_ref().map(|host| format!("get {host}/"));
    let (status, log) = run(&grant, &messages.each_ref().map(String::as_str), |start| {
        start
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", api.port().to_string())
    });
    assert!(status.success(), "{log}");
    // The name has another address, ::1, where nobody listens.
    assert_answers(&log, &["Denied(\"http://127.0.0.1:", "", "status 200"]);
    assert!(api.heads().is_empty(), "{:?}", api.heads());
}

/// Tries: to reach the API server that the service itself watches
/// Ends: it is refused as the kubeconfig names it, by name and by address
#[tokio::test]
async fn the_watched_api_server_is_never_reached() {
    use k8s_openapi::api::core::v1::Event;
    let folder = tempfile::tempdir().unwrap();
    let server = ApiServer::start(&folder.path().join("cluster"), &[]).unwrap();
    let hosts = [
        server.url.clone(),
        server.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
    ];
    let events =
        kube::Api::<Event>::namespaced(client(&server.kubeconfig).await.unwrap(), "default");
    for (n, host) in hosts.iter().enumerate() {
        let event = serde_json::json!({
            "metadata": {"name": format!("attack-{n}")}, "message": format!("get {host}/version"),
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        });
        events
            .create(&Default::default(), &serde_json::from_value(event).unwrap())
            .await
            .unwrap();
    }
    std::fs::write(
        folder.path().join("probe.yaml"),
        format!("http: {hosts:?}\n"),
    )
    .unwrap();
    let start = Start::new(
        Path::new(env!("CARGO_BIN_EXE_kubedl-events")),
        folder.path(),
        "log",
    )
    .with("--event-storage", probe());
    let start = start
        .with("--kubeconfig", &server.kubeconfig)
        .with("--grant-dir", folder.path())
        .with("--objects", "all");
    let (status, _, log) = start.flag("--once").with("--timeout", "60s").run().unwrap();
    assert!(status.success(), "{log}");
    let answers: Vec<String> = said(&log)
        .into_iter()
        .filter(|line| line.starts_with("get "))
        .collect();
    assert_eq!(answers.len(), 2, "{log}");
    assert!(
        answers
            .iter()
            .all(|answer| answer.contains("Denied") && answer.contains("API server")),
        "{answers:?}"
    );
}

/// A folder with the authority's certificate, and the answers of a server that has one of its own.
fn with_tls(clients: bool, names: &[&str]) -> (tempfile::TempDir, Authority, Web) {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new().unwrap());
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let web = Web::start_tls(authority.server(names, clients).unwrap()).unwrap();
    (folder, authority, web)
}

/// Tries: nothing; its destination has a certificate of an authority that nobody knows, or of
/// another name
/// Ends: no request is sent without `--ca-file`, and none to a name that the certificate doesn't
/// have
#[test]
fn certificates_are_checked_against_the_built_in_and_the_operators_authorities() {
    let (folder, _, web) = with_tls(false, &["localhost"]);
    let hosts = [
        format!("https://localhost:{}", web.port()),
        format!("https://127.0.0.1:{}", web.port()),
    ];
    let messages = hosts.each_ref().map(|host| format!("get {host}/"));
    let messages = messages.each_ref().map(String::as_str);
    let (_, log) = run(&format!("http: {hosts:?}\n"), &messages, |start| start);
    assert_answers(&log, &["Tls", "Tls"]);
    let (_, log) = run(&format!("http: {hosts:?}\n"), &messages, |start| {
        start.with("--ca-file", folder.path().join("ca.pem"))
    });
    assert_answers(&log, &["status 200", "Tls"]);
    assert_eq!(web.heads().len(), 1);
}

/// Tries: to see the key of the client certificate that its requests are sent with
/// Ends: its destination sees the certificate; the sink finds neither in its variables nor in files
#[test]
fn a_client_certificate_is_shown_and_its_key_is_not() {
    let (folder, authority, web) = with_tls(true, &["localhost"]);
    let own = authority.certify(&["sink"]).unwrap();
    let [cert, key] = [("tls.crt", &own.certificate), ("tls.key", &own.key)].map(|(name, pem)| {
        std::fs::write(folder.path().join(name), pem).unwrap();
        folder.path().join(name)
    });
    let host = format!("https://localhost:{}", web.port());
    let without = format!("http: [\"{host}\"]\n");
    let with = format!(
        "{without}tls: {{client-certificate: {{cert: {}, key: {}}}}}\n",
        cert.display(),
        key.display()
    );
    let (get, read) = (format!("get {host}/"), format!("file {}", key.display()));
    let trust = |start: Start| start.with("--ca-file", folder.path().join("ca.pem"));
    let (_, log) = run(&without, &[&get], trust);
    assert!(!log.contains("status 200"), "{log}");
    let (_, log) = run(&with, &[&get, "environment", &read], trust);
    assert_answers(&log, &["status 200", "environment []", "Err("]);
    assert!(!log.contains(own.key.lines().nth(1).unwrap()), "{log}");
    std::fs::write(&key, authority.certify(&["other"]).unwrap().key).unwrap();
    let (status, log) = run(&with, &[&get], trust);
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains("the key does not fit the certificate"),
        "{log}"
    );
}

/// Tries: to have the operator's proxy fetch what it may not reach itself
/// Ends: the proxy is asked for granted names only; metadata services, refused addresses and this
/// machine are not asked for through it
#[test]
fn the_operators_proxy_is_asked_for_granted_names_only() {
    // Long: one story, told in its order.
    let (folder, _, web) = with_tls(false, &["sls.example.com", "localhost"]);
    let proxy = connect_proxy::start(web.address()).unwrap();
    let local = format!("https://localhost:{}", web.port());
    let hosts = [
        "https://sls.example.com",
        "https://169.254.169.254",
        "https://metadata.google.internal",
        "https://[::ffff:a9fe:a9fe]",
        &local,
    ];
    let messages = [
        hosts[0],
        "https://evil.example.com",
        hosts[1],
        hosts[2],
        hosts[3],
        hosts[4],
    ]
    .map(|host| format!("get {host}/"));
    let (status, log) = run(
        &format!("http: {hosts:?}\n"),
        &messages.each_ref().map(String::as_str),
        |start| {
            let url = format!("http://me:proxy-pass-word@{}", proxy.address());
            let level = "trace,ureq=trace,ureq::run=trace,ureq_proto=trace,rustls=trace";
            start
                .with("--https-proxy", url)
                .with("--ca-file", folder.path().join("ca.pem"))
                .with("--log-level", level)
        },
    );
    assert!(status.success(), "{log}");
    assert_answers(
        &log,
        &[
            "status 200",
            "Denied",
            "Denied",
            "Denied",
            "Denied",
            "status 200",
        ],
    );
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].starts_with("CONNECT sls.example.com:443 ")
            && heads[0].contains("Proxy-Authorization: Basic "),
        "{heads:?}"
    );
    assert!(!log.contains("proxy-pass-word"), "{log}");
    let carrier = |line: &&str| {
        [r#""target":"ureq"#, r#""target":"rustls"#]
            .iter()
            .any(|target| line.contains(target))
    };
    assert_eq!(
        log.lines().find(carrier),
        None,
        "what carries requests says nothing, whatever is asked for"
    );
}

/// Tries: nothing; the operator's proxy is not there
/// Ends: the answer says that it is the proxy; a host of `--no-proxy` is looked up here
#[test]
fn a_proxy_that_is_not_there_is_told_apart_from_a_destination() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (_, log) = run(
        "http: [\"https://sls.invalid\", \"https://other.invalid\"]\n",
        &["get https://sls.invalid/", "get https://other.invalid/"],
        |start| {
            start
                .with("--https-proxy", format!("http://{gone}"))
                .with("--no-proxy", "other.invalid")
        },
    );
    assert_answers(&log, &["Proxy(", "Dns("]);
}

/// Tries: nothing; its operator mistypes a flag of the network
/// Ends: the start is refused with what is wrong, and a proxy's password is not in it
#[test]
fn a_mistyped_network_is_told() {
    for (flag, value, words) in [
        (
            "--https-proxy",
            "socks5://me:proxy-pass-word@x:1",
            "http://HOST:PORT",
        ),
        ("--no-proxy", "a..b", "\"a..b\""),
        ("--ca-file", "/nowhere.pem", "/nowhere.pem"),
        (
            "--ca-file",
            env!("CARGO_BIN_EXE_kubedl-events"),
            "no certificate",
        ),
    ] {
        let (status, log) = run("", &[], |start| {
            start
                .with(flag, value)
                .env("KUBEDL_EVENTS_HTTPS_PROXY", "http://proxy:1")
        });
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(
            log.contains(words) && !log.contains("proxy-pass-word"),
            "{log}"
        );
    }
}
