//! A way to a server that can be cut, as a network is: what it carried is closed, and nothing passes any more.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Both ends of each connection; none when it was cut.
type Streams = Arc<Mutex<Option<Vec<TcpStream>>>>;

/// Passes TCP connections on, on a port of its own of 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    streams: Streams,
}

impl Proxy {
    /// Passes on to this address, until it is cut or dropped.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let streams: Streams = Arc::new(Mutex::new(Some(Vec::new())));
        let shared = Arc::clone(&streams);
        thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let mut kept = lock(&shared);
                // Leaving closes the port.
                let Some(open) = kept.as_mut() else { return };
                if let Err(why) = pass(&from, to, open) {
                    eprintln!("proxy: {why}");
                }
            }
        });
        Ok(Self { address, streams })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and takes no other.
    pub fn cut(&self) {
        for stream in lock(&self.streams).take().unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that listens, so that it sees it.
        let _ = TcpStream::connect(self.address);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

fn lock(streams: &Streams) -> MutexGuard<'_, Option<Vec<TcpStream>>> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass(from: &TcpStream, to: SocketAddr, open: &mut Vec<TcpStream>) -> io::Result<()> {
    let to = TcpStream::connect(to)?;
    for (reader, writer) in [(from, &to), (&to, from)] {
        let (mut reader, mut writer) = (reader.try_clone()?, writer.try_clone()?);
        open.push(reader.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut reader, &mut writer);
            let _ = writer.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
