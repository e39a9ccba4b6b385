//! Is it said what answers in place of an API server, and not too often?

use std::io::Write;
use std::time::Duration;

use testkit::fake_api::{Asked, FakeApi, Reply};

use super::api::{Api, json, list, reply};
use super::run::{Case, PATIENCE, complaints, kubeconfig};

fn said(answer: Vec<u8>) -> String {
    let (api, case) = (Api::changed(move |_, _| Some(answer.clone())), Case::new());
    let ended = case.once_for(
        case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"),
        "4s",
    );
    assert_eq!(ended.code, 4, "{}", ended.log);
    assert!(complaints(&ended.log).len() <= 3, "{}", ended.log);
    ended.log
}

#[test]
fn what_is_no_api_server_is_named() {
    // Long: a table of cases.
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>secret-of-the-page</body></html>";
    let date = |seconds| httpdate_in(seconds);
    for (answer, words) in [
        (
            reply("200 OK", "Content-Type: text/html; charset=utf-8\r\n", page),
            &["web page (HTML, status 200)"][..],
        ),
        (
            reply("403 Forbidden", "Content-Type: text/html\r\n", page),
            &["web page (HTML, status 403)"],
        ),
        (
            reply("502 Bad Gateway", "Content-Type: text/html\r\n", page),
            &["502", "web page"],
        ),
        (
            reply(
                "302 Found",
                "Location: https://login.example.test/?x=secret-of-the-page\r\n",
                "",
            ),
            &["sends on to the host login.example.test (302)"],
        ),
        (
            reply(
                "301 Moved Permanently",
                "Location: https://127.0.0.1/\r\n",
                "",
            ),
            &["write https:// into the server of the kubeconfig"],
        ),
        (
            reply("200 OK", "Content-Encoding: br\r\n", "x"),
            &["encoded as \\\"br\\\""],
        ),
        (
            json(
                "503 Service Unavailable",
                &format!("Retry-After: {}\r\n", date(3600)),
                r#"{"kind":"Status","status":"Failure","message":"later","code":503}"#,
            ),
            &["503: later"],
        ),
        (json("200 OK", "", ""), &["it is empty"]),
        (
            reply("200 OK", "Content-Type: text/plain\r\n", "It works!"),
            &["begins with \\\"It works!\\\""],
        ),
        (
            json("200 OK", "", r#"{"healthy":true}"#),
            &["no namespace with a uid"],
        ),
        (
            reply(
                "429 Too Many Requests",
                "Content-Type: text/plain\r\n",
                "slow down",
            ),
            &["429: slow down"],
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            &["does not speak HTTP"],
        ),
    ] {
        let log = said(answer);
        for word in words {
            assert!(log.contains(word), "{word:?} is not in {log}");
        }
        assert!(!log.contains("secret-of-the-page"), "{log}");
    }
}

#[test]
fn explain_ends_where_no_api_server_answers() {
    let case = Case::new();
    let event = r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"e","namespace":"lab","uid":"u","resourceVersion":"1"},"involvedObject":{"kind":"Pod","name":"p"}}"#;
    let file = case.folder.path().join("in.json");
    std::fs::write(&file, event).unwrap();
    let explain = |cluster: &str, user: &str| {
        let mut command = std::process::Command::new(super::run::PROGRAM);
        command
            .env_clear()
            .args([
                "explain",
                "--live",
                "--event-storage",
                "stdout",
                "--shipped-sinks",
            ])
            .arg(testkit::program::sinks());
        let output = command
            .arg("--kubeconfig")
            .arg(kubeconfig(case.folder.path(), cluster, user))
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (code, words) = explain("{server: 'http://127.0.0.1:1'}", "{}");
    assert!(
        code == Some(1) && words.contains("nothing listens at http://127.0.0.1:1"),
        "{code:?} {words}"
    );
    let plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /no/such/plugin, interactiveMode: Never}}";
    let (code, words) = explain("{server: 'http://127.0.0.1:1'}", plugin);
    assert!(
        code == Some(1) && words.contains("/no/such/plugin"),
        "{code:?} {words}"
    );
    let (code, words) = explain(
        &format!("{{server: 'http://{}'}}", Api::start().address),
        "{}",
    );
    assert!(code == Some(0) && words.contains("e"), "{code:?} {words}");
}

#[test]
fn a_page_in_place_of_a_list_is_named() {
    let api = Api::changed(|line, _| {
        line.contains("/events?")
            .then(|| reply("200 OK", "", "<html><title>Sign in</title>"))
    });
    let case = Case::new();
    case.once_for(
        case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"),
        "4s",
    )
    .says(4, &["it is a web page, \\\"Sign in\\\""]);
}

#[test]
fn who_takes_a_connection_and_never_answers_is_named() {
    let run = |time: &str, is_mute: fn(&Asked) -> bool| {
        let case = Case::new();
        let api = FakeApi::start(move |asked| is_mute(asked).then_some(Reply::Silence)).unwrap();
        case.once_for(
            case.start()
                .with("--kubeconfig", api.kubeconfig(case.folder.path()).unwrap()),
            time,
        )
    };
    run("15s", |_| true).says(
        4,
        &[
            "the API server can't be reached: it has not answered for 10 s",
            "--timeout (15 s) passed before all events were read",
        ],
    );
    run("4s", |asked| asked.is_about("events"))
        .says(4, &["--timeout (4 s) passed before all events were read"]);
}

#[test]
fn answers_that_a_proxy_compresses_are_read() {
    let zipped = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let api = Api::changed(move |line, _| {
        let text = match line {
            line if line.contains("kube-system") => {
                r#"{"kind":"Namespace","metadata":{"name":"kube-system","uid":"ks"}}"#.to_owned()
            }
            line if line.contains("/events?") => list(""),
            _ => return None,
        };
        Some(reply(
            "200 OK",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            zipped(&text),
        ))
    });
    let case = Case::new();
    case.once(case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"))
        .is_well();
    assert!(
        api.heads()
            .iter()
            .all(|head| head.contains("accept-encoding: identity")),
        "{:?}",
        api.heads()
    );
}

#[test]
fn a_token_of_a_page_comes_back_as_it_was_given() {
    let token = "a+b/c==&limit=1#?% \u{e4}";
    let api = Api::changed(move |line, _| {
        let wanted = "continue=a%2Bb%2Fc%3D%3D%26limit%3D1%23%3F%25%20%C3%A4";
        (line.contains("/events?") && !line.contains(wanted)).then(|| {
            match line.contains("continue=") {
                true => json(
                    "400 Bad Request",
                    "",
                    r#"{"message":"continue key is not valid"}"#,
                ),
                false => json("200 OK", "", &list(&format!(r#","continue":"{token}""#))),
            }
        })
    });
    let case = Case::new();
    let ended = case.once(case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"));
    assert_eq!(
        (ended.code, ended.out.lines().count()),
        (0, 1),
        "{}",
        ended.log
    );
}

fn httpdate_in(seconds: u64) -> String {
    jiff::Timestamp::try_from(std::time::SystemTime::now() + Duration::from_secs(seconds))
        .unwrap()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

#[test]
fn a_busy_api_server_is_asked_again_when_it_says_also_by_a_date() {
    let api = Api::changed(|line, before| {
        let busy = line.contains("/events?") && before < 6;
        busy.then(|| {
            json(
                "429 Too Many Requests",
                &format!("Retry-After: {}\r\n", httpdate_in(4)),
                r#"{"message":"too many"}"#,
            )
        })
    });
    let case = Case::new();
    case.once(case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"))
        .says(0, &["429: too many"]);
    let lists: Vec<_> = api
        .asked()
        .into_iter()
        .filter(|(_, head)| head.contains("/events?"))
        .collect();
    assert!(lists.len() >= 2, "{lists:?}");
    for pair in lists.windows(2) {
        // A date has whole seconds.
        assert!(pair[1].0 - pair[0].0 >= Duration::from_secs(2), "{lists:?}");
    }
}

#[test]
fn a_busy_api_server_is_left_alone_for_as_long_as_it_says_by_each_kind_of_request() {
    let details = r#"{"kind":"Status","status":"Failure","message":"too many","code":429,"details":{"retryAfterSeconds":4}}"#;
    for busy in [
        json("429 Too Many Requests", "Retry-After: 4\r\n", ""),
        json(
            "503 Service Unavailable",
            "",
            &details.replace("429", "503"),
        ),
    ] {
        // To begin with; of the Lease, which is read by who begins and by who keeps it; of Pods.
        for (what, who_ask) in [
            ("/namespaces/kube-system", 1),
            ("/leases/", 2),
            ("/pods?", 1),
        ] {
            let answer = busy.clone();
            let api = Api::changed(move |line, _| line.contains(what).then(|| answer.clone()));
            let case = Case::new();
            let program = case
                .by(&format!("{{server: 'http://{}'}}", api.address), "{}")
                .start()
                .unwrap();
            let asked = || {
                api.asked()
                    .into_iter()
                    .filter(|(_, head)| head.lines().next().unwrap().contains(what))
                    .collect::<Vec<_>>()
            };
            let until = std::time::Instant::now() + PATIENCE;
            while asked().len() < 2 + who_ask {
                assert!(std::time::Instant::now() < until, "{:?}", api.asked());
                std::thread::park_timeout(Duration::from_millis(50));
            }
            for times in asked().windows(1 + who_ask) {
                assert!(
                    times[who_ask].0 - times[0].0 >= Duration::from_millis(3_900),
                    "{what}: {:?}",
                    asked()
                );
            }
            program.kill().unwrap();
        }
    }
}

#[test]
fn an_api_server_that_is_away_is_a_few_lines() {
    let (api, case) = (
        Api::changed(|_, _| {
            Some(json(
                "500 Internal Server Error",
                "",
                r#"{"kind":"Status","status":"Failure","message":"away","code":500}"#,
            ))
        }),
        Case::new(),
    );
    let server = format!("{{server: 'http://{}'}}", api.address);
    let program = case.by(&server, "{}").start().unwrap();
    api.wait(12);
    let log = program.log().unwrap();
    assert!(program.terminate().unwrap().success());
    let lines = complaints(&log);
    assert!((1..=3).contains(&lines.len()), "{log}");
    assert!(lines[0].contains("500: away"), "{log}");
}

#[test]
fn one_that_goes_away_later_is_a_few_lines_too() {
    let gone = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = gone.clone();
    let api = Api::changed(move |line, _| {
        let gone = seen.load(std::sync::atomic::Ordering::Relaxed);
        (gone || line.contains("watch=")).then(|| {
            json(
                "500 Internal Server Error",
                "",
                r#"{"kind":"Status","status":"Failure","message":"away","code":500}"#,
            )
        })
    });
    let case = Case::new();
    let mut program = case.until(
        case.by(&format!("{{server: 'http://{}'}}", api.address), "{}"),
        "The list is read.",
    );
    gone.store(true, std::sync::atomic::Ordering::Relaxed);
    let before = api.asked().len();
    api.wait(before + 25);
    program.wait_for_log("away", PATIENCE).unwrap();
    let log = program.log().unwrap();
    let lines: Vec<&str> = complaints(&log)
        .into_iter()
        .filter(|line| line.contains("away"))
        .collect();
    assert!(lines.len() <= 3, "{log}");
}
