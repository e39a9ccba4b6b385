//! A sink for tests of the cage: it does what the message of each event tells it, and says on its stdout what came of it.
//!
//! | message | what it does |
//! |---|---|
//! | `env NAME` | says whether it sees the variable |
//! | `show NAME` | says the variable's value |
//! | `environment` | says the names of all variables that it sees |
//! | `get URL` | sends a request, says the status or the error |
//! | `header NAME URL` | sends a request with that header |
//! | `file PATH` | tries to open a file |
//! | `connect ADDRESS` | tries to open a socket |
//! | `raw` | says how long Kubernetes' own JSON of the event is |
//! | `trap` | traps |
//! | `loop` | computes for ever |
//! | `sleep` | waits for an hour |
//! | `grow MIB` | takes so much memory |
//! | `index` | names the failure of an event that was not given |
//! | `refuse` | refuses the whole batch |
//! | `fail` | names this event as one that it will never store |
//! | anything else | nothing: the event is stored |
//!
//! Its variable `PROBE_OPEN` says what it does when it is opened: `trap`, `loop` or `refuse`.

wit_bindgen::generate!({ path: "../../../wit", world: "sink", generate_all });

use exports::kubedl::events::event_sink::{Batch, Description, EnvVar, Error, Failure, Guest};
use kubedl::events::types::Event;
use kubedl::events::{http, raw_event};

struct Probe;

impl Guest for Probe {
    fn describe() -> Description {
        Description {
            name: "probe".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: format!("Does what messages tell it; saw {} variables", std::env::vars().count()),
            env: vec![EnvVar { name: "PROBE_OPTIONAL".into(), help: "Nothing".into(), required: false, secret: true }],
            hosts: vec![],
            batch_events: 0,
            batch_bytes: 0,
            attributes: vec![],
        }
    }

    fn open() -> Result<(), Error> {
        match std::env::var("PROBE_OPEN").as_deref() {
            Ok("refuse") => return Err(Error::Misconfigured("told so".into())),
            Ok(word) => act(word, ""),
            Err(_) => {}
        }
        Ok(())
    }

    fn save_events(_: Batch, events: Vec<Event>) -> Result<Vec<Failure>, Error> {
        let mut failures = Vec::new();
        for (index, event) in (0..).zip(&events) {
            let (word, rest) = event.message.split_once(' ').unwrap_or((&event.message, ""));
            match word {
                "refuse" => return Err(Error::Refused("told so".into())),
                "index" => failures.push(failure(u32::try_from(events.len()).unwrap_or(u32::MAX))),
                "fail" => failures.push(failure(index)),
                "raw" => println!("raw {}", raw_event::get(index).map_or(0, |json| json.len())),
                _ => act(word, rest),
            }
        }
        Ok(failures)
    }

    fn close() -> Result<(), Error> {
        println!("closed");
        Ok(())
    }
}

fn failure(index: u32) -> Failure {
    Failure { index, retryable: false, after_ms: None, reason: "told so".into() }
}

fn act(word: &str, rest: &str) {
    match word {
        "env" => println!("env {rest} {}", if std::env::var(rest).is_ok() { "seen" } else { "absent" }),
        "show" => println!("{rest} is {:?}", std::env::var(rest)),
        "environment" => println!("environment {:?}", std::env::vars().map(|(name, _)| name).collect::<Vec<_>>()),
        "get" => println!("get {rest} {}", get(rest, None)),
        "header" => {
            let (name, url) = rest.split_once(' ').unwrap_or((rest, ""));
            println!("header {name} {}", get(url, Some(name)));
        }
        "file" => println!("file {rest} {:?}", std::fs::read(rest).map(|bytes| bytes.len()).map_err(|why| why.kind())),
        "connect" => println!("connect {rest} {:?}", std::net::TcpStream::connect(rest).map(drop).map_err(|why| why.kind())),
        "trap" => std::process::abort(),
        "loop" => loop {
            std::hint::black_box(());
        },
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3600)),
        "grow" => {
            let bytes = rest.parse::<usize>().unwrap_or(0) << 20;
            println!("grown {}", std::hint::black_box(vec![1_u8; bytes]).len());
        }
        _ => {}
    }
}

fn get(url: &str, header: Option<&str>) -> String {
    let headers = header.map(|name| (name.to_owned(), b"x".to_vec())).into_iter().collect();
    let request = http::Request { method: "GET".into(), url: url.into(), headers, body: vec![], timeout_ms: None };
    match http::send(&request) {
        Ok(response) => format!("status {} truncated {}", response.status, response.truncated),
        Err(error) => format!("{error:?}"),
    }
}

export!(Probe);
