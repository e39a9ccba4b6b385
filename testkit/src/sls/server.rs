//! The server as a test holds it.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::http;
use super::store::Store;
use super::{Options, Order, RequestRecord, StoredLog};

/// A running server; dropping it closes the port and all connections.
pub struct Server {
    address: SocketAddr,
    store: Arc<Store>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The wait was over before enough had arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooFew {
    /// What was waited for.
    pub what: &'static str,
    /// How many were wanted.
    pub wanted: usize,
    /// How many had arrived.
    pub arrived: usize,
    /// How long the wait was.
    pub waited: Duration,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            wanted,
            arrived,
            waited,
        } = self;
        write!(
            f,
            "after {waited:?}, {arrived} {what} had arrived at the SLS server, of {wanted} wanted"
        )
    }
}

impl std::error::Error for TooFew {}

impl Server {
    /// Starts a server on 127.0.0.1, on one thread of its own.
    ///
    /// # Errors
    /// When the port can't be bound, the dump file can't be created, or no thread can be started.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let store = Arc::new(Store::new(&options)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let service = http::Service::new(options, address.port(), Arc::clone(&store));
        let thread = thread::Builder::new()
            .name("sls-server".into())
            .spawn(move || {
                // Leaving ends the runtime, and with it every connection.
                runtime.block_on(async move {
                    tokio::select! {
                        _ = stopped => {}
                        () = http::accept(listener, service) => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            store,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What a client is configured with: `http://localhost:PORT`. It then asks for
    /// `PROJECT.localhost:PORT`, which by RFC 6761 is this machine, though not every resolver knows
    /// that.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The address that is bound, for clients that resolve names themselves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All stored logs in the order of arrival.
    #[must_use]
    pub fn stored(&self) -> Vec<StoredLog> {
        self.store.logs_from(0)
    }

    /// The stored logs from this position on: 0 is the first that arrived.
    #[must_use]
    pub fn stored_from(&self, position: usize) -> Vec<StoredLog> {
        self.store.logs_from(position)
    }

    /// The number of stored logs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.store.counts().0
    }

    /// All requests that are over, in the order in which they ended.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.store.requests()
    }

    /// Adds a standing order, after those given before.
    pub fn order(&self, order: Order) {
        self.store.order(order);
    }

    /// How many orders stand: one with a number of times goes when it is used up.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.store.orders()
    }

    /// Forgets all orders; a write that is already under way keeps its own.
    pub fn clear_orders(&self) {
        self.store.clear_orders();
    }

    /// Waits until at least this many logs are stored, and gives all of them.
    ///
    /// # Errors
    /// When fewer have arrived in time.
    pub fn wait_for(&self, logs: usize, timeout: Duration) -> Result<Vec<StoredLog>, TooFew> {
        match self.store.wait(timeout, |stored, _| stored >= logs) {
            (_, true) => Ok(self.stored()),
            ((arrived, _), false) => Err(TooFew {
                what: "logs",
                wanted: logs,
                arrived,
                waited: timeout,
            }),
        }
    }

    /// Waits until at least this many requests are over (answered or cut), and gives all of them.
    ///
    /// # Errors
    /// When fewer are over in time.
    pub fn wait_for_requests(
        &self,
        requests: usize,
        timeout: Duration,
    ) -> Result<Vec<RequestRecord>, TooFew> {
        match self.store.wait(timeout, |_, ended| ended >= requests) {
            (_, true) => Ok(self.requests()),
            ((_, arrived), false) => Err(TooFew {
                what: "requests",
                wanted: requests,
                arrived,
                waited: timeout,
            }),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread has ended already if nobody listens.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread has been printed; a second one here would hide the
            // test's own.
            let _ = thread.join();
        }
    }
}
