//! The API server as the client meets it: requests in, answers out, faults in between.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::world::{STALL, Shared, lock};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

/// The way of a replica to the simulated API server.
#[derive(Clone)]
pub struct Api(pub Shared, pub usize);

impl tower_service::Service<Request<Body>> for Api {
    type Response = Answer;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (world, replica) = (self.0.clone(), self.1);
        Box::pin(async move {
            if request.uri().path().contains("/leases") {
                return lease(world, replica, request).await;
            }
            let namespace = request
                .uri()
                .path()
                .strip_prefix("/api/v1/namespaces/")
                .and_then(|rest| rest.strip_suffix("/events"));
            answer(
                world,
                replica,
                namespace,
                request.uri().query().unwrap_or_default(),
            )
            .await
        })
    }
}

fn text(status: u16, text: impl Into<Bytes>) -> Result<Answer, Failure> {
    let body = Full::new(text.into()).map_err(Failure::from).boxed_unsync();
    Ok(Response::builder().status(status).body(body)?)
}

fn refusal(code: u16, reason: &str) -> String {
    format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{\"continue\":\"0.0\"}},\"status\":\"Failure\",\"message\":\"m\",\"reason\":\"{reason}\",\"code\":{code}}}"
    )
}

async fn answer(
    world: Shared,
    replica: usize,
    namespace: Option<&str>,
    query: &str,
) -> Result<Answer, Failure> {
    // Long: what a world does, one case after the other.
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let limit = value("limit").and_then(|limit| limit.parse().ok());
    let (latency, fault) = {
        let mut world = lock(&world);
        match (value("watch"), limit, value("continue")) {
            (Some(_), ..) => world.watches.push(super::elapsed()),
            (None, Some(2..), None) => world.lists.push(super::elapsed()),
            _ => {}
        }
        let latency = world.random.below(20);
        (
            latency,
            if world.calm {
                100
            } else {
                world.random.below(100)
            },
        )
    };
    sleep(Duration::from_millis(latency)).await;
    if lock(&world).is_cut_off(replica) {
        return Err("connection refused".into());
    }
    match fault {
        0 => return Err("connection reset".into()),
        1 => return text(500, refusal(500, "InternalError")),
        2 => {
            return Ok(Response::builder()
                .status(429)
                .header("retry-after", "1")
                .body(
                    Full::new(Bytes::new())
                        .map_err(Failure::from)
                        .boxed_unsync(),
                )?);
        }
        3 => return text(200, "{\"kind\":\"EventList\",\"metadata\":{\"resour"),
        _ => {}
    }
    if value("watch").is_some() {
        let from = value("resourceVersion")
            .and_then(|from| from.parse().ok())
            .ok_or("no resourceVersion")?;
        let seconds = value("timeoutSeconds")
            .and_then(|seconds| seconds.parse().ok())
            .ok_or("no timeoutSeconds")?;
        return watch(
            &world,
            namespace.map(str::to_owned),
            from,
            Duration::from_secs(seconds),
        );
    }
    if let Some(name) =
        value("fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name%3D"))
    {
        let exact = value("resourceVersion").and_then(|version| version.parse().ok());
        let (version, item) = match lock(&world).one(name, exact) {
            Ok(found) => found,
            Err(504) => {
                return text(
                    504,
                    refusal(504, "Timeout").replace(
                        "\"m\"",
                        "\"Timeout: Too large resource version: 9, current: 1\"",
                    ),
                );
            }
            Err(_) => return text(410, refusal(410, "Expired")),
        };
        return text(
            200,
            format!(
                "{{\"kind\":\"EventList\",\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"items\":[{item}]}}"
            ),
        );
    }
    let page = lock(&world).page(namespace, limit.ok_or("no limit")?, value("continue"));
    match page {
        Err(410) => text(410, refusal(410, "Expired")),
        Err(code) => text(code, refusal(code, "BadRequest")),
        Ok((version, items, next)) => {
            let next = next
                .map(|next| format!(",\"continue\":\"{next}\""))
                .unwrap_or_default();
            text(
                200,
                format!(
                    "{{\"kind\":\"EventList\",\"metadata\":{{\"resourceVersion\":\"{version}\"{next}}},\"items\":[{}]}}",
                    items.join(",")
                ),
            )
        }
    }
}

/// Reads or writes the Lease.
async fn lease(world: Shared, replica: usize, request: Request<Body>) -> Result<Answer, Failure> {
    let method = request.method().clone();
    let written: Option<serde_json::Value> =
        serde_json::from_slice(&request.into_body().collect().await?.to_bytes()).ok();
    let (latency, fault) = {
        let mut world = lock(&world);
        let fault = if world.calm {
            100
        } else {
            world.random.below(100)
        };
        (world.random.below(20), fault)
    };
    sleep(Duration::from_millis(latency)).await;
    let mut world = lock(&world);
    if world.is_cut_off(replica) || fault == 0 {
        return Err("connection refused".into());
    }
    if fault == 1 {
        return text(500, refusal(500, "InternalError"));
    }
    let found = match (method.as_str(), written) {
        ("GET", _) => world.lease.as_ref().map(|lease| lease.0.clone()),
        (method, Some(written)) => world.write_lease(replica, written, method == "POST"),
        _ => return text(400, refusal(400, "BadRequest")),
    };
    match found {
        // It may be written all the same.
        Some(_) if fault == 2 => Err("connection reset".into()),
        Some(lease) => text(200, lease.to_string()),
        None if method == http::Method::GET => text(404, refusal(404, "NotFound")),
        None => text(409, refusal(409, "Conflict")),
    }
}

/// The rest of a watch's body.
struct Stream {
    lines: UnboundedReceiver<Result<String, String>>,
    /// Pieces that come before the next line; none: the end.
    pieces: VecDeque<Option<Result<String, String>>>,
    end: Instant,
    world: Shared,
}

fn watch(
    world: &Shared,
    namespace: Option<String>,
    from: u64,
    limit: Duration,
) -> Result<Answer, Failure> {
    let Ok(lines) = lock(world).watch(namespace, from) else {
        return text(
            200,
            format!(
                "{{\"type\":\"ERROR\",\"object\":{}}}\n",
                refusal(410, "Expired")
            ),
        );
    };
    let stream = Stream {
        lines,
        pieces: VecDeque::new(),
        end: Instant::now() + limit,
        world: world.clone(),
    };
    let pieces = stream::unfold(stream, |mut stream| async move {
        let piece = stream.next().await?;
        // The network has its latency.
        let latency = lock(&stream.world).random.below(5);
        sleep(Duration::from_millis(latency)).await;
        Some((
            piece
                .map(|piece| Frame::data(Bytes::from(piece)))
                .map_err(Failure::from),
            stream,
        ))
    });
    Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(
        pieces,
    ))))
}

impl Stream {
    async fn next(&mut self) -> Option<Result<String, String>> {
        if self.pieces.is_empty() {
            let line = timeout_at(self.end, self.lines.recv())
                .await
                .ok()
                .flatten()?;
            if line.as_ref().is_err_and(|why| why == STALL) {
                // A connection that died without a word has no end either.
                std::future::pending::<()>().await;
            }
            match line {
                Ok(line) => self.spoil(line),
                broken => self.pieces.push_back(Some(broken)),
            }
        }
        self.pieces.pop_front().flatten()
    }

    /// What a line becomes on its way.
    fn spoil(&mut self, line: String) {
        let (fault, place) = {
            let mut world = lock(&self.world);
            let fault = if world.calm {
                1_000
            } else {
                world.random.below(1_000)
            };
            (
                fault,
                usize::try_from(world.random.below(line.len() as u64)).unwrap(),
            )
        };
        let (first, second) = (line[..place].to_owned(), line[place..].to_owned());
        let error =
            |object: String| Some(Ok(format!("{{\"type\":\"ERROR\",\"object\":{object}}}\n")));
        match fault {
            // In the middle of a line, with and without a word.
            0..=4 => self
                .pieces
                .extend([Some(Ok(first)), Some(Err("connection reset".to_owned()))]),
            5..=9 => self.pieces.extend([Some(Ok(first)), None]),
            10..=12 => self
                .pieces
                .extend([error(refusal(500, "InternalError")), None]),
            13..=15 => self.pieces.extend([error(refusal(504, "Timeout")), None]),
            16..=18 => self
                .pieces
                .extend([error(refusal(429, "TooManyRequests")), None]),
            19..=20 => self.pieces.extend([
                error("{\"code\":null,\"message\":null,\"reason\":null}".to_owned()),
                None,
            ]),
            21 => self.pieces.extend([error("null".to_owned()), None]),
            22..=24 => self.pieces.extend([
                Some(Ok("<html>502 Bad Gateway</html>\n".to_owned())),
                Some(Ok(line)),
            ]),
            25..=124 => self.pieces.extend([Some(Ok(first)), Some(Ok(second))]),
            _ => self.pieces.push_back(Some(Ok(line))),
        }
    }
}
