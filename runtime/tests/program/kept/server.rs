//! An HTTP server of a test's own, on loopback: it answers each request as the test says, and then
//! closes the connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Listens until the process ends. `answer` gets the path, the body and the connection to write to.
pub fn serve(answer: impl Fn(&str, &str, &mut TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || one(client, &answer));
        }
    });
    address
}

fn one(mut client: TcpStream, answer: &impl Fn(&str, &str, &mut TcpStream)) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = Vec::new();
    let length = length
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let _ = (&mut client).take(length).read_to_end(&mut body);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    answer(&path, &String::from_utf8_lossy(&body), &mut client);
}

/// Writes a whole answer.
pub fn say(client: &mut TcpStream, status: u16, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = client
        .write_all(head.as_bytes())
        .and_then(|()| client.write_all(body));
}
