//! What does each answer of SLS, of a proxy or of the host mean?

use crate::fixture::{response, settings};
use aliyun_sls::answer::{CODES, Verdict, judge};
use aliyun_sls::{HttpError, Response};

/// One word for a verdict, with its delay.
fn word(answer: &Result<Response, HttpError>) -> String {
    match judge(answer, &settings()) {
        Verdict::Stored => "stored".to_owned(),
        Verdict::Later { after_ms: None, .. } => "later".to_owned(),
        Verdict::Later {
            after_ms: Some(ms), ..
        } => format!("later {ms}"),
        Verdict::Mend(_) => "mend".to_owned(),
        Verdict::Content(_) => "content".to_owned(),
        Verdict::Clock { .. } => "clock".to_owned(),
    }
}

#[test]
fn codes_of_sls() {
    // Long: one story, told in its order.
    let table: &[(u16, &str, &str)] = &[
        (
            400,
            "content",
            "PostBodyInvalid InvalidTimestamp InvalidEncoding InvalidKey PostBodyTooLarge PostBodyUncompressError",
        ),
        (
            400,
            "content",
            "ParameterInvalid InvalidParameter BadRequest SomethingNew",
        ),
        (
            400,
            "mend",
            "MissingBodyRawSize InvalidBodyRawSize InvalidCompressType MissingContentType MissingHost MissingDate",
        ),
        (
            400,
            "mend",
            "InvalidDateFormat MissingAPIVersion InvalidAPIVersion MissAccessKeyId MissingSignatureMethod",
        ),
        (
            400,
            "mend",
            "InvalidSignatureMethod LogStoreAlreadyExist LogstoreInfoInvalid NotSupported InvalidCursor",
        ),
        (
            400,
            "mend",
            "InvalidTimeRange InvalidQueryString InvalidOffset InvalidLine InvalidReverse",
        ),
        (
            400,
            "clock",
            "RequestTimeTooSkewed RequestTimeExpired InvalidRequestTime",
        ),
        (
            401,
            "mend",
            "SignatureNotMatch Unauthorized InvalidAccessKeyId SecurityTokenExpired SecurityToken.Expired Else",
        ),
        (
            403,
            "later 1000",
            "WriteQuotaExceed ShardWriteQuotaExceed ProjectQuotaExceed ExceedQuota ReadQuotaExceed",
        ),
        (403, "later 1000", "ShardReadQuotaExceed SomeNewQuotaExceed"),
        (403, "mend", "ProjectForbidden Else"),
        (
            404,
            "mend",
            "ProjectNotExist LogStoreNotExist LogStoreWithoutShard ShardNotExist IndexConfigNotExist Else",
        ),
        (411, "mend", "MissingContentLength"),
        (415, "mend", "InvalidContentType"),
        (500, "later", "InternalServerError Else"),
        (502, "later", "Else"),
        (503, "later", "ServerBusy Else"),
    ];
    for (status, expected, codes) in table {
        for code in codes.split(' ') {
            assert_eq!(
                word(&Ok(response(*status, code))),
                *expected,
                "{status} {code}"
            );
        }
    }
    let named = |code: &str| {
        table
            .iter()
            .any(|(_, _, codes)| codes.split(' ').any(|named| named == code))
    };
    for (code, _) in CODES.iter().filter(|(code, _)| *code != "RequestTimeout") {
        assert!(named(code), "{code} is not tested");
    }
}

#[test]
fn answers_that_are_not_of_sls() {
    let html = |status| {
        Ok(Response {
            status,
            headers: vec![],
            body: b"<html>\r\n<title>no</title>".to_vec(),
            truncated: false,
        })
    };
    let expected = [
        (200, "mend"),
        (302, "mend"),
        (400, "mend"),
        (401, "mend"),
        (403, "mend"),
        (404, "mend"),
        (407, "mend"),
    ];
    let temporary = [
        (408, "later"),
        (429, "later 1000"),
        (500, "later"),
        (502, "later"),
        (503, "later"),
        (504, "later"),
    ];
    for (status, expected) in expected
        .into_iter()
        .chain(temporary)
        .chain([(413, "content")])
    {
        assert_eq!(word(&html(status)), expected, "{status}");
    }
}

#[test]
fn only_a_200_with_an_empty_body_or_a_request_id_is_a_success() {
    assert_eq!(word(&Ok(response(200, ""))), "stored");
    assert_eq!(
        word(&Ok(Response {
            status: 200,
            headers: vec![],
            body: vec![],
            truncated: false
        })),
        "stored"
    );
    assert_eq!(word(&Ok(response(204, ""))), "mend");
}

#[test]
fn errors_of_the_host() {
    let why = || "why".to_owned();
    let table = [
        (HttpError::Denied(why()), "mend"),
        (HttpError::InvalidRequest(why()), "mend"),
        (HttpError::RequestTooLarge(9), "content"),
        (HttpError::Dns(why()), "later"),
        (HttpError::Connect(why()), "later"),
        (HttpError::Tls(why()), "later"),
        (HttpError::Proxy(why()), "later"),
        (HttpError::NotSent(why()), "later"),
        (HttpError::Timeout, "later"),
        (HttpError::Interrupted(why()), "later"),
        (HttpError::Protocol(why()), "later"),
        (HttpError::Other(why()), "later"),
    ];
    for (error, expected) in table {
        assert_eq!(word(&Err(error.clone())), expected, "{error:?}");
    }
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    for (status, seconds, expected) in [
        (503, "7", "later 7000"),
        (429, "2", "later 2000"),
        (503, "99999", "later 3600000"),
        (503, "soon", "later"),
    ] {
        let mut busy = response(status, "");
        busy.headers
            .push(("Retry-After".to_owned(), seconds.as_bytes().to_vec()));
        assert_eq!(word(&Ok(busy)), expected);
    }
}

#[test]
fn a_reason_has_the_code_the_words_and_the_request_id() {
    let Verdict::Mend(reason) = judge(&Ok(response(401, "SignatureNotMatch")), &settings()) else {
        panic!()
    };
    assert_eq!(
        reason,
        "SLS answered 401 SignatureNotMatch: words (request 5F1); check SLS_KEY_ID, SLS_KEY_SECRET and SLS_SECURITY_TOKEN"
    );
}

#[test]
fn a_reason_is_one_short_line() {
    let body = format!("<html>\r\n\u{7}{}", "x".repeat(5000)).into_bytes();
    let answer = Ok(Response {
        status: 502,
        headers: vec![],
        body,
        truncated: false,
    });
    let Verdict::Later { reason, .. } = judge(&answer, &settings()) else {
        panic!()
    };
    assert!(
        reason.starts_with("SLS answered 502 <html>   xxx"),
        "{reason}"
    );
    assert!(
        reason.len() < 400 && !reason.contains(char::is_control),
        "{reason}"
    );
}

#[test]
fn a_complaint_is_read_whatever_its_form() {
    use aliyun_sls::complaint::complaint;
    let table = [
        (r#"{"errorCode":"A","errorMessage":"b"}"#, Some(("A", "b"))),
        (
            "\n{ \"errorMessage\" : \"say \\\"errorCode\\\"\\n\\u00e9\\u4e2d\" ,\n \"errorCode\" : \"A\" }\n",
            Some(("A", "say \"errorCode\" é中")),
        ),
        (r#"{"errorCode":"A"}"#, Some(("A", ""))),
        (r#"{"errorCode":5}"#, None),
        (r#"{"errorCode":"A"#, None),
        (r#"{"errorCode":"\u12"}"#, None),
        (r#"{"error":"A"}"#, None),
        ("<html>", None),
        ("", None),
    ];
    for (body, expected) in table {
        let read = complaint(body.as_bytes()).map(|complaint| (complaint.code, complaint.message));
        assert_eq!(
            read.as_ref()
                .map(|(code, message)| (code.as_str(), message.as_str())),
            expected,
            "{body}"
        );
    }
    assert_eq!(complaint(b"{\"errorCode\":\"\xff\"}"), None);
}
