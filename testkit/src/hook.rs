//! A web hook that keeps what is posted to it, and answers 202, or as a test says.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::web;

/// Path and body of what was posted.
pub type Posted = (String, Vec<u8>);

/// Listens on a port of its own of 127.0.0.1 until the process ends.
#[derive(Debug)]
pub struct Hook {
    address: SocketAddr,
    posted: Arc<(Mutex<Vec<Posted>>, Condvar)>,
}

impl Hook {
    /// Starts to listen.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start() -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts to listen on this address.
    ///
    /// # Errors
    /// When it can't be bound.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        Self::answering(address, |_| 202)
    }

    /// Starts to listen on this address; the status of each answer is decided by the body. What is
    /// not answered by 2xx is not kept.
    ///
    /// # Errors
    /// When it can't be bound.
    pub fn answering(
        address: SocketAddr,
        status: impl Fn(&[u8]) -> u16 + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let (address, posted) = (
            listener.local_addr()?,
            Arc::<(Mutex<Vec<Posted>>, Condvar)>::default(),
        );
        let (shared, status) = (Arc::clone(&posted), Arc::new(status));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (posted, status) = (Arc::clone(&shared), Arc::clone(&status));
                thread::spawn(move || serve(client, &posted, &*status));
            }
        });
        Ok(Self { address, posted })
    }

    /// `http://localhost:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Waits until what was posted is enough, and gives it.
    ///
    /// # Errors
    /// When it isn't in time; with what there is.
    pub fn wait(
        &self,
        patience: Duration,
        mut enough: impl FnMut(&[Posted]) -> bool,
    ) -> Result<Vec<Posted>, Vec<Posted>> {
        let (posted, changed) = &*self.posted;
        let posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
        let (posted, timeout) = changed
            .wait_timeout_while(posted, patience, |posted| !enough(posted))
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            Err(posted.clone())
        } else {
            Ok(posted.clone())
        }
    }
}

/// Answers one request after the other.
fn serve(
    mut client: TcpStream,
    posted: &(Mutex<Vec<Posted>>, Condvar),
    status: &dyn Fn(&[u8]) -> u16,
) -> io::Result<()> {
    loop {
        let head = web::read_head(&mut client)?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let lengths = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: u64 = lengths
            .filter_map(|(_, value)| value.trim().parse().ok())
            .next()
            .unwrap_or(0);
        let mut body = Vec::new();
        (&mut client).take(length).read_to_end(&mut body)?;
        let status = status(&body);
        if (200..300).contains(&status) {
            posted
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((path, body));
            posted.1.notify_all();
        }
        client.write_all(
            format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n").as_bytes(),
        )?;
    }
}
