//! Which settings does the sink accept, and what does it say of the others?

use crate::fixture::{environment, settings, settings_with};
use aliyun_sls::describe::describe;
use aliyun_sls::{Error, Settings};

fn refusal(result: Result<Settings, Error>) -> String {
    match result {
        Err(Error::Misconfigured(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn url(endpoint: &'static str) -> Result<String, String> {
    let read = |name: &str| {
        if name == "SLS_ENDPOINT" {
            Some(endpoint.to_owned())
        } else {
            environment(name)
        }
    };
    let put = |settings: Settings| aliyun_sls::request::put_logs(&settings, b"", 0).url;
    Settings::from_env(&read)
        .map(put)
        .map_err(|error| format!("{error:?}"))
}

#[test]
fn all_missing_names_are_told_at_once() {
    let all = refusal(Settings::from_env(&|_| None));
    assert_eq!(
        all,
        "not set, or not granted: SLS_ENDPOINT, SLS_KEY_ID, SLS_KEY_SECRET, SLS_PROJECT, SLS_LOG_STORE"
    );
    assert_eq!(
        refusal(settings_with(&[
            ("SLS_PROJECT", ""),
            ("SLS_KEY_SECRET", " \n")
        ])),
        "not set, or not granted: SLS_KEY_SECRET, SLS_PROJECT"
    );
}

#[test]
fn white_space_around_a_value_does_not_count() {
    let padded =
        Settings::from_env(&|name| environment(name).map(|value| format!(" {value}\r\n"))).unwrap();
    let request =
        |settings: &Settings| format!("{:?}", aliyun_sls::request::put_logs(settings, b"", 0));
    assert_eq!(request(&padded), request(&settings()));
}

#[test]
fn an_endpoint_has_an_optional_scheme_port_and_slash() {
    let put = "/logstores/kubedl/shards/lb";
    for (endpoint, origin) in [
        (
            "cn-hangzhou.log.aliyuncs.com",
            "https://proj.cn-hangzhou.log.aliyuncs.com",
        ),
        ("http://h.example", "http://proj.h.example"),
        ("HTTPS://H.example/", "https://proj.h.example"),
        ("h.example//", "https://proj.h.example"),
        ("h.example:8443", "https://proj.h.example:8443"),
        ("https://h.example:443", "https://proj.h.example"),
        ("http://h.example:80", "http://proj.h.example"),
    ] {
        assert_eq!(url(endpoint), Ok(format!("{origin}{put}")), "{endpoint}");
    }
}

#[test]
fn an_endpoint_that_is_no_host_is_refused() {
    for endpoint in [
        "ftp://h", "https://", "h/path", "h?x", "h:port", "h:0", "h:70000", "user@h", "h ost",
        "://h",
    ] {
        assert!(url(endpoint).is_err(), "{endpoint}");
    }
}

#[test]
fn names_that_would_change_the_url_are_refused() {
    let bad: [&'static [(&'static str, &'static str)]; 3] = [
        &[("SLS_PROJECT", "evil.example/")],
        &[("SLS_LOG_STORE", "a/../b")],
        &[("SLS_REGION", "a b")],
    ];
    for env in bad {
        assert!(refusal(settings_with(env)).contains(env[0].0));
    }
}

#[test]
fn the_description_names_every_variable() {
    let description = describe();
    let named = |required| {
        description
            .env
            .iter()
            .filter(move |var| var.required == required)
            .map(|var| var.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(named(true), aliyun_sls::settings::REQUIRED);
    assert_eq!(named(false), ["SLS_REGION", "SLS_SECURITY_TOKEN"]);
    let secret: Vec<_> = description
        .env
        .iter()
        .filter(|var| var.secret)
        .map(|var| var.name.as_str())
        .collect();
    assert_eq!(
        secret,
        ["SLS_KEY_ID", "SLS_KEY_SECRET", "SLS_SECURITY_TOKEN"]
    );
    assert_eq!(
        (description.name.as_str(), description.hosts),
        (
            "aliyun-sls",
            vec!["${SLS_PROJECT}.${SLS_ENDPOINT}".to_owned()]
        )
    );
}
