//! Does no request start, or stay open, past the end of a sink's term?

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use kubedl_events::sink::Term;
use kubedl_events::sink::grant::Grant;
use kubedl_events::sink::http::{Error, Gate, Network, Request};
use tokio::sync::watch;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(60);
/// More than the kernel keeps on its way.
const BODY: usize = 24 << 20;

/// A destination that takes requests and never answers.
fn silent() -> (TcpListener, Arc<Grant>, Request) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let grant = Grant {
        http: vec![url.parse().unwrap()],
        ..Grant::default()
    };
    (
        listener,
        Arc::new(grant),
        Request {
            method: "POST".to_owned(),
            url,
            body: vec![b'x'; BODY],
            ..Request::default()
        },
    )
}

#[test]
fn a_request_in_flight_is_broken_and_its_connection_closed() {
    let (listener, grant, request) = silent();
    let gate = Gate::new(
        "s",
        grant,
        Term::endless(),
        &Network::default(),
        Arc::default(),
    );
    let sent = std::thread::spawn({
        let (gate, request) = (gate.clone(), request.clone());
        move || gate.send(request, LONG, usize::MAX)
    });
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    let began = Instant::now();
    gate.cut();
    let answer = sent.join().unwrap();
    assert!(
        matches!(&answer, Err(error) if error.maybe_sent()),
        "{answer:?}"
    );
    assert!(began.elapsed() < LONG / 4, "{:?}", began.elapsed());
    // The rest of the body never comes.
    let rest = stream.read_to_end(&mut Vec::new());
    assert!(rest.is_err() || rest.is_ok_and(|bytes| bytes < BODY));
    assert!(
        gate.send(request, LONG, usize::MAX).is_err(),
        "no request follows"
    );
}

#[tokio::test]
async fn none_starts_when_the_time_is_over() {
    let (listener, grant, request) = silent();
    let (end, term) = watch::channel(Instant::now() + LONG);
    let term = Term::until(term);
    let gate = Gate::new(
        "s",
        grant,
        term.clone(),
        &Network::default(),
        Arc::default(),
    );
    assert!(!term.is_over());
    end.send_replace(Instant::now());
    term.over().await;
    assert!(term.is_over());
    assert!(matches!(
        gate.send(request, LONG, usize::MAX),
        Err(Error::NotSent(_))
    ));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "not even a connection");
}

#[tokio::test]
async fn its_end_can_be_moved_both_ways_while_somebody_waits() {
    for (first, then) in [
        (LONG, Duration::from_millis(50)),
        (Duration::from_secs(1), Duration::from_millis(1_100)),
    ] {
        let began = Instant::now();
        let (end, term) = watch::channel(began + first);
        let term = Term::until(term);
        let moved = async {
            tokio::task::yield_now().await;
            end.send_replace(began + then);
        };
        tokio::join!(term.over(), moved);
        assert!(
            began.elapsed() >= then && began.elapsed() < LONG / 2,
            "{:?}",
            began.elapsed()
        );
    }
}
