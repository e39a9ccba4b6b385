//! Does a grant admit what it says, and nothing else?

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use kubedl_events::sink::grant::{Authority, Document, HostPattern, Scheme};

fn values(name: &str) -> Option<String> {
    Some(match name {
        "PROJECT" => "kubedl-project".to_owned(),
        "PLAIN" => "zhangbei.log.aliyuncs.com".to_owned(),
        "SLASH" => "zhangbei.log.aliyuncs.com/".to_owned(),
        "HTTP" => "http://localhost:8080".to_owned(),
        "HTTPS" => "https://example.com/path?q".to_owned(),
        "PORT" => "example.com:8443".to_owned(),
        "USER" => "https://me:secret@example.com".to_owned(),
        "STAR" => "*.example.com".to_owned(),
        "NEST" => "${PROJECT}".to_owned(),
        "SPACE" => " example.com\n".to_owned(),
        _ => return None,
    })
}

#[test]
fn templates_are_filled_in_as_the_table_says() {
    for (template, expected) in [
        ("https://${PROJECT}.${PLAIN}", Ok("https://kubedl-project.zhangbei.log.aliyuncs.com")),
        ("https://${PROJECT}.${SLASH}", Ok("https://kubedl-project.zhangbei.log.aliyuncs.com")),
        ("https://${PROJECT}.${HTTP}", Ok("http://kubedl-project.localhost:8080")),
        ("${HTTPS}", Ok("https://example.com")),
        ("https://${PORT}", Ok("https://example.com:8443")),
        ("https://${SPACE}", Ok("https://example.com")),
        ("example.com", Ok("https://example.com")),
        ("http://Example.COM:80", Ok("http://example.com")),
        ("https://*.example.com", Ok("https://*.example.com")),
        ("https://[::1]:8443", Ok("https://[::1]:8443")),
        ("https://${USER}", Err("user")),
        ("https://${STAR}", Err("wildcard")),
        ("https://${NEST}", Err("wildcard or template")),
        ("https://${MISSING}", Err("not granted")),
        ("https://${PROJECT", Err("without its }")),
        ("https://*", Err("not the name of a host")),
        ("https://a.*.com", Err("not the name of a host")),
        ("https://example.com/path", Err("not the name of a host")),
        ("https://example.com.", Err("not the name of a host")),
        ("ftp://example.com", Err("scheme")),
        ("https://example.com:0", Err("port")),
        ("https://ex\u{e4}mple.com", Err("not the name of a host")),
        ("", Err("not the name of a host")),
    ] {
        let found = HostPattern::from_template(template, &values).map(|pattern| pattern.to_string());
        match (expected, found) {
            (Ok(expected), Ok(found)) => assert_eq!(found, expected, "{template}"),
            (Err(words), Err(why)) => {
                assert!(why.contains(words), "{template}: {why}");
                assert!(!why.contains("secret"), "{why}");
            }
            (expected, found) => panic!("{template}: expected {expected:?}, found {found:?}"),
        }
    }
}

#[test]
fn a_pattern_admits_only_its_own_scheme_name_and_port() {
    let pattern: HostPattern = "https://*.example.com".parse().unwrap();
    let admits = |host: &str, scheme, port| pattern.admits(&Authority { scheme, host: host.to_owned(), port });
    assert!(admits("a.example.com", Scheme::Https, 443));
    for (host, scheme, port) in [
        ("example.com", Scheme::Https, 443),
        (".example.com", Scheme::Https, 443),
        ("a.b.example.com", Scheme::Https, 443),
        ("aexample.com", Scheme::Https, 443),
        ("a.example.com.evil.com", Scheme::Https, 443),
        ("a.example.com", Scheme::Http, 443),
        ("a.example.com", Scheme::Https, 444),
    ] {
        assert!(!admits(host, scheme, port), "{host} {scheme:?} {port}");
    }
}

#[test]
fn an_unknown_key_or_a_bad_source_is_an_error_that_says_where() {
    for (text, words) in [
        ("env:\n  A: {form: B}\n", "form"),
        ("env:\n  A: {from: B, value: c}\n", "exactly one"),
        ("env:\n  A: {}\n", "exactly one"),
        ("hosts: []\n", "hosts"),
        ("env:\n  KUBERNETES_SERVICE_HOST: {value: x}\n", "can't be granted"),
        ("env:\n  A: {from: KUBEDL_EVENTS_CLUSTER}\n", "can't be granted"),
        ("env:\n  https_proxy: {value: x}\n", "can't be granted"),
    ] {
        let why = Document::parse(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }
}

#[test]
fn all_missing_variables_are_named_at_once_with_the_keys_that_feed_them() {
    let document =
        Document::parse("env:\n  SLS_PROJECT: {from: SLS_PROJECT}\n  SLS_KEY_ID: {from: SLS_KEY_ID}\n  X: {from: X, optional: true}\n").unwrap();
    let why = document.resolve("aliyun-sls", None, &|name| (name == "SLS_KEY_ID").then(String::new)).unwrap_err().to_string();
    for words in ["SLS_PROJECT from key project", "SLS_KEY_ID from key accessKey", "kubedl-sls-config"] {
        assert!(why.contains(words), "{why}");
    }
    assert!(!why.contains(" X"), "{why}");
}

#[test]
fn values_of_secrets_are_not_shown() {
    let document = Document::parse("env:\n  A: {from: A}\n  B: {value: open}\n  C: {from: A, secret: false}\n").unwrap();
    let grant = document.resolve("s", None, &|_| Some("hidden".to_owned())).unwrap();
    let shown = format!("{:?}", grant.env);
    assert_eq!(shown, "[A=(secret), B=open, C=hidden]");
}
