//! Connections: one body, one answer, or a cut.

use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::admission::admit;
use super::body::{Body, Cut};
use super::call::Call;
use super::clock::Now;
use super::inspect;
use super::order::{Fault, Plan};
use super::read;
use super::receive::{Receipt, Write};
use super::refusal::Refusal;
use super::request_line::EscapedSpaces;
use super::route::{self, Route};
use super::store::{Arrival, RequestRecord, Store};
use super::{Options, Order};

/// No body is read further than this; every limit of a group is far below.
const MAX_SENT_BYTES: usize = 32 * 1024 * 1024;

pub(super) type Reply = Response<Body>;

/// What all connections share.
pub(super) struct Service {
    options: Options,
    hosts: Vec<String>,
    store: Arc<Store>,
}

/// Accepts connections until it is dropped.
pub(super) async fn accept(listener: TcpListener, service: Service) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let service = Arc::new(service);
    loop {
        // A failed accept concerns one connection, which its client sees.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let answer = service_fn(|request| service.answer(request));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(None);
            // Broken connections are the client's to report.
            let _ = builder
                .serve_connection(TokioIo::new(EscapedSpaces::new(stream)), answer)
                .await;
        });
    }
}

impl Service {
    pub(super) fn new(options: Options, port: u16, store: Arc<Store>) -> Self {
        // py leaves the port out of the header Host.
        let mut hosts = vec![format!("localhost:{port}"), "localhost".to_owned()];
        hosts.extend(options.other_hosts.iter().cloned());
        Self {
            options,
            hosts,
            store,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Reply, Cut> {
        let (head, body) = request.into_parts();
        if head.uri.path().starts_with("/_testkit/") {
            return Ok(inspect::answer(&head, body, &self.store).await);
        }
        let number = self.store.next_number();
        let is_write = route::is_write(head.method.as_str(), head.uri.path());
        let plan = if is_write {
            self.store.plan()
        } else {
            Plan::default()
        };
        let mut recording = Recording {
            record: new_record(number, &head, is_write),
            store: &self.store,
        };
        let record = &mut recording.record;
        if matches!(plan.ending, Some(Fault::CutBeforeReading)) {
            return Err(Cut);
        }
        let body = read_body(body).await;
        let arrival = Arrival::now();
        record.arrived_ns = arrival.wall_ns;
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        let now = Now::with_offset(plan.clock_offset_seconds);
        let outcome = body.and_then(|body| {
            let call = Call::new(&head, body);
            record.sent_bytes = call.body.len();
            self.handle(&call, &plan, number, arrival, now, record)
        });
        let mut reply = outcome.unwrap_or_else(|refusal| {
            record.error_code = Some(refusal.code.to_string());
            error_reply(&refusal)
        });
        if !plan.delay_answer.is_zero() {
            tokio::time::sleep(plan.delay_answer).await;
        }
        if matches!(plan.ending, Some(Fault::LoseAnswer)) {
            return Err(Cut);
        }
        if matches!(plan.ending, Some(Fault::BreakAnswer)) {
            return Ok(broken(&reply));
        }
        record.status = Some(reply.status().as_u16());
        // A page is not the service's: what is between knows no request ids.
        if !matches!(plan.ending, Some(Fault::Page { .. })) {
            add_header(&mut reply, "x-log-requestid", &format!("{number:024X}"));
        }
        add_header(&mut reply, "date", &now.http_date());
        Ok(reply)
    }

    fn handle(
        &self,
        call: &Call,
        plan: &Plan,
        request: u64,
        arrival: Arrival,
        now: Now,
        record: &mut RequestRecord,
    ) -> Result<Reply, Refusal> {
        if let Some(reply) = ordered_reply(plan.ending.as_ref(), record) {
            return Ok(reply);
        }
        let route = route::route(call)?;
        admit(call, &self.options, &self.hosts, now)?;
        let (Route::Write { log_store, .. }
        | Route::Histograms { log_store }
        | Route::LogsV1 { log_store }
        | Route::LogsV3 { log_store }) = route;
        if log_store != self.options.log_store {
            let message = format!("logstore {log_store} does not exist");
            return Err(Refusal::new(404, "LogStoreNotExist", message));
        }
        match route {
            Route::Write {
                log_store,
                by_hash_key,
            } => {
                let write = Write {
                    call,
                    log_store,
                    by_hash_key,
                    request,
                    arrival,
                };
                let Receipt { raw_bytes, logs } = write.receive(&self.options, &self.store, now)?;
                (record.raw_bytes, record.logs) = (raw_bytes, logs);
                Ok(Reply::default())
            }
            Route::Histograms { .. } => read::histograms(call, &self.store),
            Route::LogsV1 { .. } => read::logs_v1(call, &self.store),
            Route::LogsV3 { .. } => read::logs_v3(call, &self.store),
        }
    }
}

/// Records a request when it is over, however it ends: also when its client goes away during a
/// delay.
struct Recording<'a> {
    record: RequestRecord,
    store: &'a Store,
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        self.store.record(self.record.clone());
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, MAX_SENT_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(cause) => Err(Refusal::bad(
            "PostBodyTooLarge",
            format!("The body can't be read: {cause}."),
        )),
    }
}

fn new_record(number: u64, head: &Parts, is_write: bool) -> RequestRecord {
    RequestRecord {
        number,
        method: head.method.to_string(),
        target: head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        is_write,
        status: None,
        error_code: None,
        sent_bytes: 0,
        raw_bytes: 0,
        logs: 0,
        arrived_ns: super::clock::wall_nanoseconds(),
    }
}

/// The answer that an order dictates, if one does.
fn ordered_reply(ending: Option<&Fault>, record: &mut RequestRecord) -> Option<Reply> {
    match ending? {
        Fault::Answer {
            status,
            code,
            message,
            headers,
        } => {
            record.error_code = Some(code.clone());
            let refusal = Refusal {
                status: *status,
                code: code.clone().into(),
                message: message.clone(),
            };
            let mut reply = error_reply(&refusal);
            for (name, value) in headers {
                add_header(&mut reply, name, value);
            }
            Some(reply)
        }
        Fault::Page { status, html } => Some(reply(*status, "text/html", html.clone().into())),
        _ => None,
    }
}

fn error_reply(refusal: &Refusal) -> Reply {
    reply(refusal.status, "application/json", refusal.body().into())
}

pub(super) fn reply(status: u16, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// The same status with the beginning of a body whose rest never comes.
fn broken(whole: &Reply) -> Reply {
    let mut reply = Response::new(Body::broken_after(b"{\"logs\":"));
    *reply.status_mut() = whole.status();
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    reply
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from_static("100"));
    reply
}

/// Sets a header; one that HTTP can't carry is left out.
pub(super) fn add_header(reply: &mut Reply, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        reply.headers_mut().insert(name, value);
    }
}

/// Reads the JSON of an order.
pub(super) async fn read_order(body: Incoming) -> Result<Order, String> {
    let body = read_body(body).await.map_err(|refusal| refusal.message)?;
    serde_json::from_slice(&body)
        .map_err(|cause| format!("The order can't be understood: {cause}."))
}
