//! The parts of secrets, when a destination repeats them in every form.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::program::Start;
use testkit::scrape::get;
use testkit::stage::Stage;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(120);

const PATH: &str = "aVerySecretSlackPathToken0123456789";
const QUERY: &str = "sig-0123456789-abcdefgh";
const KEY: &str = "sk_live_51H8abcdefGHIJKLmnop";
const PASSWORD: &str = "correct-horse-battery";
const TOKEN: &str = "glsa_9f8e7d6c5b4a3928";
const OTHER_PASSWORD: &str = "staple-of-seven-oxen";
const KEY_ID: &str = "LTAI5tQ0r1s2T3u4V5w6X7y8";
const KEY_SECRET: &str = "Zk3yS3cr3tOfAnAccount";
const SECURITY_TOKEN: &str = "CAISq7w2e9r4t6y1u3i5o8p0a2s4";
const SECRETS: [&str; 9] = [
    PATH,
    QUERY,
    KEY,
    PASSWORD,
    TOKEN,
    OTHER_PASSWORD,
    KEY_ID,
    KEY_SECRET,
    SECURITY_TOKEN,
];

/// A text in the forms that careless programs print.
fn forms(text: &str) -> Vec<String> {
    let each = |form: &dyn Fn(u8) -> String, between: &str| {
        text.bytes().map(form).collect::<Vec<_>>().join(between)
    };
    let base64 = STANDARD.encode(text);
    vec![
        text.to_owned(),
        format!("key[..n]: {}", &text[..text.len() * 3 / 4]),
        format!("{:?}", text.as_bytes()),
        each(&|b| format!("{b:02x}"), ""),
        each(&|b| format!("{b:02X}"), ":"),
        each(&|b| format!("{b:02X}"), " + "),
        each(&|b| format!("={b:02X}"), ""),
        each(&|b| format!("{b}"), " | "),
        each(&|b| format!("00{b:02x}"), ""),
        each(&|b| format!("0x{b:02x}"), ", "),
        each(&|b| format!("\\x{b:02x}"), ""),
        each(&|b| format!("\\u{b:04x}"), ""),
        each(&|b| format!("\\u{{{b:x}}}"), ""),
        each(&|b| format!("&#{b};"), ""),
        each(&|b| format!("&#x{b:x};"), ""),
        each(&|b| format!("%{b:02X}"), ""),
        each(&|b| format!("%25{b:02X}"), ""),
        format!("{}\n{}", &base64[..12], &base64[12..]),
        base64,
        text.bytes().flat_map(|b| [char::from(b), '\0']).collect(),
    ]
}

/// A destination of one sink that refuses, and repeats what it was sent, as it came and in all
/// forms of each of that sink's secrets.
struct Echo {
    port: u16,
    answered: Arc<AtomicUsize>,
}

impl Echo {
    fn of(secrets: &[&str]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, answered) = (
            listener.local_addr().unwrap().port(),
            Arc::<AtomicUsize>::default(),
        );
        let (turns, all): (_, Vec<String>) = (
            answered.clone(),
            secrets.iter().copied().flat_map(forms).collect(),
        );
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&head).into_owned();
                let length = text.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                });
                let _ = stream.read_exact(&mut vec![0; length.unwrap_or(0)]);
                // Another form each time, so that each gets into the words that are kept; mostly as
                // one that is busy, so that it is soon asked again.
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                let status = if turn % 8 == 7 {
                    "403 Forbidden"
                } else {
                    "503 Service Unavailable\r\nRetry-After: 0"
                };
                let body = format!(
                    "{}: no such token at {}",
                    all[turn % all.len()],
                    text.lines().next().unwrap_or_default()
                );
                let answer = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, answered }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Runs of a secret that are long enough to say something: whoever has one of these has a part of
/// it.
fn runs(secret: &str) -> Vec<&str> {
    let width = 15.min(secret.len());
    (0..=secret.len() - width)
        .map(|start| &secret[start..start + width])
        .collect()
}

fn assert_absent(what: &str, text: &str) {
    for secret in SECRETS {
        let forms = forms(secret);
        for form in forms
            .iter()
            .filter(|form| !form.contains('\n') && !form.contains("key[..n]"))
        {
            assert!(
                !text.contains(form.as_str()),
                "{form:?} is in {what}:\n{}",
                text.lines()
                    .find(|line| line.contains(form.as_str()))
                    .unwrap_or_default()
            );
        }
        for run in runs(secret) {
            assert!(
                !text.contains(run),
                "{run:?} is in {what}:\n{}",
                text.lines()
                    .find(|line| line.contains(run))
                    .unwrap_or_default()
            );
        }
    }
}

/// Every file below a folder.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
    found
}

/// Tries: nothing; the destinations of all shipped sinks refuse what they were sent, and repeat
/// path, query, headers, keys, tokens and passwords in twenty forms
/// Ends: none of them, and no fifteen bytes of one, is in a line of the log, a dead letter,
/// `status`, `egress list`, `/readyz`, `/metrics` or a file
#[test]
fn what_a_destination_repeats_of_a_secret_is_shown_nowhere() {
    // Long: one story, told in its order.
    let stage = Stage::set(PROGRAM, &testkit::memory_folder()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let echoes = [
        &[PATH, QUERY, KEY, PASSWORD][..],
        &[OTHER_PASSWORD],
        &[TOKEN],
        &[KEY_ID, KEY_SECRET, SECURITY_TOKEN],
    ]
    .map(Echo::of);
    let [webhook, graphite, tokens, sls] = echoes.each_ref().map(|echo| echo.port);
    let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
        .with("--kubeconfig", &stage.server.kubeconfig);
    let start = start.with("--event-storage", "webhook").env(
        "WEBHOOK_URL",
        format!("http://127.0.0.1:{webhook}/services/T01/{PATH}?{QUERY}&v=1"),
    );
    let start = start
        .env("WEBHOOK_HEADERS", format!("X-Api-Key: {KEY}\nX-Other: v"))
        .env("WEBHOOK_USER", "someone")
        .env("WEBHOOK_PASSWORD", PASSWORD);
    let start = start
        .with("--event-storage", "graphite")
        .env("GRAPHITE_URL", format!("http://127.0.0.1:{graphite}"));
    let start = start
        .env("GRAPHITE_USER", "someone")
        .env("GRAPHITE_PASSWORD", OTHER_PASSWORD);
    let grant = format!(
        "env: {{GRAPHITE_URL: {{value: \"http://127.0.0.1:{tokens}\"}}, GRAPHITE_TOKEN: {{from: TOKEN}}}}\nhttp: [\"${{GRAPHITE_URL}}\"]\n"
    );
    std::fs::write(folder.path().join("tokens.yaml"), grant).unwrap();
    let start = start
        .with("--event-storage", "tokens=graphite")
        .with("--grant-dir", folder.path())
        .env("TOKEN", TOKEN);
    let start = start
        .with("--event-storage", "aliyun-sls")
        .env("SLS_ENDPOINT", format!("http://localhost:{sls}"))
        .env("SLS_PROJECT", "p");
    let start = start
        .env("SLS_LOG_STORE", "s")
        .env("SLS_KEY_ID", KEY_ID)
        .env("SLS_KEY_SECRET", KEY_SECRET)
        .env("SLS_SECURITY_TOKEN", SECURITY_TOKEN);
    let start = start
        .with("--objects", "all")
        .with("--listen-address", "127.0.0.1:0")
        .with("--log-level", "trace");
    let mut program = start.start().unwrap();
    let server = program.telemetry(PATIENCE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = testkit::apiserver::client(&stage.server.kubeconfig).await.unwrap();
        let events: kube::Api<k8s_openapi::api::core::v1::Event> = kube::Api::namespaced(client, "default");
        for n in 0..3 {
            let event = serde_json::json!({"metadata": {"name": format!("e{n}")}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "message": "m", "type": "Normal"});
            events.create(&kube::api::PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
        }
    });
    let data = folder.path().join("data");
    let ask = |line: &[&str]| {
        let output = Command::new(PROGRAM)
            .env_clear()
            .args(line)
            .arg("--data-dir")
            .arg(&data)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    // Until each form has been in the words of a failure, or nearly.
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until && !echoes.iter().all(|echo| echo.answered() > 90) {
        assert_absent("status", &ask(&["status"]));
        for page in ["/readyz?verbose", "/livez?verbose", "/metrics"] {
            assert_absent(page, &get(server, page).unwrap().1);
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    println!("answered: {:?}", echoes.each_ref().map(Echo::answered));
    assert!(
        echoes.iter().all(|echo| echo.answered() > 1),
        "one was never asked again"
    );
    for line in [
        &["dead-letters", "list"][..],
        &["dead-letters", "list", "--format", "json"],
        &["egress", "list"],
        &["config", "show"],
        &["gaps"],
    ] {
        assert_absent(&line.join(" "), &ask(line));
    }
    program.terminate().unwrap();
    for (name, text) in texts(folder.path())
        .into_iter()
        .filter(|(name, _)| !name.ends_with("kubeconfig"))
    {
        assert_absent(&name, &text);
    }
}
