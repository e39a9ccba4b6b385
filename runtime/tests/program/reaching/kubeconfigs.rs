//! Is a kubeconfig read as kubectl reads it?

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use testkit::web::{Authority, self_signed};

use super::api::Api;
use super::run::{Case, Ended, kubeconfig, quoted};

fn authorization(api: &Api) -> String {
    let heads = api.heads();
    heads[0]
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "))
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_server_without_a_scheme_is_one_of_http() {
    let (api, case) = (Api::start(), Case::new());
    case.once(case.by(&format!("{{server: {:?}}}", api.address.to_string()), "{}"))
        .is_well();
    assert!(authorization(&api).is_empty());
}

#[test]
fn a_server_that_is_none_ends_the_start() {
    for server in [
        "https://",
        "ftp://h",
        "https://a b",
        "127.0.0.1:99999",
        "::1",
        "/x",
    ] {
        let case = Case::new();
        case.once(case.by(&format!("{{server: {server:?}}}"), "{}"))
            .says(
                1,
                &[
                    "error: cannot find a cluster",
                    "the server of the kubeconfig's cluster",
                ],
            );
    }
}

#[test]
fn a_token_may_end_in_white_space() {
    let api = Api::start();
    let case = Case::new();
    let server = format!("{{server: 'http://{}'}}", api.address);
    std::fs::write(case.folder.path().join("token"), " abc.def\r\n\n").unwrap();
    case.once(case.by(&server, "{tokenFile: token}")).is_well();
    assert_eq!(authorization(&api), "Bearer abc.def");
    let (api, case) = (Api::start(), Case::new());
    case.once(case.by(
        &format!("{{server: 'http://{}'}}", api.address),
        &format!("{{token: {}}}", quoted("abc.def\n")),
    ))
    .is_well();
    assert_eq!(authorization(&api), "Bearer abc.def");
}

#[test]
fn of_a_token_and_its_file_the_file_counts_where_it_can_be_read() {
    let api = Api::start();
    let case = Case::new();
    let server = format!("{{server: 'http://{}'}}", api.address);
    std::fs::write(case.folder.path().join("token"), "of-the-file").unwrap();
    case.once(case.by(&server, "{token: of-the-user, tokenFile: token}"))
        .is_well();
    assert_eq!(authorization(&api), "Bearer of-the-file");
    let (api, case) = (Api::start(), Case::new());
    case.once(case.by(
        &format!("{{server: 'http://{}'}}", api.address),
        "{token: of-the-user, tokenFile: nothing}",
    ))
    .is_well();
    assert_eq!(authorization(&api), "Bearer of-the-user");
}

#[test]
fn a_token_that_no_header_may_hold_is_named_and_not_shown() {
    let (api, case) = (Api::start(), Case::new());
    let server = format!("{{server: 'http://{}'}}", api.address);
    let ended = case.once(case.by(
        &server,
        &format!("{{token: {}}}", quoted("hunter2\nhunter3")),
    ));
    ended.says(1, &["the token of the kubeconfig's user has a character that no header may hold, at character 8"]);
    std::fs::write(case.folder.path().join("token"), "hunter2\u{e4}").unwrap();
    let from_file = case.once(case.by(&server, "{tokenFile: token}"));
    from_file.says(
        1,
        &[
            "error: cannot log in to the cluster: the token in the file",
            "at character 8",
        ],
    );
    assert!(
        !ended.log.contains("hunter") && !from_file.log.contains("hunter"),
        "{}{}",
        ended.log,
        from_file.log
    );
    let missing = case.once(case.by(&server, "{tokenFile: nothing}"));
    missing.says(1, &["cannot read the token file", "nothing"]);
}

#[test]
fn files_of_a_list_that_are_not_there_are_left_out() {
    let (api, case) = (Api::start(), Case::new());
    let path = kubeconfig(
        case.folder.path(),
        &format!("{{server: 'http://{}'}}", api.address),
        "{}",
    );
    case.once(case.start().env(
        "KUBECONFIG",
        format!("/nowhere/a:{}:/nowhere/b", path.display()),
    ))
    .is_well();
    let none = Case::new();
    none.once(none.start().env("KUBECONFIG", "/nowhere/a:/nowhere/b"))
        .says(1, &["/nowhere/a, /nowhere/b", "--kubeconfig"]);
    none.once(none.start().with("--kubeconfig", "/nowhere/a"))
        .says(1, &["/nowhere/a"]);
}

#[test]
fn nulls_are_what_is_not_there() {
    let (api, case) = (Api::start(), Case::new());
    let cluster = format!(
        "{{server: 'http://{}', certificate-authority: null, proxy-url: null, extensions: null, tls-server-name: ''}}",
        api.address
    );
    case.once(case.by(
        &cluster,
        "{token: null, exec: null, auth-provider: null, as: null, client-certificate: ''}",
    ))
    .is_well();
    case.once(case.by(&cluster, "null")).is_well();
    case.once(case.by(&cluster, "{auth-provider: {name: oidc, config: null}}"))
        .says(1, &["\"oidc\"", "id-token"]);
    case.once(case.by(&cluster, "{auth-provider: {name: gcp, config: null}}"))
        .says(1, &["\"gcp\"", "credential plugin"]);
}

#[test]
fn a_server_that_shows_the_very_authority_is_taken() {
    let (pem, config) = self_signed(&["127.0.0.1", "api.example.test"], false).unwrap();
    let (api, case) = (Api::tls(config), Case::new());
    std::fs::write(case.folder.path().join("ca.pem"), pem).unwrap();
    let cluster = format!(
        "{{server: 'https://{}', certificate-authority: ca.pem}}",
        api.address
    );
    case.once(case.by(&cluster, "{}")).is_well();
    let named = format!(
        "{{server: 'https://{}', certificate-authority: ca.pem, tls-server-name: api.example.test}}",
        api.address
    );
    case.once(case.by(&named, "{}")).is_well();
}

/// What is said of a server over TLS that shows one certificate, where another one is the
/// authority.
fn refused(config: rustls::ServerConfig, authority: &str) -> Ended {
    let (api, case) = (Api::tls(config), Case::new());
    std::fs::write(case.folder.path().join("ca.pem"), authority).unwrap();
    case.once_for(
        case.by(
            &format!(
                "{{server: 'https://{}', certificate-authority: ca.pem}}",
                api.address
            ),
            "{}",
        ),
        "3s",
    )
}

/// A server in the clear that does not wait for a whole request.
fn speaks_at_once() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let (own, other) = (
        self_signed(&["127.0.0.1"], false).unwrap(),
        self_signed(&["other.example.test"], false).unwrap(),
    );
    refused(own.1, &other.0).says(4, &["is an authority's own (CA:TRUE)", "can't be reached"]);
    let (pem, over) = self_signed(&["127.0.0.1"], true).unwrap();
    refused(over, &pem).says(4, &["a certificate that expired at 2021-01-01T00:00:00Z"]);
    let (pem, config) = other;
    refused(config, &pem).says(4, &["is for another name", "127.0.0.1"]);
    let (authority, foreign) = (Authority::new().unwrap(), Authority::new().unwrap());
    refused(
        authority.server(&["127.0.0.1"], false).unwrap(),
        foreign.pem(),
    )
    .says(
        4,
        &[
            "shows a certificate that is",
            "give the authority that issued it",
        ],
    );
    let (plain, case) = (speaks_at_once(), Case::new());
    let cluster = format!("{{server: 'https://{plain}', insecure-skip-tls-verify: true}}");
    case.once_for(case.by(&cluster, "{}"), "3s")
        .says(4, &["does not speak TLS"]);
}

#[test]
fn an_authority_that_is_none_ends_the_start() {
    let case = Case::new();
    std::fs::write(case.folder.path().join("ca.pem"), "no certificate").unwrap();
    case.once(case.by(
        "{server: 'https://127.0.0.1:1', certificate-authority: ca.pem}",
        "{}",
    ))
    .says(1, &["ca.pem", "has no certificate in PEM form"]);
    let data = "{server: 'https://127.0.0.1:1', certificate-authority-data: '!'}";
    case.once(case.by(data, "{}"))
        .says(1, &["certificate-authority-data", "no base64"]);
    case.once(case.by(
        "{server: 'https://127.0.0.1:1', certificate-authority: gone.pem}",
        "{}",
    ))
    .says(1, &["gone.pem", "can't be read"]);
}

/// What openssl makes where nobody asks for version 3 (`openssl x509 -req`), valid for a hundred
/// years.
const OLD: (&str, &str) = (
    include_str!("x509v1-client.pem"),
    include_str!("x509v1-client.key"),
);

#[test]
fn the_certificate_of_a_client_may_be_of_x509_version_1() {
    let (pem, config) = self_signed(&["127.0.0.1"], false).unwrap();
    let (api, case) = (Api::tls(config), Case::new());
    for (name, text) in [("ca.pem", pem.as_str()), ("c.pem", OLD.0), ("k.pem", OLD.1)] {
        std::fs::write(case.folder.path().join(name), text).unwrap();
    }
    let cluster = format!(
        "{{server: 'https://{}', certificate-authority: ca.pem}}",
        api.address
    );
    case.once(case.by(&cluster, "{client-certificate: c.pem, client-key: k.pem}"))
        .is_well();
}

#[test]
fn what_is_wrong_with_the_certificate_of_a_client_is_said() {
    let case = Case::new();
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let other = Authority::new().unwrap();
    for (name, text) in [
        ("c.pem", OLD.0),
        ("k.pem", OLD.1),
        ("other.pem", other.pem()),
        ("locked.pem", locked),
        ("empty.pem", ""),
    ] {
        std::fs::write(case.folder.path().join(name), text).unwrap();
    }
    for (user, words) in [
        (
            "{client-certificate: other.pem, client-key: k.pem}",
            &["k.pem", "does not belong to", "other.pem"][..],
        ),
        (
            "{client-certificate: c.pem, client-key: locked.pem}",
            &["locked.pem", "passphrase"],
        ),
        (
            "{client-certificate: c.pem, client-key: c.pem}",
            &["c.pem", "no private key in PEM form"],
        ),
        (
            "{client-certificate: empty.pem, client-key: k.pem}",
            &["empty.pem", "no certificate in PEM form"],
        ),
        ("{client-certificate: c.pem}", &["no client-key"]),
        (
            "{client-certificate: c.pem, client-key: gone.pem}",
            &["gone.pem", "can't be read"],
        ),
    ] {
        let ended = case.once(case.by("{server: 'https://127.0.0.1:1'}", user));
        ended.says(1, words);
        assert!(!ended.log.contains("Give --kubeconfig"), "{}", ended.log);
    }
}

#[test]
fn what_is_wrong_with_a_kubeconfig_is_found_before_the_start() {
    let case = Case::new();
    let check = |more: &[&str]| {
        let mut command = std::process::Command::new(super::run::PROGRAM);
        command
            .env_clear()
            .args(["config", "check", "--shipped-sinks"])
            .arg(testkit::program::sinks())
            .args(["--event-storage", "stdout"]);
        let output = command.args(more).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let path = kubeconfig(case.folder.path(), "{server: 'http://127.0.0.1:1'}", "{}");
    let path = path.to_str().unwrap();
    assert_eq!(check(&["--kubeconfig", path]).0, Some(0));
    for (more, words) in [
        (
            &["--kubeconfig", "/no/such/file"][..],
            "there is no kubeconfig at /no/such/file",
        ),
        (
            &["--context", "other"],
            "there is no service account of a Pod",
        ),
        (
            &["--kubeconfig", path, "--context", "other"],
            "no context \"other\", but \"x\"",
        ),
    ] {
        let (code, said) = check(more);
        assert!(
            code.is_some_and(|code| code != 0) && said.contains(words),
            "{code:?} {said}"
        );
    }
}
