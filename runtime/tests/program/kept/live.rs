//! Does a list or a watch with something odd in it go on behind it?

// Long: one question, with all of its cases.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{say, serve};
use super::{Desk, PROGRAM, Run, bare};

const PATIENCE: Duration = Duration::from_secs(120);

/// An API server with this list and this watch. The watch stays open when `open`.
fn api(list: Vec<u8>, watch: Vec<u8>, open: bool) -> SocketAddr {
    api_with(&[], list, watch, open)
}

/// The same with Pods.
fn api_with(pods: &[Value], list: Vec<u8>, watch: Vec<u8>, open: bool) -> SocketAddr {
    let pods = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "2000"}, "items": pods}).to_string();
    let (list, watch) = (Arc::new(list), Arc::new(watch));
    let nothing = |kind: &str| {
        json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "2000"}, "items": []}).to_string()
    };
    serve(move |path, _, client| {
        let (place, query) = path.split_once('?').unwrap_or((path, ""));
        let watches = query.contains("watch=");
        match (place, watches) {
            ("/api/v1/events", false) if query.contains("limit=1&") || query.ends_with("limit=1") => {
                say(client, 200, nothing("EventList").as_bytes())
            }
            ("/api/v1/events", false) => say(client, 200, &list),
            ("/api/v1/events", true) => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
                let _ = client.write_all(&watch);
                // Until the other side goes.
                let _ = if open { client.read(&mut [0]) } else { Ok(0) };
            }
            ("/api/v1/pods", false) => say(client, 200, pods.as_bytes()),
            ("/api/v1/pods", true) => {
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
                let _ = client.read(&mut [0]);
            }
            _ => say(client, 404, br#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#),
        }
    })
}

fn list(items: &[Value]) -> Vec<u8> {
    json!({"kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": "2000"}, "items": items}).to_string().into_bytes()
}

fn kubeconfig(desk: &Desk, server: SocketAddr) -> PathBuf {
    let cluster = json!({"name": "c", "cluster": {"server": format!("http://{server}")}});
    let context = json!({"name": "x", "context": {"cluster": "c", "user": "u"}});
    let user = json!({"name": "u", "user": {}});
    let config = json!({"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "users": [user], "current-context": "x"});
    desk.file("kubeconfig", config.to_string())
}

fn line(desk: &Desk, server: SocketAddr) -> Vec<String> {
    let (sinks, data, kubeconfig) = (
        testkit::program::sinks(),
        desk.data(),
        kubeconfig(desk, server),
    );
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let paths = [
        ("--shipped-sinks", text(&sinks)),
        ("--data-dir", text(&data)),
        ("--kubeconfig", text(&kubeconfig)),
    ];
    let rest = [
        "--event-storage",
        "stdout",
        "--objects",
        "all",
        "--log-format",
        "json",
    ]
    .map(str::to_owned);
    paths
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .chain(rest)
        .collect()
}

/// A service that runs; ended when dropped.
struct Service(Child, PathBuf);

impl Service {
    fn start(desk: &Desk, server: SocketAddr) -> Self {
        let out = desk.0.path().join("out");
        let log = std::fs::File::create(desk.0.path().join("log")).unwrap();
        let mut command = Command::new(PROGRAM);
        let command = command
            .env_clear()
            .args(line(desk, server))
            .stdin(Stdio::null())
            .stderr(log);
        Self(
            command
                .stdout(std::fs::File::create(&out).unwrap())
                .spawn()
                .unwrap(),
            out,
        )
    }

    fn wait_for(&mut self, what: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !what() {
            let said = || std::fs::read_to_string(self.1.with_file_name("log")).unwrap();
            assert!(
                self.0.try_wait().unwrap().is_none() && Instant::now() < until,
                "it did not come: {}",
                said()
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn names(&self) -> Vec<String> {
        let printed = std::fs::read_to_string(&self.1).unwrap();
        printed
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|event| event["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn odd_items_of_a_list_are_kept_and_the_others_are_stored() {
    let mut garbled = list(&[
        bare(1),
        json!({"reason": "no metadata"}),
        json!(5),
        json!({"metadata": null}),
        bare(2),
        bare(3),
    ]);
    let place = garbled
        .windows(9)
        .position(|text| text == b"message 2")
        .unwrap();
    garbled[place + 3] = 0xe9;
    let desk = Desk::new();
    let server = api(garbled, Vec::new(), true);
    let line = line(&desk, server);
    let line: Vec<&str> = line
        .iter()
        .map(String::as_str)
        .chain(["--once", "--timeout", "120s"])
        .collect();
    let run = Run::of(
        Command::new(PROGRAM)
            .env_clear()
            .args(line)
            .output()
            .unwrap(),
    );
    assert_eq!(
        (run.code, run.names()),
        (3, vec!["e1".to_owned(), "e3".to_owned()]),
        "{}",
        run.log
    );
    let reasons: Vec<String> = desk
        .letters()
        .iter()
        .map(|letter| letter["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for (item, reason) in ["item 2", "item 3", "item 4", "item 5"]
        .iter()
        .zip(&reasons)
    {
        assert!(reason.contains(item), "{reasons:?}");
    }
}

#[test]
fn odd_lines_of_a_watch_are_kept_and_what_follows_is_stored() {
    let added =
        |object: &Value| format!("{}\n", json!({"type": "ADDED", "object": object})).into_bytes();
    let mut latin1 = added(&bare(1));
    let place = latin1
        .windows(9)
        .position(|text| text == b"message 1")
        .unwrap();
    latin1[place + 3] = 0xe9;
    for (what, odd) in [
        ("a byte that is not UTF-8", latin1),
        ("no metadata", added(&json!({"reason": "x"}))),
        ("null metadata", added(&json!({"metadata": null}))),
        ("no object", b"{\"type\":\"ADDED\"}\n".to_vec()),
        ("a number", added(&json!(5))),
        (
            "another type",
            b"{\"type\":\"HEARTBEAT\",\"object\":{}}\n".to_vec(),
        ),
        (
            "no JSON",
            b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{}\n".to_vec(),
        ),
        ("text", b"upstream restarts\n".to_vec()),
    ] {
        let desk = Desk::new();
        let watch = [odd, added(&bare(2)), added(&bare(3))].concat();
        let mut service = Service::start(&desk, api(list(&[]), watch, true));
        // Until there is a journal, there is nothing to list.
        let kept = || serde_json::from_str(&desk.list_letters().out).unwrap_or_default();
        service.wait_for(|| Vec::<Value>::len(&kept()) == 1);
        let out = service.1.clone();
        service.wait_for(|| std::fs::read_to_string(&out).unwrap().lines().count() >= 2);
        assert_eq!(service.names(), ["e2", "e3"], "{what}");
        assert_eq!(desk.letters()[0]["sink"], "", "{what}");
    }
}

#[test]
fn objects_on_one_line_of_a_watch_are_each_stored() {
    let added = |number| json!({"type": "ADDED", "object": bare(number)}).to_string();
    let desk = Desk::new();
    let watch = format!(
        "\u{feff}{}{}\n{} {}\n{}\n",
        added(1),
        added(2),
        added(3),
        added(4),
        added(5)
    );
    let mut service = Service::start(&desk, api(list(&[]), watch.into_bytes(), true));
    let out = service.1.clone();
    service.wait_for(|| std::fs::read_to_string(&out).unwrap().lines().count() >= 5);
    assert_eq!(service.names(), ["e1", "e2", "e3", "e4", "e5"]);
}

#[test]
fn an_odd_pod_costs_only_itself() {
    let controller = json!({"apiVersion": "training.kubedl.io/v1alpha1", "kind": "TFJob", "name": "j", "uid": "u", "controller": true});
    let pod = |number: u32, members: Value| {
        let mut metadata = json!({"name": format!("p{number}"), "namespace": "lab", "uid": format!("pod-{number}"), "resourceVersion": "1000"});
        metadata
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        json!({"metadata": metadata})
    };
    let pods = [
        pod(
            1,
            json!({"creationTimestamp": "", "ownerReferences": [5, controller]}),
        ),
        pod(
            2,
            json!({"labels": [], "annotations": 7, "generation": "x"}),
        ),
        json!(null),
        json!("a Pod"),
        json!({"metadata": []}),
        pod(3, json!({"ownerReferences": {"0": controller}})),
        pod(
            4,
            json!({"ownerReferences": [controller], "managedFields": "x", "deletionTimestamp": "soon"}),
        ),
    ];
    let desk = Desk::new();
    let server = api_with(
        &pods,
        list(&[bare(1), bare(2), bare(3), bare(4)]),
        Vec::new(),
        true,
    );
    let line = line(&desk, server);
    let line: Vec<&str> = line
        .iter()
        .map(|text| if text == "all" { "kubedl" } else { text })
        .chain(["--once", "--timeout", "120s"])
        .collect();
    let run = Run::of(
        Command::new(PROGRAM)
            .env_clear()
            .args(line)
            .output()
            .unwrap(),
    );
    assert_eq!(
        (run.code, run.names()),
        (0, vec!["e1".to_owned(), "e4".to_owned()]),
        "{}",
        run.log
    );
    assert!(!run.log.contains("Cannot see Pods"), "{}", run.log);
}

#[test]
fn a_last_line_without_an_end_and_a_list_whose_continue_is_null_are_read() {
    let desk = Desk::new();
    let mut list: Value = serde_json::from_slice(&list(&[bare(1)])).unwrap();
    list["metadata"]["continue"] = Value::Null;
    let watch = [bare(2), bare(3)]
        .map(|object| json!({"type": "ADDED", "object": object}).to_string())
        .join("\n");
    let mut service = Service::start(
        &desk,
        api(list.to_string().into_bytes(), watch.into_bytes(), false),
    );
    let out = service.1.clone();
    service.wait_for(|| std::fs::read_to_string(&out).unwrap().lines().count() >= 3);
    assert_eq!(service.names(), ["e1", "e2", "e3"]);
}

#[test]
fn what_is_no_list_and_a_list_that_never_ends_are_said_and_are_no_end() {
    let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "2000"}, "rows": []});
    let without_items =
        json!({"kind": "EventList", "apiVersion": "v1", "metadata": {"resourceVersion": "2000"}});
    let mut endless: Value = serde_json::from_slice(&list(&[bare(1)])).unwrap();
    endless["metadata"]["continue"] = json!("again");
    for (answer, words) in [
        (table, "a Table"),
        (without_items, "without items"),
        (endless, "the same continue"),
    ] {
        let desk = Desk::new();
        let line = line(
            &desk,
            api(answer.to_string().into_bytes(), Vec::new(), true),
        );
        let line: Vec<&str> = line
            .iter()
            .map(String::as_str)
            .chain(["--once", "--timeout", "5s"])
            .collect();
        let run = Run::of(
            Command::new(PROGRAM)
                .env_clear()
                .args(line)
                .output()
                .unwrap(),
        );
        assert!(
            run.code == 4 && run.log.contains(words),
            "{words}: {} {}",
            run.code,
            run.log
        );
    }
}

#[test]
fn an_event_without_a_resource_version_is_kept_even_when_it_comes_alone() {
    let mut event = bare(1);
    event["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("resourceVersion");
    let desk = Desk::new();
    let mut service = Service::start(
        &desk,
        api(
            list(&[]),
            format!("{}\n", json!({"type": "ADDED", "object": event})).into_bytes(),
            true,
        ),
    );
    let kept = || serde_json::from_str(&desk.list_letters().out).unwrap_or_default();
    service.wait_for(|| Vec::<Value>::len(&kept()) == 1);
    let reason = desk.letters()[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("resourceVersion"), "{reason}");
}

#[test]
fn a_watch_of_which_nothing_can_be_read_fails() {
    for answer in [
        &b"<html>\nSign in\n</html>\n"[..],
        b"{\"type\":\"ADDED\",\"object\":5}\n",
        b"{\"type\":\"ERROR\",\"object\":5}\n",
    ] {
        let desk = Desk::new();
        let mut service = Service::start(&desk, api(list(&[bare(1)]), answer.to_vec(), false));
        let log = desk.0.path().join("log");
        service.wait_for(|| {
            std::fs::read_to_string(&log)
                .unwrap()
                .contains("Cannot see events: the API server's answer can't be read")
        });
        assert!(
            answer.starts_with(b"{") || desk.letters().is_empty(),
            "a page of something else is no event: {:?}",
            desk.letters()
        );
    }
}

#[test]
fn an_error_without_a_code_is_the_servers() {
    let desk = Desk::new();
    let watch = b"{\"type\":\"ERROR\",\"object\":{\"status\":\"Failure\",\"message\":null,\"reason\":null,\"code\":null}}\n".to_vec();
    let mut service = Service::start(&desk, api(list(&[bare(1)]), watch, false));
    let log = desk.0.path().join("log");
    service.wait_for(|| {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("Cannot see events: the API server answered 500")
    });
}
