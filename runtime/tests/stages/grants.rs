//! Does a grant admit what it says, and nothing else?

use kubedl_events::sink::grant::{Authority, Document, HostPattern, Scheme, schema};

fn values(name: &str) -> Option<String> {
    Some(match name {
        "PROJECT" => "kubedl-project".to_owned(),
        "PLAIN" => "zhangbei.log.aliyuncs.com".to_owned(),
        "SLASH" => "zhangbei.log.aliyuncs.com/".to_owned(),
        "HTTP" => "http://localhost:8080".to_owned(),
        "HTTPS" => "https://example.com/path?q".to_owned(),
        "V6" => "http://[fd00::1]:8080/base".to_owned(),
        "V6_ALONE" => "http://[fd00::1]/".to_owned(),
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
        (
            "https://${PROJECT}.${PLAIN}",
            Ok("https://kubedl-project.zhangbei.log.aliyuncs.com"),
        ),
        (
            "https://${PROJECT}.${SLASH}",
            Ok("https://kubedl-project.zhangbei.log.aliyuncs.com"),
        ),
        (
            "https://${PROJECT}.${HTTP}",
            Ok("https://kubedl-project.localhost:8080"),
        ),
        (
            "${PROJECT}.${HTTP}",
            Ok("http://kubedl-project.localhost:8080"),
        ),
        ("${HTTPS}", Ok("https://example.com")),
        ("https://${PORT}", Ok("https://example.com:8443")),
        ("https://${SPACE}", Ok("https://example.com")),
        ("example.com", Ok("https://example.com")),
        ("http://Example.COM:80", Ok("http://example.com")),
        ("https://*.example.com", Ok("https://*.example.com")),
        ("https://[::1]:8443", Ok("https://[::1]:8443")),
        ("${V6}", Ok("http://[fd00::1]:8080")),
        ("${V6}:9090", Ok("http://[fd00::1]:8080")),
        ("${V6_ALONE}", Ok("http://[fd00::1]")),
        ("${V6_ALONE}:9090", Ok("http://[fd00::1]:9090")),
        ("https://${PORT}:9090", Ok("https://example.com:8443")),
        ("https://${USER}", Err("user")),
        ("https://${STAR}", Err("wildcard")),
        ("https://${NEST}", Err("wildcard or template")),
        ("https://${MISSING}", Err("not granted")),
        ("https://${PROJECT", Err("without its }")),
        ("https://*", Err("not the name of a host")),
        ("https://a.*.com", Err("not the name of a host")),
        ("https://example.com/path", Err("not the name of a host")),
        ("https://example.com.", Err("ends with a dot")),
        ("ftp://example.com", Err("scheme")),
        ("https://example.com:0", Err("port")),
        ("https://ex\u{e4}mple.com", Err("not the name of a host")),
        ("", Err("not the name of a host")),
    ] {
        let found =
            HostPattern::from_template(template, &values).map(|pattern| pattern.to_string());
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
    let admits = |host: &str, scheme, port| {
        pattern.admits(&Authority {
            scheme,
            host: host.to_owned(),
            port,
        })
    };
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

/// A grant that is wrong, where, and words that say what to do.
const WRONG: [(&str, &str, &str); 24] = [
    ("env:\n  A: {form: B}\n", "line 2", "form"),
    ("env:\n  A: {from: B, value: c}\n", "line 2", "exactly one"),
    ("env:\n  A: {}\n", "line 2", "exactly one"),
    ("env:\n  A: {file: secret}\n", "line 2", "absolute"),
    (
        "env:\n  1A: {value: x}\n",
        "line 2",
        "not the name of a variable",
    ),
    ("env:\n  A: {value: x}\n  A: {value: y}\n", "line 3", "A"),
    ("hosts: []\n", "line 1", "hosts"),
    (
        "env:\n  KUBERNETES_SERVICE_HOST: {value: x}\n",
        "line 2",
        "can't be granted",
    ),
    (
        "env:\n  A: {from: KUBEDL_EVENTS_CLUSTER}\n",
        "line 2",
        "can't be granted",
    ),
    (
        "env:\n  https_proxy: {value: x}\n",
        "line 2",
        "can't be granted",
    ),
    (
        "http:\n  - https://a.example.com/path\n",
        "line 2",
        "not the name of a host",
    ),
    (
        "http:\n  - https://a.*.com\n",
        "line 2",
        "only as the first label",
    ),
    (
        "http:\n  - ok.example.com\n  - ftp://a.example.com\n",
        "line 3",
        "scheme",
    ),
    ("http:\n  - https://${A}\n", "line 2", "not granted"),
    (
        "http:\n  - https://${A\nenv:\n  A: {value: x}\n",
        "line 2",
        "without its }",
    ),
    ("http: https://a.example.com\n", "line 1", "sequence"),
    ("stdout: loud\n", "line 1", "inherit"),
    ("limits: {memory: lots}\n", "line 1", "64MiB"),
    ("limits: {memory: 9999GiB}\n", "line 1", "4GiB"),
    ("limits:\n  call: 2h\n", "line 2", "60s"),
    ("limits: {http-width: 65}\n", "line 1", "from 1 to 64"),
    ("limits: {batch-events: 0}\n", "line 1", "from 1 to 10000"),
    ("limits: {cpu: 1}\n", "line 1", "batch-events"),
    ("sha256: abc\n", "line 1", "64 digits"),
];

/// A grant that has everything.
const RIGHT: &str = "env:\n  A: {from: A}\n  B: {file: /etc/b, optional: true}\n  C: {value: 'https://c.example.com', secret: true}\n\
    http: ['https://*.example.com', '${C}', 'http://localhost:8080']\nstdout: inherit\n\
    limits: {memory: 64MiB, call: 500ms, batch-events: 10, batch-bytes: 3 MiB, http-width: 64}\n\
    sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";

#[test]
fn what_is_wrong_in_a_grant_is_told_with_its_line_and_what_is_allowed() {
    Document::parse(RIGHT).unwrap();
    for (text, line, words) in WRONG {
        let why = Document::parse(text).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
        assert!(why.contains(line), "{text}: {why}");
    }
}

#[test]
fn the_schema_takes_right_grants_and_refuses_wrong_ones_wherever_a_schema_can() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let read = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        validator.is_valid(&read(RIGHT)),
        "{:?}",
        validator
            .iter_errors(&read(RIGHT))
            .map(|error| error.to_string())
            .collect::<Vec<_>>()
    );
    for name in ["aliyun-sls", "graphite", "stdout", "webhook"] {
        let path = format!("{}/../sinks/{name}/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        Document::parse(&text).unwrap();
        assert!(validator.is_valid(&read(&text)), "{name}");
    }
    // A schema can't see two of one key, that one text names another key, whole host names, sums,
    // and names that are the host's own.
    let beyond = [
        "can't be granted",
        "not granted",
        "without its }",
        "A: {value: y}",
        "only as the first",
        "absolute",
        "4GiB",
    ];
    for (text, _, words) in WRONG.iter().filter(|(text, _, words)| {
        !beyond
            .iter()
            .any(|known| words.contains(known) || text.contains(known))
    }) {
        assert!(!validator.is_valid(&read(text)), "{text} ({words})");
    }
}

#[test]
fn all_missing_variables_are_named_at_once_with_the_keys_that_feed_them() {
    let document =
        Document::parse("env:\n  SLS_PROJECT: {from: SLS_PROJECT}\n  SLS_KEY_ID: {from: SLS_KEY_ID}\n  X: {from: X, optional: true}\n").unwrap();
    let why = document
        .resolve("aliyun-sls", None, &|name| {
            (name == "SLS_KEY_ID").then(String::new)
        })
        .unwrap_err()
        .to_string();
    for words in [
        "SLS_PROJECT from key project",
        "SLS_KEY_ID from key accessKey",
        "kubedl-sls-config",
    ] {
        assert!(why.contains(words), "{why}");
    }
    assert!(!why.contains(" X"), "{why}");
}

#[test]
fn values_of_secrets_are_not_shown() {
    let document = Document::parse(
        "env:\n  A: {from: A}\n  B: {value: open}\n  C: {from: A, secret: false}\n",
    )
    .unwrap();
    let grant = document
        .resolve("s", None, &|_| Some("hidden".to_owned()))
        .unwrap();
    let shown = format!("{:?}", grant.env);
    assert_eq!(shown, "[A=(secret), B=open, C=hidden]");
}
