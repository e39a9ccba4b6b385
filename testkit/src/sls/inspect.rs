//! `/_testkit/...`: what a test in another process asks. Loopback only, no signature, no part of
//! SLS.
//!
//! | request | answer |
//! |---|---|
//! | `GET /_testkit/stored?from=N` | the stored logs from position N on (0), as JSON lines |
//! | `GET /_testkit/requests` | the requests that are over, as JSON lines |
//! | `GET /_testkit/stats` | counts, as JSON |
//! | `POST /_testkit/order` | adds a standing order, given as JSON |
//! | `DELETE /_testkit/order` | forgets all orders |

use std::collections::BTreeMap;

use http::request::Parts;
use hyper::body::Incoming;

use super::call::parse_query_string;
use super::http::{Reply, read_order, reply};
use super::store::{Store, json_lines};

/// Answers one such request.
pub(super) async fn answer(head: &Parts, body: Incoming, store: &Store) -> Reply {
    match (head.method.as_str(), head.uri.path()) {
        ("GET", "/_testkit/stored") => lines(json_lines(&store.logs_from(first_position(head)))),
        ("GET", "/_testkit/requests") => lines(json_lines(&store.requests())),
        ("GET", "/_testkit/stats") => reply(200, "application/json", stats(store).into()),
        ("POST", "/_testkit/order") => match read_order(body).await {
            Ok(order) => {
                store.order(order);
                reply(200, "application/json", "{}".into())
            }
            Err(sentence) => reply(400, "text/plain", sentence.into()),
        },
        ("DELETE", "/_testkit/order") => {
            store.clear_orders();
            reply(200, "application/json", "{}".into())
        }
        (method, path) => reply(
            404,
            "text/plain",
            format!("There is no {method} {path} here.").into(),
        ),
    }
}

fn first_position(head: &Parts) -> usize {
    let params = parse_query_string(head.uri.query().unwrap_or_default());
    let from = params.iter().find(|(name, _)| name == "from");
    from.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

fn lines(lines: std::io::Result<Vec<u8>>) -> Reply {
    match lines {
        Ok(lines) => reply(200, "application/x-ndjson", lines.into()),
        Err(cause) => reply(
            500,
            "text/plain",
            format!("cannot write JSON: {cause}").into(),
        ),
    }
}

fn stats(store: &Store) -> String {
    let requests = store.requests();
    let mut by_status = BTreeMap::<String, usize>::new();
    for request in &requests {
        let status = request
            .status
            .map_or_else(|| "cut".to_owned(), |status| status.to_string());
        *by_status.entry(status).or_default() += 1;
    }
    serde_json::json!({
        "stored": store.counts().0,
        "requests": requests.len(),
        "writes": requests.iter().filter(|request| request.is_write).count(),
        "raw_bytes": requests.iter().map(|request| request.raw_bytes).sum::<usize>(),
        "sent_bytes": requests.iter().map(|request| request.sent_bytes).sum::<usize>(),
        "by_status": by_status,
    })
    .to_string()
}
