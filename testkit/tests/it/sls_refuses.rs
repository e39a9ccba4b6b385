//! Does one bad thing in a request that is otherwise right give exactly its error, and store
//! nothing?

use crate::client::{Request, bytes_field, content, group, log, now, server, varint_field};
use testkit::sls::Server;

type Change = fn(Request) -> Request;

fn assert_refused(server: &Server, name: &str, request: Request, status: u16, code: &str) {
    assert_eq!(request.outcome(server), (status, code.to_owned()), "{name}");
    assert_eq!(server.count(), 0, "{name}");
    let last = server
        .requests()
        .pop()
        .map(|last| (last.status, last.error_code));
    assert_eq!(last, Some((Some(status), Some(code.to_owned()))), "{name}");
}

#[test]
fn headers_and_addresses() {
    // Long: a table of cases.
    let cases: &[(&str, u16, &str, Change)] = &[
        ("no host", 400, "MissingHost", |r| r.without("host")),
        ("other project", 404, "ProjectNotExist", |r| {
            r.with("host", "other.localhost:1")
        }),
        ("no project", 404, "ProjectNotExist", |r| {
            r.with("host", "localhost")
        }),
        ("other store", 404, "LogStoreNotExist", |r| {
            r.path("/logstores/other/shards/lb")
        }),
        ("no such path", 404, "NotFound", |r| {
            r.path("/logstores/events/shards/0")
        }),
        ("two slashes", 404, "NotFound", |r| {
            r.path("//logstores/events/shards/lb")
        }),
        ("hash key too short", 400, "ParameterInvalid", |r| {
            r.path("/logstores/events/shards/route")
                .param("key", "00ff")
        }),
        ("no version", 400, "MissingAPIVersion", |r| {
            r.without("x-log-apiversion")
        }),
        ("other version", 400, "InvalidAPIVersion", |r| {
            r.with("x-log-apiversion", "0.4.0")
        }),
        ("no content type", 400, "MissingContentType", |r| {
            r.without("content-type")
        }),
        ("other content type", 415, "InvalidContentType", |r| {
            r.with("content-type", "application/json")
        }),
        ("no raw size", 400, "MissingBodyRawSize", |r| {
            r.without("x-log-bodyrawsize")
        }),
        ("raw size no number", 400, "InvalidBodyRawSize", |r| {
            r.with("x-log-bodyrawsize", "+5")
        }),
        ("raw size wrong", 400, "InvalidBodyRawSize", |r| {
            r.with("x-log-bodyrawsize", "5")
        }),
        ("no length", 411, "MissingContentLength", |r| {
            r.with("transfer-encoding", "chunked")
        }),
        ("no date", 400, "MissingDate", |r| r.without("date")),
        ("no HTTP date", 400, "InvalidDateFormat", |r| {
            r.with("date", "2010-01-03T08:33:47Z")
        }),
        ("old date", 400, "RequestTimeTooSkewed", |r| {
            r.with("date", "Sun, 03 Jan 2010 08:33:47 GMT")
        }),
        ("no signature method", 400, "MissingSignatureMethod", |r| {
            r.without("x-log-signaturemethod")
        }),
        (
            "other signature method",
            400,
            "InvalidSignatureMethod",
            |r| r.with("x-log-signaturemethod", "hmac-md5"),
        ),
    ];
    let server = server();
    for (name, status, code, change) in cases {
        let request = change(Request::put(&server, group(&[("A", "1")])));
        assert_refused(&server, name, request, *status, code);
    }
}

#[test]
fn signatures_and_hashes() {
    // Long: a table of cases.
    let unsigned: Change = |mut r| {
        r.unsigned = true;
        r
    };
    let no_hashes: Change = |mut r| {
        r.hashes = false;
        r
    };
    let cases: &[(&str, u16, &str, Change)] = &[
        ("no authorization", 400, "MissAccessKeyId", unsigned),
        ("unknown scheme", 401, "Unauthorized", |mut r| {
            r.unsigned = true;
            r.with("authorization", "Bearer x")
        }),
        ("other key id", 401, "Unauthorized", |mut r| {
            r.key_id = "other".into();
            r
        }),
        ("other secret", 401, "SignatureNotMatch", |mut r| {
            r.secret = "other".into();
            r
        }),
        (
            "token that the key doesn't have",
            401,
            "Unauthorized",
            |r| r.with("x-acs-security-token", "t"),
        ),
        ("v4, other secret", 401, "SignatureNotMatch", |mut r| {
            r.secret = "other".into();
            r.by_v4()
        }),
        ("v4, no date", 400, "MissingDate", |r| {
            r.by_v4().without("x-log-date")
        }),
        ("v4, HTTP date", 400, "InvalidDateFormat", |r| {
            r.by_v4()
                .with("x-log-date", "Sun, 03 Jan 2010 08:33:47 GMT")
        }),
        ("v4, old date", 400, "RequestTimeTooSkewed", |r| {
            r.by_v4().with("x-log-date", "20100103T083347Z")
        }),
    ];
    let server = server();
    for (name, status, code, change) in cases {
        let request = change(Request::put(&server, group(&[("A", "1")])));
        assert_refused(&server, name, request, *status, code);
    }
    let put = || no_hashes(Request::put(&server, group(&[("A", "1")])));
    let lower_case = "d41d8cd98f00b204e9800998ecf8427e";
    assert_refused(&server, "no MD5", put(), 400, "BadRequest");
    assert_refused(
        &server,
        "MD5 of something else",
        put().with("content-md5", &lower_case.to_uppercase()),
        400,
        "BadRequest",
    );
    assert_refused(
        &server,
        "MD5 in lower case",
        put().with("content-md5", lower_case),
        400,
        "BadRequest",
    );
    assert_refused(&server, "v4, no hash", put().by_v4(), 400, "BadRequest");
}

#[test]
fn compressed_bodies() {
    let server = server();
    let raw = group(&[("Message", &"pulled ".repeat(50))]);
    let block = lz4_flex::block::compress(&raw);
    let with_size = lz4_flex::block::compress_prepend_size(&raw);
    let cases = [
        ("unknown name", "InvalidCompressType", "gzip", block.clone()),
        (
            "lz4 with a size before it",
            "PostBodyUncompressError",
            "lz4",
            with_size,
        ),
        (
            "lz4 cut",
            "PostBodyUncompressError",
            "lz4",
            block[..block.len() - 3].to_vec(),
        ),
        (
            "zstd that is lz4",
            "PostBodyUncompressError",
            "zstd",
            block.clone(),
        ),
        (
            "deflate that is lz4",
            "PostBodyUncompressError",
            "deflate",
            block,
        ),
    ];
    for (name, code, compression, body) in cases {
        let request = Request::put(&server, raw.clone()).compressed(compression, body);
        assert_refused(&server, name, request, 400, code);
    }
    let smaller = (raw.len() - 1).to_string();
    let request =
        Request::put(&server, raw.clone()).compressed("lz4", lz4_flex::block::compress(&raw));
    assert_refused(
        &server,
        "more than said",
        request.with("x-log-bodyrawsize", &smaller),
        400,
        "InvalidBodyRawSize",
    );
}

#[test]
fn bytes_that_are_no_group() {
    let server = server();
    let time = varint_field(1, now().into());
    let one_log = |fields: &[Vec<u8>]| bytes_field(1, &fields.concat());
    let key_only = bytes_field(2, &bytes_field(1, b"A"));
    let value_only = bytes_field(2, &bytes_field(2, b"1"));
    let whole = group(&[("A", "1")]);
    let cases = [
        ("no value", one_log(&[time.clone(), key_only])),
        ("no key", one_log(&[time.clone(), value_only])),
        ("no time", one_log(&[content("A", "1")])),
        (
            "time twice",
            one_log(&[time.clone(), time.clone(), content("A", "1")]),
        ),
        (
            "time over 32 bits",
            one_log(&[varint_field(1, 1 << 32), content("A", "1")]),
        ),
        (
            "time as bytes",
            one_log(&[bytes_field(1, b"1"), content("A", "1")]),
        ),
        (
            "contents as a varint",
            one_log(&[time.clone(), varint_field(2, 1)]),
        ),
        ("cut", whole[..whole.len() - 1].to_vec()),
        (
            "not UTF-8",
            one_log(&[
                time.clone(),
                bytes_field(2, &[bytes_field(1, b"A"), bytes_field(2, b"\xff")].concat()),
            ]),
        ),
        (
            "field number 0",
            [whole.clone(), varint_field(0, 1)].concat(),
        ),
        ("a group end", [whole.clone(), vec![1 << 3 | 4]].concat()),
        ("endless varint", [whole.clone(), vec![0xff; 11]].concat()),
        ("no log", bytes_field(3, b"topic")),
        ("no contents", one_log(&[time])),
        ("JSON", b"{\"a\":1}".to_vec()),
    ];
    for (name, raw) in cases {
        assert_refused(
            &server,
            name,
            Request::put(&server, raw),
            400,
            "PostBodyInvalid",
        );
    }
}

#[test]
fn groups_over_a_limit() {
    let server = server();
    let now = now();
    let week = 7 * 24 * 3600;
    let too_long = "x".repeat(129);
    let megabyte = "x".repeat(1024 * 1024 + 1);
    let many: Vec<u8> = (0..4097).flat_map(|_| log(now, &[("A", "1")])).collect();
    let three_megabytes: Vec<u8> = (0..4)
        .flat_map(|_| log(now, &[("A", &megabyte[1..])]))
        .collect();
    let reserved: Vec<u8> = group(&[("__time__", "1")]);
    let cases = [
        (
            "8 days old",
            "PostBodyInvalid",
            [group(&[("A", "1")]), log(now - week - 60, &[("A", "1")])].concat(),
        ),
        (
            "16 minutes ahead",
            "PostBodyInvalid",
            log(now + 16 * 60, &[("A", "1")]),
        ),
        ("time 0", "PostBodyInvalid", log(0, &[("A", "1")])),
        (
            "a long topic",
            "PostBodyInvalid",
            [group(&[("A", "1")]), bytes_field(3, too_long.as_bytes())].concat(),
        ),
        (
            "a long source",
            "PostBodyInvalid",
            [group(&[("A", "1")]), bytes_field(4, too_long.as_bytes())].concat(),
        ),
        (
            "a long value",
            "PostBodyInvalid",
            group(&[("A", &megabyte)]),
        ),
        ("a long key", "InvalidKey", group(&[(&too_long, "1")])),
        ("an empty key", "InvalidKey", group(&[("", "1")])),
        ("a key with a dash", "InvalidKey", group(&[("a-b", "1")])),
        (
            "a key with a digit first",
            "InvalidKey",
            group(&[("1a", "1")]),
        ),
        ("a reserved key", "InvalidKey", reserved),
        ("4097 logs", "PostBodyTooLarge", many),
        ("over 3 MB", "PostBodyTooLarge", three_megabytes),
    ];
    for (name, code, raw) in cases {
        assert_refused(&server, name, Request::put(&server, raw), 400, code);
    }
}

#[test]
fn logs_just_within_the_limits_pass() {
    let server = server();
    let now = now();
    let (key, value) = ("k".repeat(128), "x".repeat(1024 * 1024));
    let raw = [
        log(now - 7 * 24 * 3600 + 60, &[("A", "1")]),
        log(now + 14 * 60, &[(&key, &value)]),
        bytes_field(3, "t".repeat(128).as_bytes()),
    ];
    assert_eq!(
        Request::put(&server, raw.concat()).outcome(&server),
        (200, String::new())
    );
}

#[test]
fn version_4_needs_a_region_on_both_sides() {
    let server = Server::start(testkit::sls::Options::default()).unwrap();
    let request = Request::put(&server, group(&[("A", "1")])).by_v4();
    assert_refused(
        &server,
        "server without a region",
        request,
        401,
        "SignatureNotMatch",
    );
}
