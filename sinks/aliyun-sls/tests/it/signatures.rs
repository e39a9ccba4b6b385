//! Do the signatures equal those of the vendor's SDK? Vectors: aliyun-log-go-sdk signature_test.go,
//! signature_v4_test.go.

use crate::fixture::{group, header, settings, settings_with};
use aliyun_sls::signature::{Message, v1, v4};

const DATE: &str = "Mon, 3 Jan 2010 08:33:47 GMT";
const V4_QUERY: &str = "=efg& abc=efg& agc &A-bc=eFg";

#[test]
fn version_1_without_a_body() {
    let headers = [
        ("x-log-apiversion", "0.6.0"),
        ("x-log-signaturemethod", "hmac-sha1"),
        ("x-log-bodyrawsize", "0"),
        ("date", DATE),
    ];
    let message = Message {
        method: "GET",
        path: "/logstores",
        query: "",
        headers: &headers,
    };
    assert_eq!(
        v1("mockAccessKeyID", "mockAccessKeySecret", &message),
        "LOG mockAccessKeyID:Rwm6cTKzoti4HWoe+GKcb6Kv07E="
    );
}

#[test]
fn version_1_with_a_body() {
    // The SDK's test marshals a list of one group: field 1, 50 bytes.
    let mut logs = aliyun_sls::log_group::Logs::default();
    logs.push(1_405_409_656, |each| each("TestKey", "TestContent"));
    let body = [&[0x0a, 50][..], &logs.group(&[0], "10.230.201.117")].concat();
    let md5 =
        aliyun_sls::signature::hex(&<md5::Md5 as md5::Digest>::digest(&body)).to_ascii_uppercase();
    let headers = [
        ("x-log-apiversion", "0.6.0"),
        ("x-log-signaturemethod", "hmac-sha1"),
        ("x-log-bodyrawsize", "50"),
        ("content-md5", &md5),
        ("content-type", "application/x-protobuf"),
        ("date", DATE),
    ];
    let message = Message {
        method: "GET",
        path: "/logstores/app_log",
        query: "",
        headers: &headers,
    };
    assert_eq!(
        v1("mockAccessKeyID", "mockAccessKeySecret", &message),
        "LOG mockAccessKeyID:87xQWqFaOSewqRIma8kPjGYlXHc="
    );
}

fn v4_of(region: &str, method: &str, query: &str, body: &str, more: &[(&str, &str)]) -> String {
    let sha256 = aliyun_sls::signature::hex(&<sha2::Sha256 as md5::Digest>::digest(body));
    let mut headers = vec![
        ("x-log-date", "20220808T032330Z"),
        ("x-log-content-sha256", sha256.as_str()),
    ];
    headers.extend_from_slice(more);
    let message = Message {
        method,
        path: "/logstores",
        query,
        headers: &headers,
    };
    v4("acsddda21dsd", "zxasdasdasw2", region, &message)
}

#[test]
fn version_4() {
    let more = [
        ("hello", "world"),
        ("hello-text", "a12X- "),
        ("x-log-test", "het123"),
        ("x-acs-ppp", "dds"),
    ];
    let vectors = [
        (
            v4_of("cn-hangzhou", "POST", V4_QUERY, "adasd= -asd zcas", &more),
            "a98f5632e93836e63839cd836a54055f480020a9364ca944e2d34f2eb9bf1bed",
        ),
        (
            v4_of("cn-shanghai", "POST", "", "adasd= -asd zcas", &[]),
            "8a10a5e723cb2e75964816de660b2c16a58af8bc0261f7f0722d832468c76ce8",
        ),
        (
            v4_of("cn-hangzhou", "POST", V4_QUERY, "", &more),
            "5a66d8f8051983e0e9d08e0f960ef9252ef971eead5bb5c7acec8617a2eb2701",
        ),
        (
            v4_of("cn-hangzhou", "GET", V4_QUERY, "", &more),
            "d92741852500791d662a8d469ff61627c0559ecd86c3f59b7bf6772b6c62666a",
        ),
    ];
    for (authorization, signature) in vectors {
        assert!(
            authorization.ends_with(&format!("Signature={signature}")),
            "{authorization}"
        );
        assert!(
            authorization.starts_with("SLS4-HMAC-SHA256 Credential=acsddda21dsd/20220808/cn-"),
            "{authorization}"
        );
    }
}

#[test]
fn without_a_region_a_request_is_signed_by_version_1() {
    let request = aliyun_sls::request::put_logs(&settings(), b"", crate::fixture::NOW);
    assert!(
        header(&request, "authorization")
            .unwrap()
            .starts_with("LOG LTAI-the-key-id:")
    );
    assert_eq!(
        header(&request, "date").unwrap(),
        "Mon, 23 Nov 2026 10:32:46 GMT"
    );
    assert_eq!(
        header(&request, "x-log-signaturemethod").unwrap(),
        "hmac-sha1"
    );
    assert_eq!(header(&request, "x-log-date"), None);
}

#[test]
fn with_a_region_a_request_is_signed_by_version_4_for_host_and_port() {
    let env: &[_] = &[
        ("SLS_REGION", "cn-hangzhou"),
        ("SLS_ENDPOINT", "http://localhost:8080"),
    ];
    let request =
        aliyun_sls::request::put_logs(&settings_with(env).unwrap(), b"", crate::fixture::NOW);
    assert_eq!(
        request.url,
        "http://proj.localhost:8080/logstores/kubedl/shards/lb"
    );
    let sent = header(&request, "authorization").unwrap();
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), String::from_utf8(value.clone()).unwrap()))
        .collect();
    headers.push(("host".to_owned(), "proj.localhost:8080".to_owned()));
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let message = Message {
        method: "POST",
        path: "/logstores/kubedl/shards/lb",
        query: "",
        headers: &headers,
    };
    assert_eq!(
        sent,
        v4(
            crate::fixture::KEY_ID,
            crate::fixture::SECRET,
            "cn-hangzhou",
            &message
        )
    );
    assert_eq!(header(&request, "x-log-date").unwrap(), "20261123T103246Z");
    assert_eq!(header(&request, "date"), None);
    assert_eq!(header(&request, "host"), None);
}

#[test]
fn a_security_token_is_sent_and_signed() {
    for env in [
        &[("SLS_SECURITY_TOKEN", crate::fixture::TOKEN)][..],
        &[
            ("SLS_SECURITY_TOKEN", crate::fixture::TOKEN),
            ("SLS_REGION", "r"),
        ],
    ] {
        let request =
            aliyun_sls::request::put_logs(&settings_with(env).unwrap(), b"", crate::fixture::NOW);
        assert_eq!(
            header(&request, "x-acs-security-token").unwrap(),
            crate::fixture::TOKEN
        );
        let region = &env[1..];
        let without = aliyun_sls::request::put_logs(
            &settings_with(region).unwrap(),
            b"",
            crate::fixture::NOW,
        );
        assert_ne!(
            header(&request, "authorization"),
            header(&without, "authorization")
        );
    }
}

#[test]
fn no_header_is_the_hosts_own() {
    for env in [&[][..], &[("SLS_REGION", "r")]] {
        let request =
            aliyun_sls::request::put_logs(&settings_with(env).unwrap(), b"", crate::fixture::NOW);
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "te",
            "trailer",
            "upgrade",
            "expect",
        ] {
            assert_eq!(header(&request, name), None, "{name}");
        }
        assert!(group(&request).logs.is_empty());
    }
}
