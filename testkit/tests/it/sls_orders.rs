//! Does what a test orders happen, as often as ordered, and nothing else?

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Request, group, server};
use testkit::sls::{Order, Server};

fn put(server: &Server) -> Request {
    Request::put(server, group(&[("A", "1")]))
}

fn ok() -> (u16, String) {
    (200, String::new())
}

#[test]
fn ordered_errors_come_one_after_another_and_then_end() {
    let server = server();
    server.order(
        Order::answer(503, "ServerBusy", "Busy.")
            .header("Retry-After", "7")
            .times(2),
    );
    server.order(Order::answer(403, "WriteQuotaExceed", "Full.").times(1));
    let first = put(&server).send(&server).unwrap();
    assert_eq!(
        (
            first.status,
            first.error_code().as_str(),
            first.header("retry-after")
        ),
        (503, "ServerBusy", Some("7"))
    );
    assert_eq!(first.json()["errorMessage"], "Busy.");
    assert!(first.header("x-log-requestid").is_some());
    assert_eq!(put(&server).outcome(&server), (503, "ServerBusy".into()));
    assert_eq!(
        put(&server).outcome(&server),
        (403, "WriteQuotaExceed".into())
    );
    assert_eq!(server.count(), 0);
    assert_eq!(put(&server).outcome(&server), ok());
    assert_eq!(server.count(), 1);
}

#[test]
fn an_order_without_end_stands_until_cleared_and_reading_goes_on() {
    let server = server();
    server.order(Order::answer(500, "InternalServerError", "Broken."));
    for _ in 0..5 {
        assert_eq!(
            put(&server).outcome(&server),
            (500, "InternalServerError".into())
        );
    }
    assert_eq!(Request::get(&server, "log", "*").outcome(&server), ok());
    server.clear_orders();
    assert_eq!(put(&server).outcome(&server), ok());
}

#[test]
fn a_lost_answer_is_stored() {
    let server = server();
    server.order(Order::lose_answer().times(1));
    assert!(put(&server).send(&server).is_none());
    assert_eq!(
        server.wait_for(1, Duration::from_secs(10)).unwrap().len(),
        1
    );
    assert_eq!(server.requests()[0].status, None);
    assert_eq!(put(&server).outcome(&server), ok());
    assert_eq!(server.count(), 2, "no write is told from its repetition");
}

#[test]
fn a_broken_answer_is_stored_and_promises_more_than_it_sends() {
    let server = server();
    server.order(Order::break_answer().times(1));
    assert_eq!(server.orders(), 1);
    let answer = put(&server).send(&server).unwrap();
    assert_eq!(
        (
            answer.status,
            answer.header("content-length"),
            answer.text().as_str()
        ),
        (200, Some("100"), "{\"logs\":")
    );
    assert_eq!(
        (server.count(), server.orders(), server.requests()[0].status),
        (1, 0, None)
    );
    assert_eq!(put(&server).outcome(&server), ok());
    assert_eq!(server.stored_from(1).len(), 1);
}

#[test]
fn a_connection_cut_before_reading_stores_nothing() {
    let server = server();
    server.order(Order::cut_before_reading().times(1));
    assert!(put(&server).send(&server).is_none());
    assert_eq!((server.count(), server.requests()[0].status), (0, None));
    assert_eq!(put(&server).outcome(&server), ok());
}

#[test]
fn a_gateway_answers_in_html() {
    let server = server();
    server.order(Order::bad_gateway().times(1));
    let answer = put(&server).send(&server).unwrap();
    assert_eq!(
        (
            answer.status,
            answer.header("content-type"),
            answer.header("x-log-requestid")
        ),
        (502, Some("text/html"), None)
    );
    assert!(answer.text().contains("<h1>502 Bad Gateway</h1>"));
    assert_eq!(server.count(), 0);
}

#[test]
fn one_refused_log_refuses_its_group_and_no_other() {
    let server = server();
    server.order(Order::refuse_logs_with("Name", "poison"));
    let both = [group(&[("Name", "good")]), group(&[("Name", "poison")])].concat();
    assert_eq!(
        Request::put(&server, both).outcome(&server),
        (400, "PostBodyInvalid".into())
    );
    assert_eq!(
        Request::put(&server, group(&[("Name", "good")])).outcome(&server),
        ok()
    );
    assert_eq!(
        Request::put(&server, group(&[("Name", "poison")])).outcome(&server),
        (400, "PostBodyInvalid".into())
    );
    assert_eq!(server.count(), 1);
}

#[test]
fn a_skewed_clock_refuses_right_dates_and_shows_its_own() {
    let server = server();
    server.order(Order::skew_clock(-3600).times(1));
    let answer = put(&server).send(&server).unwrap();
    assert_eq!(answer.error_code(), "RequestTimeTooSkewed");
    let date = httpdate::parse_http_date(answer.header("date").unwrap()).unwrap();
    let behind = std::time::SystemTime::now()
        .duration_since(date)
        .unwrap()
        .as_secs();
    assert!((3599..3660).contains(&behind), "{behind}");
    let corrected = put(&server).with("date", answer.header("date").unwrap());
    server.order(Order::skew_clock(-3600).times(1));
    assert_eq!(
        corrected.outcome(&server),
        (400, "PostBodyInvalid".into()),
        "the log itself lies an hour ahead"
    );
}

#[test]
fn a_delayed_answer_comes_after_the_log_is_stored() {
    let server = server();
    server.order(Order::delay_answer(Duration::from_millis(300)).times(1));
    let begun = Instant::now();
    assert_eq!(put(&server).outcome(&server), ok());
    let ended = Instant::now();
    let arrived = server.stored()[0].arrived;
    assert!(ended - begun >= Duration::from_millis(300));
    assert!(ended - arrived >= Duration::from_millis(290));
}

#[test]
fn a_delayed_write_whose_client_leaves_is_not_stored() {
    let server = server();
    server.order(Order::delay(Duration::from_secs(3600)).times(1));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .write_all(
            b"POST /logstores/events/shards/lb HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx",
        )
        .unwrap();
    drop(stream);
    let requests = server
        .wait_for_requests(1, Duration::from_secs(20))
        .unwrap();
    assert_eq!((requests[0].status, server.count()), (None, 0));
}

#[test]
fn waiting_in_vain_says_how_much_was_there() {
    let server = server();
    put(&server).send(&server);
    let error = server.wait_for(2, Duration::from_millis(10)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "after 10ms, 1 logs had arrived at the SLS server, of 2 wanted"
    );
}

#[test]
fn a_dropped_server_closes_its_port_and_connections() {
    let server = server();
    let address = server.address();
    let mut stream = TcpStream::connect(address).unwrap();
    drop(server);
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).is_err());
}
