//! Is everything that an SDK may send stored, as it was sent?

use crate::client::{Request, bytes_field, content, group, now, server, sls_scheme, varint_field};
use testkit::sls::{Options, Server};

#[test]
fn a_log_is_stored_in_wire_order_with_all_that_belongs_to_it() {
    let server = server();
    let time = now();
    let mut log = [
        varint_field(1, time.into()),
        content("B", "1"),
        content("A", ""),
        content("B", "é\n"),
    ]
    .concat();
    log.extend([4 << 3 | 5, 0x15, 0xcd, 0x5b, 0x07]);
    let tag = [bytes_field(1, b"__pack_id__"), bytes_field(2, b"AB-0")].concat();
    let raw = [
        bytes_field(1, &log),
        bytes_field(3, b"topic"),
        bytes_field(4, b"kubelet/"),
        bytes_field(6, &tag),
    ]
    .concat();

    let answer = Request::put(&server, raw).send(&server).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(answer.header("x-log-requestid").is_some());
    assert!(httpdate::parse_http_date(answer.header("date").unwrap()).is_ok());

    let stored = server.stored();
    let stored = &stored[0];
    let contents: Vec<_> = stored
        .contents
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(contents, [("B", "1"), ("A", ""), ("B", "é\n")]);
    assert_eq!((stored.time, stored.time_ns), (time, Some(123_456_789)));
    assert_eq!(
        (stored.topic.as_str(), stored.source.as_str()),
        ("topic", "kubelet/")
    );
    assert_eq!(stored.tags, [("__pack_id__".to_owned(), "AB-0".to_owned())]);
    assert_eq!(
        (
            stored.request,
            stored.log_store.as_str(),
            stored.hash_key.as_deref()
        ),
        (1, "events", None)
    );
    assert!(stored.arrived_ns / 1_000_000_000 >= u64::from(time));
}

#[test]
fn all_three_paths_write() {
    let server = server();
    let key = "0123456789abcdef0123456789ABCDEF";
    let requests = [
        Request::put(&server, group(&[("Path", "lb")])),
        Request::put(&server, group(&[("Path", "old")])).path("/logstores/events"),
        Request::put(&server, group(&[("Path", "route")]))
            .path("/logstores/events/shards/route")
            .param("key", key),
    ];
    for request in requests {
        assert_eq!(request.outcome(&server), (200, String::new()));
    }
    let keys: Vec<_> = server
        .stored()
        .into_iter()
        .map(|log| log.hash_key)
        .collect();
    assert_eq!(keys, [None, None, Some(key.to_owned())]);
}

#[test]
fn all_compressions_are_undone() {
    let server = server();
    let raw = group(&[("Message", &"pulled ".repeat(100))]);
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut deflate, &raw).unwrap();
    let bodies = [
        ("lz4", lz4_flex::block::compress(&raw)),
        ("zstd", zstd::bulk::compress(&raw, 1).unwrap()),
        ("deflate", deflate.finish().unwrap()),
    ];
    for (name, body) in bodies {
        let request = Request::put(&server, raw.clone()).compressed(name, body);
        assert_eq!(request.outcome(&server), (200, String::new()), "{name}");
    }
    assert_eq!(server.count(), 3);
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.raw_bytes == raw.len() && request.sent_bytes < raw.len())
    );
}

#[test]
fn all_signatures_are_known() {
    let server = server();
    let put = || Request::put(&server, group(&[("A", "1")]));
    for request in [put(), sls_scheme(put()), put().by_v4()] {
        assert_eq!(request.outcome(&server), (200, String::new()));
    }
}

#[test]
fn a_temporary_key_comes_with_its_token() {
    let options = Options {
        security_token: Some("token".into()),
        region: Some(crate::client::REGION.into()),
        ..Options::default()
    };
    let server = Server::start(options).unwrap();
    let put = || Request::put(&server, group(&[("A", "1")])).with("x-acs-security-token", "token");
    assert_eq!(put().outcome(&server), (200, String::new()));
    assert_eq!(put().by_v4().outcome(&server), (200, String::new()));
    let unauthorized = (401, "Unauthorized".to_owned());
    assert_eq!(
        put().without("x-acs-security-token").outcome(&server),
        unauthorized
    );
    assert_eq!(
        put().with("x-acs-security-token", "old").outcome(&server),
        unauthorized
    );
}

#[test]
fn unknown_fields_are_skipped() {
    let server = server();
    let raw = [
        varint_field(12, 1),
        group(&[("A", "1")]),
        bytes_field(13, b"new"),
    ]
    .concat();
    assert_eq!(
        Request::put(&server, raw).outcome(&server),
        (200, String::new())
    );
}

#[test]
fn another_name_of_the_endpoint_may_be_used() {
    let server = Server::start(Options {
        other_hosts: vec!["cn-hangzhou.log.aliyuncs.com".into()],
        ..Options::default()
    })
    .unwrap();
    let request = Request::put(&server, group(&[("A", "1")]))
        .with("host", "kubedl-test.cn-hangzhou.log.aliyuncs.com");
    assert_eq!(request.outcome(&server), (200, String::new()));
}
