//! Addresses behind granted names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kubedl_events::sink::grant::Document;
use kubedl_events::sink::http::{Answer, Error, Gate, Network, Play, Request, Script, Sent};
use kubedl_events::sink::{Stats, Term};

/// Plays whatever is connected to: nothing leaves this process.
struct Anything;

impl Script for Anything {
    fn answer(&self, _: Sent) -> Play {
        Play::Answer(Answer::of(200))
    }

    fn denied(&self, _: &str) {}
}

/// Sends a request to a URL, whose name has this address; gives why it was refused, where it was.
fn send(grant: &str, url: &str, address: &str) -> Option<String> {
    let address: IpAddr = address.parse().unwrap();
    let mut network = Network::scripted(Arc::new(Anything));
    network.look_up = Arc::new(move |_, port| Ok(vec![SocketAddr::new(address, port)]));
    let grant = Document::parse(grant)
        .unwrap()
        .resolve("x", None, &|_| None)
        .unwrap();
    let gate = Gate::new(
        "x",
        Arc::new(grant),
        Term::endless(),
        &network,
        Arc::new(Stats::default()),
    );
    let request = Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        ..Request::default()
    };
    match gate.send(request, Duration::from_secs(20), 1 << 20) {
        Ok(answer) => (answer.status != 200).then(|| panic!("{answer:?}")),
        Err(Error::Denied(words)) => Some(words),
        Err(other) => panic!("{other}"),
    }
}

/// Tries: to reach what is in the operator's network by a granted name of its own, whose DNS it
/// runs
/// Ends: a private address is refused, but for names that are nobody else's, and where the grant
/// says `private:`; the sink does not learn the address
#[test]
fn a_granted_name_does_not_reach_the_operators_network() {
    for address in [
        "10.96.0.10",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "fd12::1",
        "::ffff:10.96.0.10",
    ] {
        let words = send(
            "http: [\"http://hooks.vendor.example.com\"]\n",
            "http://hooks.vendor.example.com/",
            address,
        )
        .unwrap();
        assert!(
            words.contains("a private address") && !words.contains(address),
            "{words}"
        );
        let granted = send(
            "http: [\"http://hooks.vendor.example.com\"]\nprivate: true\n",
            "http://hooks.vendor.example.com/",
            address,
        );
        assert_eq!(granted, None);
    }
    let grant = "http: [\"http://hooks.vendor.example.com\"]\nprivate: [10.0.0.0/8]\n";
    assert_eq!(
        send(grant, "http://hooks.vendor.example.com/", "10.1.2.3"),
        None
    );
    assert!(send(grant, "http://hooks.vendor.example.com/", "192.168.1.1").is_some());
    for own in [
        "http://graphite",
        "http://graphite.monitoring.svc",
        "http://graphite.monitoring.svc.cluster.local",
        "http://nas.local",
    ] {
        assert_eq!(
            send(&format!("http: [\"{own}\"]\n"), own, "10.1.2.3"),
            None,
            "{own}"
        );
    }
    for metadata in [
        "169.254.169.254",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        "fd00:100::100:200",
        "100.100.100.200",
    ] {
        let grant =
            "http: [\"http://hooks.vendor.example.com\", \"http://nas.local\"]\nprivate: true\n";
        for name in ["http://hooks.vendor.example.com/", "http://nas.local/"] {
            assert!(send(grant, name, metadata).is_some(), "{metadata}");
        }
    }
}

/// Tries: to speak another protocol to its destination by odd methods, and to open a tunnel
/// Ends: only what HTTP's services have is sent
#[test]
fn odd_methods_are_not_sent() {
    let grant = Document::parse("http: [\"http://localhost\"]\n")
        .unwrap()
        .resolve("x", None, &|_| None)
        .unwrap();
    let gate = Gate::new(
        "x",
        Arc::new(grant),
        Term::endless(),
        &Network::default(),
        Arc::new(Stats::default()),
    );
    for method in [
        "PRI",
        "connect",
        "CONNECT",
        "TRACE",
        "get",
        "GET /",
        "",
        "X\u{1b}[2J",
        "POST\r\nHost: evil",
    ] {
        let request = Request {
            method: method.to_owned(),
            url: "http://localhost/".to_owned(),
            ..Request::default()
        };
        let refused = gate
            .send(request, Duration::from_secs(1), 1 << 20)
            .unwrap_err();
        let Error::InvalidRequest(words) = &refused else {
            panic!("{method:?}: {refused}")
        };
        assert!(
            !words.contains('\u{1b}') && words.contains("GET, HEAD, POST"),
            "{words}"
        );
    }
}
