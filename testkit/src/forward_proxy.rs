//! An HTTP proxy that passes whole requests on (absolute form, RFC 9112, section 3.2.2), opens no
//! tunnel, and asks for a login.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};

use crate::web::{Web, read_head};

/// Passes requests for `host` (name and port) on to this address, where they have this login
/// (base64, RFC 7617). One request for each connection, as long as the server closes it after that.
///
/// # Errors
/// When no port can be bound.
pub fn start(to: SocketAddr, host: &'static str, login: &'static str) -> io::Result<Web> {
    Web::serve(move |client, seen| pass(client, (to, host, login), seen))
}

fn pass(
    mut client: TcpStream,
    (to, host, login): (SocketAddr, &str, &str),
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let head = read_head(&mut client)?;
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head.clone());
    let mut refuse = |status: &str| {
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let Some((method, rest)) = head.split_once(&format!(" http://{host}/")) else {
        return refuse("405 Method Not Allowed");
    };
    let asked = |line: &str| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value.ends_with(login)
        })
    };
    if !rest.lines().any(asked) {
        return refuse("407 Proxy Authentication Required");
    }
    let mut server = TcpStream::connect(to)?;
    write!(server, "{method} /{rest}")?;
    let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || io::copy(&mut up, &mut server));
    let _ = io::copy(&mut down, &mut client);
    client.shutdown(std::net::Shutdown::Both)
}
