//! A group as the request that stores it: `POST /logstores/{store}/shards/lb` (SLS, page
//! "PutLogs").

use crate::prelude::{String, ToOwned, ToString, Vec, format, vec};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::signature::{self, Message};
use crate::{Request, Settings, moment};

/// For one exchange, in milliseconds. SLS answers within one second; 3 MB through a thin line take
/// longer.
const TIMEOUT_MS: u32 = 30_000;

const CONTENT_TYPE: &str = "application/x-protobuf";
const USER_AGENT: &str = concat!("kubedl-events-aliyun-sls/", env!("CARGO_PKG_VERSION"));

/// The signed request for a group, `raw` before compression. `now` is in seconds since 1970, by the
/// clock of SLS.
pub fn put_logs(settings: &Settings, raw: &[u8], now: i64) -> Request {
    // A raw block: SLS wants neither a frame nor a size before it (aliyun-log-python-sdk
    // compress.py).
    let body = lz4_flex::block::compress(raw);
    let raw_size = raw.len().to_string();
    let mut headers = vec![
        ("content-type", CONTENT_TYPE),
        ("x-log-apiversion", "0.6.0"),
        ("x-log-bodyrawsize", raw_size.as_str()),
        ("x-log-compresstype", "lz4"),
    ];
    if let Some(token) = &settings.security_token {
        headers.push(("x-acs-security-token", token));
    }
    let headers = match &settings.region {
        Some(region) => sign_v4(settings, region, headers, &body, now),
        None => sign_v1(settings, headers, &body, now),
    };
    let Settings {
        scheme, host, path, ..
    } = settings;
    let url = format!("{scheme}://{host}{path}");
    Request {
        method: "POST".to_owned(),
        url,
        headers,
        body,
        timeout_ms: Some(TIMEOUT_MS),
    }
}

type Headers = Vec<(String, Vec<u8>)>;

/// `x-log-date` must not be sent here: SLS would want it signed or equal to `Date`, by version of
/// its server.
fn sign_v1(settings: &Settings, shared: Vec<(&str, &str)>, body: &[u8], now: i64) -> Headers {
    let mut headers: Vec<(&str, &str)> = shared;
    let md5 = signature::hex(&Md5::digest(body)).to_ascii_uppercase();
    let date = moment::http_date(now);
    headers.extend([
        ("content-md5", md5.as_str()),
        ("date", &date),
        ("x-log-signaturemethod", "hmac-sha1"),
    ]);
    let message = Message {
        method: "POST",
        path: &settings.path,
        query: "",
        headers: &headers,
    };
    let authorization = signature::v1(&settings.key_id, &settings.key_secret, &message);
    finished(&headers, &authorization)
}

/// `host` is signed, but it is the runtime that sends it.
fn sign_v4(
    settings: &Settings,
    region: &str,
    shared: Vec<(&str, &str)>,
    body: &[u8],
    now: i64,
) -> Headers {
    let mut headers: Vec<(&str, &str)> = shared;
    let sha256 = signature::hex(&Sha256::digest(body));
    let date = moment::compact(now);
    headers.extend([
        ("x-log-content-sha256", sha256.as_str()),
        ("x-log-date", &date),
        ("host", &settings.host),
    ]);
    let message = Message {
        method: "POST",
        path: &settings.path,
        query: "",
        headers: &headers,
    };
    let authorization = signature::v4(&settings.key_id, &settings.key_secret, region, &message);
    headers.retain(|(name, _)| *name != "host");
    finished(&headers, &authorization)
}

fn finished(headers: &[(&str, &str)], authorization: &str) -> Headers {
    let last = [("authorization", authorization), ("user-agent", USER_AGENT)];
    headers
        .iter()
        .chain(&last)
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect()
}
