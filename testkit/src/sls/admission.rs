//! What every request must get right before it is looked at: host, date, version, headers and
//! signature.

use md5::{Digest, Md5};

use super::Options;
use super::call::Call;
use super::clock::{GREATEST_SKEW_SECONDS, Now, parse_compact_date, parse_http_date};
use super::refusal::Refusal;
use super::signature::{v1, v4};

const V4_SCHEME: &str = "SLS4-HMAC-SHA256 ";

/// `Authorization`, taken apart.
enum Claim<'a> {
    V1 {
        id: &'a str,
        signature: &'a str,
    },
    V4 {
        id: &'a str,
        scope: &'a str,
        signature: &'a str,
    },
}

/// Checks a whole request; `hosts` are the names of the endpoint, with port.
pub(crate) fn admit(
    call: &Call,
    options: &Options,
    hosts: &[String],
    now: Now,
) -> Result<(), Refusal> {
    check_host(call, options, hosts)?;
    check_version(call)?;
    let claim = parse_authorization(call)?;
    check_body_headers(call)?;
    check_token(call, options)?;
    match claim {
        Claim::V1 { id, signature } => {
            check_v1_headers(call, now)?;
            check_id(id, options)?;
            let expected = v1::signature(&options.access_key_secret, &call.signable());
            check_signature(signature, &expected, || {
                v1::canonical_text(&call.signable())
            })
        }
        Claim::V4 {
            id,
            scope,
            signature,
        } => {
            let region = check_v4_headers(call, options, scope, now)?;
            check_id(id, options)?;
            let expected = v4::signature(&options.access_key_secret, region, &call.signable());
            check_signature(signature, &expected, || {
                v4::canonical_text(&call.signable())
            })
        }
    }
}

fn check_host(call: &Call, options: &Options, hosts: &[String]) -> Result<(), Refusal> {
    let host = call
        .header("host")
        .ok_or_else(|| missing("MissingHost", "Host"))?;
    let (project, endpoint) = host.split_once('.').unwrap_or(("", host));
    if project == options.project && hosts.iter().any(|known| known == endpoint) {
        return Ok(());
    }
    let message = format!("The Project does not exist : {project:?} at {endpoint:?}.");
    Err(Refusal::new(404, "ProjectNotExist", message))
}

fn check_version(call: &Call) -> Result<(), Refusal> {
    match call.header("x-log-apiversion") {
        Some("0.6.0") => Ok(()),
        Some(other) => Err(Refusal::bad(
            "InvalidAPIVersion",
            format!("x-log-apiversion {other} is unsupported."),
        )),
        None => Err(missing("MissingAPIVersion", "x-log-apiversion")),
    }
}

fn parse_authorization(call: &Call) -> Result<Claim<'_>, Refusal> {
    let text = call
        .header("authorization")
        .ok_or_else(|| missing("MissAccessKeyId", "Authorization"))?;
    let malformed = || {
        Refusal::new(
            401,
            "Unauthorized",
            "The Authorization header is malformed.",
        )
    };
    if let Some(rest) = text.strip_prefix(V4_SCHEME) {
        let (credential, signature) = rest.split_once(",Signature=").ok_or_else(malformed)?;
        let credential = credential
            .strip_prefix("Credential=")
            .ok_or_else(malformed)?;
        let (id, scope) = credential.split_once('/').ok_or_else(malformed)?;
        return Ok(Claim::V4 {
            id,
            scope,
            signature,
        });
    }
    // `SLS` is what go v0.1.6 wrote in place of `LOG`.
    let rest = text
        .strip_prefix("LOG ")
        .or_else(|| text.strip_prefix("SLS "))
        .ok_or_else(malformed)?;
    let (id, signature) = rest.split_once(':').ok_or_else(malformed)?;
    Ok(Claim::V1 { id, signature })
}

fn check_body_headers(call: &Call) -> Result<(), Refusal> {
    if call.method != "POST" {
        return Ok(());
    }
    if call.header("content-length").is_none() {
        return Err(Refusal::new(
            411,
            "MissingContentLength",
            "Content-Length does not exist in http header.",
        ));
    }
    call.header("content-type")
        .ok_or_else(|| missing("MissingContentType", "Content-Type"))?;
    call.header("x-log-bodyrawsize")
        .ok_or_else(|| missing("MissingBodyRawSize", "x-log-bodyrawsize"))?;
    Ok(())
}

fn check_token(call: &Call, options: &Options) -> Result<(), Refusal> {
    let (sent, wanted) = (
        call.header("x-acs-security-token"),
        options.security_token.as_deref(),
    );
    if sent == wanted {
        return Ok(());
    }
    let message = match (sent, wanted) {
        (None, _) => {
            "The AccessKeyId is a temporary one, but x-acs-security-token does not exist in http header."
        }
        _ => "The security token you provided is invalid.",
    };
    Err(Refusal::new(401, "Unauthorized", message))
}

fn check_v1_headers(call: &Call, now: Now) -> Result<(), Refusal> {
    match call.header("x-log-signaturemethod") {
        Some("hmac-sha1") => {}
        Some(other) => {
            let message = format!("signature method {other} is unsupported.");
            return Err(Refusal::bad("InvalidSignatureMethod", message));
        }
        None => return Err(missing("MissingSignatureMethod", "x-log-signaturemethod")),
    }
    let date = call.header("date").or_else(|| call.header("x-log-date"));
    let date = date.ok_or_else(|| missing("MissingDate", "Date"))?;
    let seconds = parse_http_date(date).ok_or_else(|| {
        Refusal::bad(
            "InvalidDateFormat",
            format!("Date {date} must follow RFC822."),
        )
    })?;
    check_skew(date, seconds, now)?;
    check_md5(call)
}

/// `Content-MD5` is that of the body as sent. What the service answers otherwise is not known: own.
fn check_md5(call: &Call) -> Result<(), Refusal> {
    let found = call.header("content-md5");
    if call.body.is_empty() {
        return match found {
            None => Ok(()),
            Some(_) => Err(Refusal::bad(
                "BadRequest",
                "There is a Content-MD5, but no body.",
            )),
        };
    }
    let found = found.ok_or_else(|| missing("BadRequest", "Content-MD5"))?;
    let expected = format!("{:X}", Md5::digest(&call.body));
    if found == expected {
        return Ok(());
    }
    Err(Refusal::bad(
        "BadRequest",
        format!("Content-MD5 is {found}, but that of the body is {expected}."),
    ))
}

/// Gives the region for which the server checks.
fn check_v4_headers<'a>(
    call: &Call,
    options: &'a Options,
    scope: &str,
    now: Now,
) -> Result<&'a str, Refusal> {
    let date = call
        .header("x-log-date")
        .ok_or_else(|| missing("MissingDate", "x-log-date"))?;
    let seconds = parse_compact_date(date).ok_or_else(|| {
        Refusal::bad(
            "InvalidDateFormat",
            format!("x-log-date {date} must be like 20060102T150405Z."),
        )
    })?;
    check_skew(date, seconds, now)?;
    let hash = call.header("x-log-content-sha256");
    let hash = hash.ok_or_else(|| missing("BadRequest", "x-log-content-sha256"))?;
    let expected = v4::body_hash(&call.body);
    if hash != expected {
        let message =
            format!("x-log-content-sha256 is {hash}, but that of the body is {expected}.");
        return Err(Refusal::bad("BadRequest", message));
    }
    let region = options.region.as_deref().unwrap_or_default();
    let expected = v4::scope(date.get(..8).unwrap_or(date), region);
    if scope == expected && !region.is_empty() {
        return Ok(region);
    }
    Err(Refusal::new(
        401,
        "SignatureNotMatch",
        format!("The scope is {scope}, but must be {expected}."),
    ))
}

fn check_skew(text: &str, seconds: i64, now: Now) -> Result<(), Refusal> {
    if now.is_near(seconds) {
        return Ok(());
    }
    let message = format!(
        "Request time {text} is more than {GREATEST_SKEW_SECONDS} s away from the server's {}.",
        now.http_date()
    );
    Err(Refusal::bad("RequestTimeTooSkewed", message))
}

fn check_id(id: &str, options: &Options) -> Result<(), Refusal> {
    if id == options.access_key_id {
        return Ok(());
    }
    Err(Refusal::new(
        401,
        "Unauthorized",
        format!("AccessKeyId not found: {id}"),
    ))
}

fn check_signature(
    found: &str,
    expected: &str,
    canonical_text: impl Fn() -> String,
) -> Result<(), Refusal> {
    if found == expected {
        return Ok(());
    }
    // The text holds no secret, and shows where two sides differ.
    let message = format!(
        "signature {found} not match; the server signs {:?}",
        canonical_text()
    );
    Err(Refusal::new(401, "SignatureNotMatch", message))
}

fn missing(code: &'static str, header: &str) -> Refusal {
    Refusal::bad(code, format!("{header} does not exist in http header."))
}
