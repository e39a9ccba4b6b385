//! An HTTP proxy that tunnels (CONNECT, RFC 9110, section 9.3.6), and says who asked it for what.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::web::{Web, read_head};

/// Tunnels to this address, whatever it is asked for: so a test needs no names.
///
/// # Errors
/// When no port can be bound.
pub fn start(to: SocketAddr) -> io::Result<Web> {
    Web::serve(move |client, seen| tunnel(client, to, seen))
}

fn tunnel(mut client: TcpStream, to: SocketAddr, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = read_head(&mut client)?;
    let tunnels = head.starts_with("CONNECT ");
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    if !tunnels {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    }
    let server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut up, mut down) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let there = thread::spawn(move || {
        let _ = io::copy(&mut up.0, &mut up.1);
        up.1.shutdown(Shutdown::Write)
    });
    let _ = io::copy(&mut down.0, &mut down.1);
    let _ = down.1.shutdown(Shutdown::Write);
    let _ = there.join();
    Ok(())
}
