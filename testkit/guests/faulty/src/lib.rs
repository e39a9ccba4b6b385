//! A sink that does everything right but one thing. Which one, stands in a mark in the component,
//! where a test writes it: the name of the check of `sink test` that is meant to fail, or `none`.
//!
//! It posts each batch as a JSON array of uids and messages.

wit_bindgen::generate!({ path: "../../../wit", world: "sink", generate_all });

use std::sync::Mutex;

use exports::kubedl::events::event_sink::{
    Batch, Description, EnvVar, Error, Failure, Guest, Retry,
};
use kubedl::events::http::{self, Request, Response};
use kubedl::events::types::Event;

/// The mark: what stands before the fault, and room for its name.
static FAULT: [u8; 40] = *b"the fault of this sink: none            ";
/// Bytes before the name.
const BEFORE: usize = 24;
/// Uid of the first event of the last batch.
static LAST: Mutex<String> = Mutex::new(String::new());

fn has(fault: &str) -> bool {
    // Read anew, since the compiler must not know what is written there.
    let mark = std::hint::black_box(&FAULT);
    std::str::from_utf8(&mark[BEFORE..]).unwrap().trim() == fault
}

fn token() -> Option<String> {
    std::env::var("FAULTY_TOKEN")
        .ok()
        .filter(|token| !token.is_empty())
}

fn retry(reason: &str, after_ms: Option<u32>) -> Error {
    Error::Retry(Retry {
        reason: reason.to_owned(),
        after_ms,
    })
}

fn post(host: &str, body: Vec<u8>) -> Result<Response, http::Error> {
    let headers = vec![
        ("content-type".to_owned(), b"application/json".to_vec()),
        (
            "authorization".to_owned(),
            format!("Bearer {}", token().unwrap_or_default()).into_bytes(),
        ),
    ];
    http::send(&Request {
        method: "POST".to_owned(),
        url: format!("https://{host}/"),
        headers,
        body,
        timeout_ms: None,
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() && !has("odd-events") => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

fn body(events: &[Event]) -> Vec<u8> {
    let rows: Vec<String> = events
        .iter()
        .map(|event| format!("[{},{}]", quoted(&event.uid), quoted(&event.message)))
        .collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

/// What an answer means.
fn settle(answer: Result<Response, http::Error>) -> Result<(), Error> {
    let response = match answer {
        Ok(response) => response,
        Err(http::Error::Interrupted(_) | http::Error::Protocol(_) | http::Error::Other(_))
            if has("cut") =>
        {
            return Ok(());
        }
        Err(http::Error::Timeout) if has("slow") => {
            return Err(Error::Refused("it took too long".to_owned()));
        }
        Err(http::Error::Connect(_)) if has("unreachable") => {
            return Err(Error::Refused("it is not there".to_owned()));
        }
        Err(http::Error::Denied(why)) => return Err(Error::Misconfigured(why)),
        Err(why) => return Err(retry(&format!("{why:?}"), None)),
    };
    let after = response
        .headers
        .iter()
        .find(|(name, _)| name == "retry-after")
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse::<u32>().ok());
    let reason = format!("it answered {}", response.status);
    match response.status {
        200..300 => {
            if has("strange-answers") {
                assert!(std::str::from_utf8(&response.body).is_ok());
            }
            Ok(())
        }
        404 if has("answer-404") => Ok(()),
        302 if has("redirect") => Ok(()),
        502 if has("answer-5xx") => Err(Error::Refused(reason)),
        400 if has("answer-4xx") => Err(retry(&reason, None)),
        401 if has("answer-401") => Err(Error::Refused(reason)),
        429 if has("answer-429") => Err(retry(&reason, None)),
        408 | 429 | 500.. => Err(retry(&reason, after.map(|seconds| seconds * 1000))),
        300..400 | 401 | 403 | 404 | 405 | 407 | 410 => Err(Error::Misconfigured(reason)),
        _ => Err(Error::Refused(reason)),
    }
}

struct Component;

impl Guest for Component {
    fn describe() -> Description {
        let mut hosts = vec!["https://faulty.example.com".to_owned()];
        if has("describe") {
            hosts.push("https://${FAULTY_HOST}".to_owned());
        }
        Description {
            name: "faulty".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "Does everything right but one thing".to_owned(),
            env: vec![EnvVar {
                name: "FAULTY_TOKEN".to_owned(),
                help: "A secret".to_owned(),
                required: true,
                secret: true,
            }],
            hosts,
            batch_events: 0,
            batch_bytes: 0,
            attributes: Vec::new(),
        }
    }

    fn open() -> Result<(), Error> {
        if has("open-without-env") {
            token().unwrap();
        }
        if has("open") {
            let _ = (
                post("faulty.example.com", Vec::new()),
                post("faulty.example.com", Vec::new()),
            );
        }
        match token() {
            Some(token) if has("secrets") => Ok(println!("the token is {token}")),
            Some(_) => Ok(()),
            None => Err(Error::Misconfigured("FAULTY_TOKEN is not set".to_owned())),
        }
    }

    fn save_events(_: Batch, events: Vec<Event>) -> Result<Vec<Failure>, Error> {
        if has("memory") {
            std::mem::forget(std::hint::black_box(vec![1_u8; 4 << 20]));
        }
        if has("large-batch") {
            assert!(events.len() < 500);
        }
        if has("hosts") {
            let _ = post("elsewhere.example.com", Vec::new());
        }
        if has("again") {
            let first = events[0].uid.clone();
            if std::mem::replace(&mut *LAST.lock().unwrap(), first.clone()) == first {
                return Ok(Vec::new());
            }
        }
        if has("partial") && events.len() == 40 {
            let answers: Vec<_> = events
                .iter()
                .map(|event| post("faulty.example.com", body(std::slice::from_ref(event))))
                .collect();
            return settle(answers.into_iter().next().unwrap()).map(|()| Vec::new());
        }
        let sent = if has("no-loss") && events.len() == 17 {
            &events[..16]
        } else {
            &events[..]
        };
        settle(post("faulty.example.com", body(sent))).map(|()| Vec::new())
    }

    fn close() -> Result<(), Error> {
        assert!(!has("close"));
        Ok(())
    }
}

export!(Component);
