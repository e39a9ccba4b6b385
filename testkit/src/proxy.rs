//! A way to a server that can be cut, as a network is: what it carried is closed, and nothing
//! passes any more.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Both ends of each connection, and whether it is frozen; none when the proxy was cut.
type Streams = Arc<Mutex<Option<Vec<Stream>>>>;
type Stream = (TcpStream, Arc<AtomicBool>);

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

    /// Passes nothing more on the connections that are open, and leaves them open, as a network
    /// that drops packets; new ones work.
    pub fn freeze(&self) {
        for (_, frozen) in lock(&self.streams).iter().flatten() {
            frozen.store(true, Ordering::Relaxed);
        }
    }

    /// Closes every connection, and takes no other.
    pub fn cut(&self) {
        for (stream, _) in lock(&self.streams).take().unwrap_or_default() {
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

fn lock(streams: &Streams) -> MutexGuard<'_, Option<Vec<Stream>>> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass(from: &TcpStream, to: SocketAddr, open: &mut Vec<Stream>) -> io::Result<()> {
    let to = TcpStream::connect(to)?;
    let frozen = Arc::new(AtomicBool::new(false));
    for (reader, writer) in [(from, &to), (&to, from)] {
        let (mut reader, mut writer, frozen) = (
            reader.try_clone()?,
            writer.try_clone()?,
            Arc::clone(&frozen),
        );
        open.push((reader.try_clone()?, Arc::clone(&frozen)));
        thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if !frozen.load(Ordering::Relaxed)
                    && writer
                        .write_all(buffer.get(..length).unwrap_or_default())
                        .is_err()
                {
                    break;
                }
            }
            if !frozen.load(Ordering::Relaxed) {
                let _ = writer.shutdown(Shutdown::Write);
            }
        });
    }
    Ok(())
}
