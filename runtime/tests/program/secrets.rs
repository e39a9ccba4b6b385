//! Does a secret stay out of everything that the program writes, at the most talkative level?

use std::path::Path;

use testkit::program::Start;
use testkit::sls;

use crate::PROGRAM;

fn event(version: u32) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"e","namespace":"n","uid":"u","resourceVersion":"{version}","creationTimestamp":"2026-11-23T01:00:00Z"}},"message":"m","involvedObject":{{"kind":"PyTorchJob","apiVersion":"training.kubedl.io/v1alpha1","name":"j","namespace":"n","uid":"ju"}}}}"#
    )
}

/// Every file below a folder, but the recording.
fn texts(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn the_sls_secret_is_in_no_log_line_at_trace_and_in_no_file() {
    let server = sls::Server::start(sls::Options {
        security_token: Some("token-f3a9c1".into()),
        ..Default::default()
    })
    .unwrap();
    let secret = sls::Options::default().access_key_secret;
    for fault in [
        None,
        Some(sls::Order::answer(
            401,
            "SignatureNotMatch",
            "signature mismatch",
        )),
        Some(sls::Order::cut_before_reading()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording.jsonl");
        std::fs::write(&recording, [event(1), event(2)].join("\n")).unwrap();
        server.clear_orders();
        if let Some(fault) = fault.clone() {
            server.order(fault);
        }
        let start = Start::new(Path::new(PROGRAM), folder.path(), "log")
            .to_sls(&server)
            .env("SLS_SECURITY_TOKEN", "token-f3a9c1");
        let start = start
            .with("--from", &recording)
            .flag("--once")
            .with("--timeout", "3s")
            .with("--grace", "1s")
            .with("--log-level", "trace");
        let (status, out, log) = start.run().unwrap();
        assert_eq!(status.success(), fault.is_none(), "{log}");
        assert!(log.contains("TRACE"), "nothing was traced: {log}");
        for (name, bytes) in texts(folder.path())
            .into_iter()
            .chain([("stdout".to_owned(), out.into_bytes())])
        {
            let text = String::from_utf8_lossy(&bytes);
            for hidden in [secret.as_str(), "token-f3a9c1"] {
                let line = text.lines().find(|line| line.contains(hidden));
                assert_eq!(line, None, "{hidden} is in {name}");
            }
        }
    }
}
