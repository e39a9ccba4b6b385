//! Can what was written be read back in the three forms that SDKs ask for?

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::client::{Request, bytes_field, log, now, server};
use serde_json::{Value, json};
use testkit::sls::Server;

/// Five logs, a second apart, the oldest last.
fn server_with_logs() -> Server {
    let server = server();
    for number in 0..5_u32 {
        let log = log(
            now() - number,
            &[
                ("Name", &format!("pod-{number}")),
                ("Message", "a\u{1F600}\""),
            ],
        );
        let raw = [log, bytes_field(4, b"kubelet/"), bytes_field(3, b"")].concat();
        assert_eq!(Request::put(&server, raw).outcome(&server).0, 200);
    }
    server
}

fn names(logs: &Value) -> Vec<&str> {
    logs.as_array()
        .into_iter()
        .flatten()
        .filter_map(|log| log["Name"].as_str())
        .collect()
}

#[test]
fn histograms_count_what_the_query_finds() {
    let server = server_with_logs();
    let answer = Request::get(&server, "histogram", "pod-1 OR pod-2")
        .send(&server)
        .unwrap();
    assert_eq!(
        (
            answer.header("x-log-count"),
            answer.header("x-log-progress")
        ),
        (Some("2"), Some("Complete"))
    );
    let buckets = answer.json();
    let counts: i64 = buckets
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["count"].as_i64().unwrap())
        .sum();
    assert_eq!(counts, 2);
    assert_eq!(buckets[0]["progress"], "Complete");
}

#[test]
fn the_old_form_pages_through_flat_maps() {
    let server = server_with_logs();
    let page = |offset: &str, reverse: &str| {
        let request = Request::get(&server, "log", "kubelet")
            .param("line", "2")
            .param("offset", offset);
        request.param("reverse", reverse).send(&server).unwrap()
    };
    let first = page("0", "false");
    assert_eq!(
        (first.header("x-log-count"), first.header("x-log-progress")),
        (Some("2"), Some("Complete"))
    );
    assert_eq!(names(&first.json()), ["pod-4", "pod-3"]);
    assert_eq!(names(&page("4", "false").json()), ["pod-0"]);
    assert_eq!(names(&page("0", "true").json()), ["pod-0", "pod-1"]);
    let log = &first.json()[0];
    assert_eq!(
        (&log["__source__"], &log["__topic__"], &log["Message"]),
        (&json!("kubelet/"), &json!(""), &json!("a\u{1F600}\""))
    );
    assert!(log["__time__"].is_string());
}

#[test]
fn the_new_form_answers_in_lz4_with_the_same_logs() {
    let server = server_with_logs();
    let ask = json!({"from": now() - 60, "to": now() + 60, "query": "pod-*", "line": 3, "offset": 1, "reverse": true, "topic": ""});
    let answer = Request::logs_v3(&server, &ask)
        .with("accept-encoding", "lz4")
        .send(&server)
        .unwrap();
    assert_eq!(answer.header("x-log-compresstype"), Some("lz4"));
    let size = answer.header("x-log-bodyrawsize").unwrap().parse().unwrap();
    let body: Value =
        serde_json::from_slice(&lz4_flex::block::decompress(&answer.body, size).unwrap()).unwrap();
    assert_eq!(names(&body["data"]), ["pod-1", "pod-2", "pod-3"]);
    assert_eq!(
        (&body["meta"]["progress"], &body["meta"]["count"]),
        (&json!("Complete"), &json!(3))
    );
    let plain = Request::logs_v3(&server, &ask).send(&server).unwrap();
    assert_eq!(plain.json(), body);
}

#[test]
fn bad_questions_get_their_errors() {
    let server = server();
    let get = || Request::get(&server, "log", "*");
    let bad = |code: &str| (400, code.to_owned());
    assert_eq!(
        get().param("line", "101").outcome(&server),
        bad("InvalidLine")
    );
    assert_eq!(
        get().param("offset", "-1").outcome(&server),
        bad("InvalidOffset")
    );
    assert_eq!(
        get().param("reverse", "maybe").outcome(&server),
        bad("InvalidReverse")
    );
    assert_eq!(
        Request::get(&server, "log", "(").outcome(&server),
        bad("InvalidQueryString")
    );
    let backwards = json!({"from": 2, "to": 1, "query": "*"});
    assert_eq!(
        Request::logs_v3(&server, &backwards).outcome(&server),
        bad("InvalidTimeRange")
    );
}

/// The Go SDK v0.1.6 writes the query of GetHistograms into the URL as it is.
#[test]
fn spaces_in_a_request_line_are_taken() {
    let server = server();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /logstores/events?type=histogram&query=a AND b HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("MissingHost"), "{answer}");
    assert_eq!(
        server.requests()[0].target,
        "/logstores/events?type=histogram&query=a+AND+b"
    );
}
