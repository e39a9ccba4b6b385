//! Looks names up: by the system's resolver, and not too many at a time.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::is_own_name;

/// Addresses of a name that are looked at.
const MOST_ADDRESSES: usize = 16;
/// Look-ups of a sink that may hang at a time. The system's resolver can't be interrupted: a thread
/// of each waits until it gives up, half a minute by default (resolv.conf(5): 5 s, twice, for each
/// server).
const MOST_LOOKUPS: usize = 64;

/// Gives the addresses of a name; may block.
pub type LookUp = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Why a host can't be connected to.
#[derive(Debug)]
pub(in crate::sink) enum Unreachable {
    /// Its name was not looked up in time.
    Late,
    /// It has no address.
    Unknown,
    /// Its addresses are refused; in words.
    Refused(String),
    /// A look-up could not begin.
    Failed(io::Error),
}

/// Counts look-ups that go on.
#[derive(Clone, Default)]
pub(super) struct Hanging(Arc<AtomicUsize>);

impl fmt::Debug for Hanging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} look-ups", self.0.load(Ordering::Relaxed))
    }
}

/// One look-up that goes on.
struct One(Hanging);

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hanging {
    /// Looks a name up on a thread of its own, and waits for it no longer than `time`.
    pub(super) fn look_up(
        &self,
        look_up: &LookUp,
        host: &str,
        port: u16,
        time: Duration,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= MOST_LOOKUPS {
            drop(One(self.clone()));
            return Err(Unreachable::Late);
        }
        let (one, look_up, host) = (One(self.clone()), look_up.clone(), host.to_owned());
        let (found, answer) = sync_channel(1);
        std::thread::Builder::new()
            .name("look-up".to_owned())
            .spawn(move || {
                let addresses = look_up(&host, port);
                drop(one);
                let _ = found.send(addresses);
            })
            .map_err(Unreachable::Failed)?;
        let mut addresses = answer
            .recv_timeout(time)
            .map_err(|_| Unreachable::Late)?
            .map_err(|_| Unreachable::Unknown)?;
        addresses.truncate(MOST_ADDRESSES);
        Ok(addresses)
    }
}

/// By the system's resolver. A name with a dot is asked for as an absolute one first: in a Pod
/// (`ndots:5`) it would else be tried below each of the search domains, where whoever may create a
/// namespace of its last label answers (kubernetes/kubernetes#60534). What the hosts file has comes
/// before DNS in any case.
pub(in crate::sink) fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let hosts = || std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    if name.contains('.') && !is_own_name(name) && !is_in_hosts(&hosts(), name) {
        let absolute: io::Result<Vec<SocketAddr>> = (format!("{name}."), port)
            .to_socket_addrs()
            .map(Iterator::collect);
        if let Ok(found) = absolute
            && !found.is_empty()
        {
            return Ok(found);
        }
    }
    Ok((name, port).to_socket_addrs()?.collect())
}

/// Whether a hosts file has a name (hosts(5)).
fn is_in_hosts(file: &str, name: &str) -> bool {
    let names = file.lines().flat_map(|line| {
        line.split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
    });
    names
        .into_iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hosts_file_has_is_known() {
        let file = "127.0.0.1 localhost\n# 10.0.0.1 old.example.com\n10.0.0.2\tDB.example.com db # alias\n";
        for (name, known) in [
            ("localhost", true),
            ("db.example.com", true),
            ("db", true),
            ("old.example.com", false),
            ("10.0.0.2", false),
            ("alias", false),
        ] {
            assert_eq!(is_in_hosts(file, name), known, "{name}");
        }
    }
    #[test]
    fn look_ups_that_hang_are_bounded_in_time_and_number() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let hang: LookUp = Arc::new(move |_, _| {
            let _ = gate.lock().unwrap().recv();
            Err(io::Error::other("released"))
        });
        let hanging = Hanging::default();
        for _ in 0..MOST_LOOKUPS + 5 {
            let refused = hanging.look_up(&hang, "slow.example.com", 80, Duration::from_millis(1));
            assert!(matches!(refused, Err(Unreachable::Late)), "{refused:?}");
            assert!(hanging.0.load(Ordering::Relaxed) <= MOST_LOOKUPS);
        }
        assert_eq!(hanging.0.load(Ordering::Relaxed), MOST_LOOKUPS);
        drop(release);
        while hanging.0.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}
