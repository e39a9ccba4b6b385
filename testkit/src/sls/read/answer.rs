//! GetHistograms, GetLogs v1 and GetLogs v3.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::record::Flat;
use super::{MAX_LINES, Page, Selection};
use crate::sls::StoredLog;
use crate::sls::call::Call;
use crate::sls::compression::compress;
use crate::sls::http::{Reply, add_header, reply};
use crate::sls::refusal::Refusal;
use crate::sls::store::Store;

/// Buckets when the client leaves the interval to the server: own.
const BUCKETS: i64 = 10;

/// `GET /logstores/{s}?type=histogram` (go `GetHistogramsV2`, py `gethistogramsresponse.py`).
pub(in crate::sls) fn histograms(call: &Call, store: &Store) -> Result<Reply, Refusal> {
    let selection = Selection::of_params(call)?;
    let interval = if call.param("interval").is_some() {
        super::number_param(call, "interval")?
    } else {
        0
    };
    let found = selection.find(store);
    let width = if interval > 0 {
        interval
    } else {
        ((selection.to - selection.from) / BUCKETS).max(1)
    };
    let mut buckets = Vec::new();
    let (mut rest, mut from) = (found.as_slice(), selection.from);
    while from < selection.to {
        let to = (from + width).min(selection.to);
        let (bucket, later) = rest.split_at(rest.partition_point(|log| i64::from(log.time) < to));
        // A range of years in seconds would be millions of empty buckets.
        if !bucket.is_empty() || width >= (selection.to - selection.from) / 1000 {
            buckets.push(
                json!({"from": from, "to": to, "count": bucket.len(), "progress": "Complete"}),
            );
        }
        (rest, from) = (later, to);
    }
    let mut reply = json_reply(&buckets)?;
    add_header(&mut reply, "x-log-count", &found.len().to_string());
    add_header(&mut reply, "x-log-progress", "Complete");
    Ok(reply)
}

/// `GET /logstores/{s}?type=log`, with the headers that go v0.1.6 indexes without a check.
pub(in crate::sls) fn logs_v1(call: &Call, store: &Store) -> Result<Reply, Refusal> {
    let number = |name: &str, default: i64, code: &'static str| match call.param(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| Refusal::bad(code, format!("{name} is {text:?}, which is no number."))),
    };
    let reverse = match call
        .param("reverse")
        .unwrap_or("false")
        .to_ascii_lowercase()
        .as_str()
    {
        "true" => true,
        "false" | "" => false,
        other => {
            return Err(Refusal::bad(
                "InvalidReverse",
                format!("reverse is {other:?}."),
            ));
        }
    };
    let lines = i64::try_from(MAX_LINES).unwrap_or(i64::MAX);
    let page = Page::new(
        number("offset", 0, "InvalidOffset")?,
        number("line", lines, "InvalidLine")?,
        reverse,
    )?;
    let found = Selection::of_params(call)?.find(store);
    let processed = found.len();
    let logs = page.cut(found);
    let mut reply = json_reply(&logs.iter().map(Flat).collect::<Vec<_>>())?;
    let headers = [
        ("x-log-count", logs.len().to_string()),
        ("x-log-progress", "Complete".into()),
        ("x-log-processed-rows", processed.to_string()),
        ("x-log-elapsed-millisecond", "1".into()),
        ("x-log-has-sql", "false".into()),
        ("x-log-agg-query", String::new()),
        (
            "x-log-where-query",
            call.param("query").unwrap_or_default().into(),
        ),
        ("x-log-cpu-sec", "0".into()),
        ("x-log-cpu-cores", "0".into()),
        (
            "x-log-query-info",
            json!({"keys": [], "terms": [], "limited": "0", "mode": 0}).to_string(),
        ),
    ];
    for (name, value) in &headers {
        add_header(&mut reply, name, value);
    }
    Ok(reply)
}

/// The body of GetLogs v3 (go `GetLogsV3`, py `get_log`).
#[derive(Deserialize)]
struct Ask {
    from: i64,
    to: i64,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    line: Option<i64>,
    #[serde(default)]
    offset: i64,
    #[serde(default)]
    reverse: bool,
}

/// `POST /logstores/{s}/logs`
pub(in crate::sls) fn logs_v3(call: &Call, store: &Store) -> Result<Reply, Refusal> {
    let said = call.header("x-log-bodyrawsize").unwrap_or_default();
    if said != call.body.len().to_string() {
        let message = format!(
            "x-log-bodyrawsize is {said:?}, but the body holds {} bytes.",
            call.body.len()
        );
        return Err(Refusal::bad("InvalidBodyRawSize", message));
    }
    let ask: Ask = serde_json::from_slice(&call.body).map_err(|cause| {
        Refusal::bad(
            "PostBodyInvalid",
            format!("The JSON can't be understood: {cause}."),
        )
    })?;
    let lines = ask
        .line
        .unwrap_or(i64::try_from(MAX_LINES).unwrap_or(i64::MAX));
    let page = Page::new(ask.offset, lines, ask.reverse)?;
    let query = ask.query.unwrap_or_default();
    let found =
        Selection::new(ask.from, ask.to, &ask.topic.unwrap_or_default(), &query)?.find(store);
    let processed = found.len();
    let body = to_json(&Found::new(&page.cut(found), processed, &query))?;
    let raw_size = body.len();
    let (body, compression) = compress(body, call.header("accept-encoding").unwrap_or_default());
    let mut reply = reply(200, "application/json", body.into());
    add_header(&mut reply, "x-log-bodyrawsize", &raw_size.to_string());
    if let Some(name) = compression {
        add_header(&mut reply, "x-log-compresstype", name);
    }
    Ok(reply)
}

/// The answer of GetLogs v3 (go `model.go` GetLogsV3ResponseMeta).
#[derive(Serialize)]
struct Found<'a> {
    meta: serde_json::Value,
    data: Vec<Flat<'a>>,
}

impl<'a> Found<'a> {
    fn new(logs: &'a [StoredLog], processed: usize, query: &str) -> Self {
        let meta = json!({
            "progress": "Complete", "count": logs.len(), "processedRows": processed, "processedBytes": 0,
            "elapsedMillisecond": 1, "hasSQL": false, "isAccurate": true, "aggQuery": "", "whereQuery": query,
            "cpuSec": 0, "cpuCores": 0, "limited": 0, "mode": 0, "telementryType": "", "powerSql": false,
            "insertedSQL": "", "keys": [], "terms": [], "columnTypes": [], "highlights": [],
        });
        Self {
            meta,
            data: logs.iter().map(Flat).collect(),
        }
    }
}

fn json_reply(value: &impl Serialize) -> Result<Reply, Refusal> {
    Ok(reply(200, "application/json", to_json(value)?.into()))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let json = serde_json::to_vec(value);
    json.map_err(|cause| {
        Refusal::new(
            500,
            "InternalServerError",
            format!("cannot write JSON: {cause}"),
        )
    })
}
