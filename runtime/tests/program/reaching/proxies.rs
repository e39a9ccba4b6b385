//! Is the proxy taken that kubectl would take?

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use testkit::web::{Authority, Web};
use testkit::{connect_proxy, forward_proxy};

use super::api::{Api, join, reply};
use super::run::Case;

/// A server over TLS under a name that nothing resolves, and the cluster's part of a kubeconfig for
/// it.
fn named(case: &Case) -> (Api, String) {
    let authority = Authority::new().unwrap();
    std::fs::write(case.folder.path().join("ca.pem"), authority.pem()).unwrap();
    let api = Api::tls(authority.server(&["api.example.test"], false).unwrap());
    (
        api,
        "server: 'https://api.example.test:6443', certificate-authority: ca.pem".to_owned(),
    )
}

#[test]
fn the_proxy_of_the_environment_leads_to_the_cluster() {
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let case = Case::new();
        let (api, cluster) = named(&case);
        let proxy = connect_proxy::start(api.address).unwrap();
        let start = case
            .by(&format!("{{{cluster}}}"), "{}")
            .env(name, format!("http://me:p%40ss@127.0.0.1:{}", proxy.port()));
        let ended = case.once(start.env("NO_PROXY", "10.0.0.0/8,other.test"));
        ended.is_well();
        let heads = proxy.heads();
        assert!(
            heads[0].starts_with("CONNECT api.example.test:6443 "),
            "{heads:?}"
        );
        // printf 'me:p@ss' | base64
        assert!(
            heads[0]
                .to_ascii_lowercase()
                .contains("proxy-authorization: basic")
                && heads[0].contains("bWU6cEBzcw=="),
            "{heads:?}"
        );
        assert!(
            ended.log.contains("through the proxy http://127.0.0.1")
                && !ended.log.contains("p%40ss"),
            "{}",
            ended.log
        );
    }
}

#[test]
fn no_proxy_and_this_machine_are_reached_without_one() {
    let (api, case) = (Api::start(), Case::new());
    let server = format!("{{server: 'http://{}'}}", api.address);
    for variables in [
        &[
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("HTTP_PROXY", "http://127.0.0.1:1"),
        ][..],
        &[("HTTP_PROXY", "://"), ("NO_PROXY", "*")],
    ] {
        let start = variables
            .iter()
            .fold(case.by(&server, "{}"), |start, (name, value)| {
                start.env(name, value)
            });
        case.once(start).is_well();
    }
    let exempt = Case::new();
    let (_, cluster) = named(&exempt);
    let start = exempt
        .by(&format!("{{{cluster}}}"), "{}")
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "api.example.test:6443");
    exempt.once_for(start, "3s").says(
        4,
        &["the name in https://api.example.test:6443 has no address"],
    );
}

#[test]
fn the_proxy_of_a_kubeconfig_leads_to_its_cluster() {
    let case = Case::new();
    let (api, cluster) = named(&case);
    let proxy = connect_proxy::start(api.address).unwrap();
    let start = case.by(
        &format!(
            "{{{cluster}, proxy-url: 'http://127.0.0.1:{}'}}",
            proxy.port()
        ),
        "{}",
    );
    // It is the cluster's, whatever the environment says.
    case.once(
        start
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("NO_PROXY", "*"),
    )
    .is_well();
}

#[test]
fn a_proxy_passes_on_requests_that_have_no_tls() {
    let (api, case) = (Api::start(), Case::new());
    let proxy = forward_proxy::start(api.address, "api.example.test:8080", "bWU6cEBzcw==").unwrap();
    let by = |login: &str| {
        format!(
            "{{server: 'http://api.example.test:8080', proxy-url: 'http://{login}127.0.0.1:{}'}}",
            proxy.port()
        )
    };
    case.once(case.by(&by("me:p%40ss@"), "{}")).is_well();
    assert!(
        proxy
            .heads()
            .iter()
            .all(|head| !head.starts_with("CONNECT")),
        "{:?}",
        proxy.heads()
    );
    // The proxy's password is for the proxy.
    let other = Case::new();
    other
        .once_for(other.by(&by("me:hunter2@"), "{}"), "3s")
        .says(
            4,
            &[
                "the proxy http://127.0.0.1",
                "asks for a user and a password",
            ],
        );
    let environment = Case::new();
    let start = environment.by("{server: 'http://api.example.test:8080'}", "{}");
    environment
        .once(start.env(
            "HTTP_PROXY",
            format!("http://me:p%40ss@127.0.0.1:{}", proxy.port()),
        ))
        .is_well();
}

/// A proxy that speaks SOCKS 5 (RFC 1928), without a login, and the names that it was asked for.
fn socks(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, names) = (
        listener.local_addr().unwrap(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let asked = names.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let mut head = [0; 2];
                client.read_exact(&mut head).unwrap();
                client.read_exact(&mut vec![0; head[1].into()]).unwrap();
                client.write_all(&[5, 0]).unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).unwrap();
                assert_eq!(request[3], 3, "a name, not an address");
                let mut name = vec![0; usize::from(request[4]) + 2];
                client.read_exact(&mut name).unwrap();
                let port = name.split_off(name.len() - 2);
                asked.lock().unwrap().push(format!(
                    "{}:{}",
                    String::from_utf8(name).unwrap(),
                    u16::from_be_bytes([port[0], port[1]])
                ));
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
                join(client, TcpStream::connect(to).unwrap());
            });
        }
    });
    (address, names)
}

#[test]
fn a_proxy_may_speak_socks() {
    for scheme in ["socks5", "socks5h"] {
        let case = Case::new();
        let (api, cluster) = named(&case);
        let (proxy, names) = socks(api.address);
        case.once(case.by(
            &format!("{{{cluster}, proxy-url: '{scheme}://{proxy}'}}"),
            "{}",
        ))
        .is_well();
        assert_eq!(names.lock().unwrap()[0], "api.example.test:6443");
    }
}

#[test]
fn a_proxy_may_be_reached_over_tls() {
    let case = Case::new();
    let authority = Authority::new().unwrap();
    std::fs::write(case.folder.path().join("ca.pem"), authority.pem()).unwrap();
    let proxy = Web::start_tls(authority.server(&["127.0.0.1"], false).unwrap()).unwrap();
    let cluster = format!(
        "{{server: 'https://api.example.test', certificate-authority: ca.pem, proxy-url: 'https://127.0.0.1:{}'}}",
        proxy.port()
    );
    // It answers, though with no tunnel.
    case.once_for(case.by(&cluster, "{}"), "3s")
        .says(4, &["can't be reached"]);
    assert!(
        proxy.heads()[0].starts_with("CONNECT api.example.test:443 "),
        "{:?}",
        proxy.heads()
    );
}

#[test]
fn a_proxy_that_does_not_lead_there_is_named() {
    let case = Case::new();
    let (_, cluster) = named(&case);
    for (status, words) in [
        (
            "407 Proxy Authentication Required",
            "asks for a user and a password",
        ),
        ("403 Forbidden", "does not lead to api.example.test:6443"),
    ] {
        let proxy = Api::changed(move |_, _| Some(reply(status, "", "")));
        let start = case.by(
            &format!("{{{cluster}, proxy-url: 'http://{}'}}", proxy.address),
            "{}",
        );
        case.once_for(start, "3s")
            .says(4, &[&format!("the proxy http://{}", proxy.address), words]);
    }
    let start = case
        .by(&format!("{{{cluster}}}"), "{}")
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    case.once_for(start, "3s").says(
        4,
        &["through the proxy", "nothing listens at http://127.0.0.1:1"],
    );
    let bad = case.by(
        &format!("{{{cluster}, proxy-url: 'ftp://me:hunter2@x'}}"),
        "{}",
    );
    bad.run()
        .map(|(status, _, log)| {
            assert!(
                status.code() == Some(1)
                    && log.contains("the proxy-url")
                    && !log.contains("hunter2"),
                "{log}"
            )
        })
        .unwrap();
    let bad = case
        .by(&format!("{{{cluster}}}"), "{}")
        .env("HTTPS_PROXY", "http://me:hunter2@a b");
    bad.run()
        .map(|(status, _, log)| {
            assert!(
                status.code() == Some(1) && log.contains("HTTPS_PROXY") && !log.contains("hunter2"),
                "{log}"
            )
        })
        .unwrap();
}
