//! The API server as the client meets it: requests in, answers out, faults in between.

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
use tokio::time::{Instant, sleep, timeout_at};

use super::world::{STALL, Shared, lock};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Failure>>;

/// The way to the simulated API server.
#[derive(Clone)]
pub struct Api(pub Shared);

impl tower_service::Service<Request<Body>> for Api {
    type Response = Answer;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let world = self.0.clone();
        Box::pin(async move { answer(world, request.uri().query().unwrap_or_default()).await })
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

async fn answer(world: Shared, query: &str) -> Result<Answer, Failure> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let latency = lock(&world).random.below(20);
    sleep(Duration::from_millis(latency)).await;
    let fault = {
        let mut world = lock(&world);
        if world.api_down {
            return Err("connection refused".into());
        }
        if world.calm { 100 } else { world.random.below(100) }
    };
    match fault {
        0 => return Err("connection reset".into()),
        1 => return text(500, refusal(500, "InternalError")),
        2 => {
            return Ok(Response::builder()
                .status(429)
                .header("retry-after", "1")
                .body(Full::new(Bytes::new()).map_err(Failure::from).boxed_unsync())?);
        }
        3 => return text(200, "{\"kind\":\"EventList\",\"metadata\":{\"resour"),
        _ => {}
    }
    if value("watch").is_some() {
        let from = value("resourceVersion").and_then(|from| from.parse().ok()).ok_or("no resourceVersion")?;
        let seconds = value("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).ok_or("no timeoutSeconds")?;
        return watch(&world, from, Duration::from_secs(seconds));
    }
    if let Some(name) = value("fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name%3D")) {
        let exact = value("resourceVersion").and_then(|version| version.parse().ok());
        let (version, item) = match lock(&world).one(name, exact) {
            Ok(found) => found,
            Err(504) => return text(504, refusal(504, "Timeout").replace("\"m\"", "\"Timeout: Too large resource version: 9, current: 1\"")),
            Err(_) => return text(410, refusal(410, "Expired")),
        };
        return text(200, format!("{{\"kind\":\"EventList\",\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"items\":[{item}]}}"));
    }
    let limit = value("limit").and_then(|limit| limit.parse().ok()).ok_or("no limit")?;
    let page = lock(&world).page(limit, value("continue"));
    match page {
        Err(410) => text(410, refusal(410, "Expired")),
        Err(code) => text(code, refusal(code, "BadRequest")),
        Ok((version, items, next)) => {
            let next = next.map(|next| format!(",\"continue\":\"{next}\"")).unwrap_or_default();
            text(200, format!("{{\"kind\":\"EventList\",\"metadata\":{{\"resourceVersion\":\"{version}\"{next}}},\"items\":[{}]}}", items.join(",")))
        }
    }
}

fn watch(world: &Shared, from: u64, limit: Duration) -> Result<Answer, Failure> {
    let Ok(lines) = lock(world).watch(from) else {
        return text(200, format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", refusal(410, "Expired")));
    };
    let end = Instant::now() + limit;
    let pieces = stream::unfold((lines, world.clone()), move |(mut lines, world)| async move {
        let line = timeout_at(end, lines.recv()).await.ok().flatten()?;
        if line.as_ref().is_err_and(|why| why == STALL) {
            // A connection that died without a word has no end either.
            std::future::pending::<()>().await;
        }
        // The network has its latency, and cuts where it likes; here always between lines.
        let latency = lock(&world).random.below(5);
        sleep(Duration::from_millis(latency)).await;
        let piece = line.map(|line| Frame::data(Bytes::from(line))).map_err(Failure::from);
        Some((piece, (lines, world)))
    });
    Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(pieces))))
}
