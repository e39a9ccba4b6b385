//! What an answer of SLS means for the events of its request.
//!
//! The error code decides, not the status: 403 may be a full quota or a missing right. Codes are
//! those of SLS's page "Error codes" and of aliyun-log-go-sdk error_code.go; a code that is not in
//! [`CODES`] is judged by its status.

use crate::complaint::{Complaint, complaint};
use crate::prelude::{String, ToOwned, format};
use crate::{HttpError, Response, Settings, moment};

/// What is done about the events of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of them are stored.
    Stored,
    /// The same request may pass later, not before so many milliseconds.
    Later {
        /// For the operator.
        reason: String,
        /// Milliseconds, where there is a reason for a number.
        after_ms: Option<u32>,
    },
    /// A person must mend settings, rights or the destination.
    Mend(String),
    /// At least one of the events is to blame, or there are too many at once.
    Content(String),
    /// The request's time was refused.
    Clock {
        /// For the operator.
        reason: String,
        /// The time of SLS, in seconds since 1970, where the answer has it.
        server: Option<i64>,
    },
}

/// What an error code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event in the group.
    Content,
    /// The clock of this machine.
    Clock,
    /// More was sent than SLS takes at a time.
    Quota,
    /// SLS itself.
    Server,
    /// The key is wrong, unknown, switched off or outdated.
    Credentials,
    /// The key is right, but may not do this.
    Forbidden,
    /// No such project or logstore.
    Destination,
    /// The form of the request, which is the same for every event.
    Form,
}

/// A full quota is a matter of seconds: KubeDL slept 800 ms, aliyun-log-java-producer waits 100 ms
/// and more.
const QUOTA_PAUSE_MS: u32 = 1000;

/// A longer wait than this is not believed, in seconds.
const LONGEST_RETRY_AFTER: u32 = 3600;

/// Characters of a destination's message that are kept.
const LONGEST_MESSAGE: usize = 300;

/// Every code that is known, by what it is about.
pub const CODES: &[(&str, Cause)] = &[
    ("PostBodyInvalid", Cause::Content),
    ("PostBodyTooLarge", Cause::Content),
    ("PostBodyUncompressError", Cause::Content),
    ("InvalidTimestamp", Cause::Content),
    ("InvalidEncoding", Cause::Content),
    ("InvalidKey", Cause::Content),
    ("ParameterInvalid", Cause::Content),
    ("InvalidParameter", Cause::Content),
    ("BadRequest", Cause::Content),
    ("RequestTimeTooSkewed", Cause::Clock),
    ("RequestTimeExpired", Cause::Clock),
    ("InvalidRequestTime", Cause::Clock),
    ("WriteQuotaExceed", Cause::Quota),
    ("ShardWriteQuotaExceed", Cause::Quota),
    ("ProjectQuotaExceed", Cause::Quota),
    ("ExceedQuota", Cause::Quota),
    ("ReadQuotaExceed", Cause::Quota),
    ("ShardReadQuotaExceed", Cause::Quota),
    ("InternalServerError", Cause::Server),
    ("ServerBusy", Cause::Server),
    ("RequestTimeout", Cause::Server),
    ("SignatureNotMatch", Cause::Credentials),
    ("Unauthorized", Cause::Credentials),
    ("InvalidAccessKeyId", Cause::Credentials),
    ("MissAccessKeyId", Cause::Credentials),
    ("SecurityTokenExpired", Cause::Credentials),
    ("SecurityToken.Expired", Cause::Credentials),
    ("ProjectForbidden", Cause::Forbidden),
    ("ProjectNotExist", Cause::Destination),
    ("LogStoreNotExist", Cause::Destination),
    ("LogStoreWithoutShard", Cause::Destination),
    ("ShardNotExist", Cause::Destination),
    ("IndexConfigNotExist", Cause::Destination),
    ("LogstoreInfoInvalid", Cause::Destination),
    ("MissingBodyRawSize", Cause::Form),
    ("InvalidBodyRawSize", Cause::Form),
    ("InvalidCompressType", Cause::Form),
    ("MissingContentType", Cause::Form),
    ("InvalidContentType", Cause::Form),
    ("MissingContentLength", Cause::Form),
    ("MissingHost", Cause::Form),
    ("MissingDate", Cause::Form),
    ("InvalidDateFormat", Cause::Form),
    ("MissingAPIVersion", Cause::Form),
    ("InvalidAPIVersion", Cause::Form),
    ("MissingSignatureMethod", Cause::Form),
    ("InvalidSignatureMethod", Cause::Form),
    ("NotSupported", Cause::Form),
    ("LogStoreAlreadyExist", Cause::Form),
    ("InvalidCursor", Cause::Form),
    ("InvalidTimeRange", Cause::Form),
    ("InvalidQueryString", Cause::Form),
    ("InvalidOffset", Cause::Form),
    ("InvalidLine", Cause::Form),
    ("InvalidReverse", Cause::Form),
];

/// Judges one answer; `settings` keeps its secrets out of the reasons.
pub fn judge(answer: &Result<Response, HttpError>, settings: &Settings) -> Verdict {
    match answer {
        Ok(response) if is_stored(response) => Verdict::Stored,
        Ok(response) => judge_response(response, settings),
        Err(error) => judge_error(error, settings),
    }
}

/// SLS answers 200, an empty body and a request id. Another 200 with a body is of something else,
/// such as a login page.
fn is_stored(response: &Response) -> bool {
    response.status == 200
        && (response.body.is_empty() || header(response, "x-log-requestid").is_some())
}

fn judge_response(response: &Response, settings: &Settings) -> Verdict {
    let complaint = complaint(&response.body);
    let cause = cause(
        response.status,
        complaint.as_ref().map_or("", |complaint| &complaint.code),
    );
    let words = match &complaint {
        Some(Complaint { code, message }) => format!("{code}: {message}"),
        None => String::from_utf8_lossy(&response.body).into_owned(),
    };
    let words = legible(&settings.redact(&words));
    let request =
        header(response, "x-log-requestid").map(|id| format!(" (request {})", legible(&id)));
    let reason = format!(
        "SLS answered {} {words}{}",
        response.status,
        request.unwrap_or_default()
    );
    match cause {
        Cause::Content => Verdict::Content(reason),
        Cause::Clock => Verdict::Clock {
            reason,
            server: header(response, "date")
                .as_deref()
                .and_then(moment::parse_http_date),
        },
        Cause::Quota => Verdict::Later {
            reason,
            after_ms: Some(retry_after(response).unwrap_or(QUOTA_PAUSE_MS)),
        },
        Cause::Server => Verdict::Later {
            reason,
            after_ms: retry_after(response),
        },
        Cause::Credentials => Verdict::Mend(format!(
            "{reason}; check SLS_KEY_ID, SLS_KEY_SECRET and SLS_SECURITY_TOKEN"
        )),
        Cause::Forbidden => Verdict::Mend(format!(
            "{reason}; allow this key log:PostLogStoreLogs on the logstore"
        )),
        Cause::Destination => Verdict::Mend(format!(
            "{reason}; check SLS_ENDPOINT, SLS_PROJECT and SLS_LOG_STORE"
        )),
        Cause::Form => Verdict::Mend(format!(
            "{reason}; is SLS_ENDPOINT an SLS endpoint, reached without a proxy that changes requests?"
        )),
    }
}

fn cause(status: u16, code: &str) -> Cause {
    if let Some((_, cause)) = CODES.iter().find(|(known, _)| *known == code) {
        return *cause;
    }
    match status {
        // Not SLS's words: a proxy can't know the events, so none of them is to blame.
        400 if code.is_empty() => Cause::Form,
        400 | 413 => Cause::Content,
        401 => Cause::Credentials,
        403 if code.contains("Exceed") || code.contains("Quota") => Cause::Quota,
        403 => Cause::Forbidden,
        404 => Cause::Destination,
        429 => Cause::Quota,
        408 | 500.. => Cause::Server,
        _ => Cause::Form,
    }
}

fn judge_error(error: &HttpError, settings: &Settings) -> Verdict {
    let later = |what: &str, why: &str| {
        let reason = format!("{what}: {}", legible(&settings.redact(why)));
        Verdict::Later {
            reason,
            after_ms: None,
        }
    };
    match error {
        HttpError::Denied(why) => {
            Verdict::Mend(format!("not granted: {}", legible(&settings.redact(why))))
        }
        HttpError::InvalidRequest(why) => {
            Verdict::Mend(format!("not a request: {}", legible(&settings.redact(why))))
        }
        HttpError::RequestTooLarge(limit) => {
            Verdict::Content(format!("the request is over the grant's {limit} bytes"))
        }
        HttpError::Dns(why) => later("SLS not found by name", why),
        HttpError::Connect(why) => later("no connection to SLS", why),
        HttpError::Tls(why) => later("no secure connection to SLS", why),
        HttpError::Proxy(why) => later("the proxy refused", why),
        HttpError::NotSent(why) => later("not sent", why),
        HttpError::Timeout => later("no answer from SLS in time", "the events may be stored"),
        HttpError::Interrupted(why) => {
            later("SLS's answer broke off, the events may be stored", why)
        }
        HttpError::Protocol(why) => later("the answer was not HTTP, the events may be stored", why),
        HttpError::Other(why) => later("no answer from SLS, the events may be stored", why),
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    let found = response
        .headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
}

/// `Retry-After` in milliseconds, where it gives seconds.
fn retry_after(response: &Response) -> Option<u32> {
    let seconds: u32 = header(response, "retry-after")?.parse().ok()?;
    Some(seconds.min(LONGEST_RETRY_AFTER) * 1000)
}

/// One line of limited length.
fn legible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect::<String>()
        .trim()
        .to_owned()
}
