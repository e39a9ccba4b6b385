//! Names -> addresses, each judged before it is connected to. There is no second look-up after this
//! one.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::sink::grant::{HostPattern, Private};

use super::address;
use super::network::{LookUp, Network};

/// Marks an address that was refused, among the transport's errors.
pub(super) const REFUSED: &str = "refused address: ";
/// Addresses of a name that are looked at.
const MOST_ADDRESSES: usize = 16;
/// Look-ups of a sink that may hang at a time. The system's resolver can't be interrupted: a thread
/// of each waits until it gives up, half a minute by default (resolv.conf(5): 5 s, twice, for each
/// server).
const MOST_LOOKUPS: usize = 64;

/// The resolver of one sink.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) granted: Vec<HostPattern>,
    pub(super) private: Private,
    pub(super) network: Network,
    pub(super) hanging: Hanging,
    /// Where names were last found to be, a few of them: a sink may make up hosts below a wildcard.
    pub(super) found: Mutex<HashMap<String, IpAddr>>,
}

/// Names whose last address is known.
const MOST_FOUND: usize = 256;

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

impl Resolver for Judge {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        self.addresses(uri, *timeout.after)?
            .into_iter()
            .for_each(|socket| addresses.push(socket));
        Ok(addresses)
    }
}

impl Judge {
    /// Where a URL's host may be connected to: at least one address, at most sixteen.
    fn addresses(&self, uri: &Uri, time: Duration) -> Result<Vec<SocketAddr>, ureq::Error> {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let found = match address_of(&host) {
            Some(ip) => vec![SocketAddr::new(ip, port)],
            // RFC 6761, section 6.3: these names are loopback without asking DNS.
            None if is_local(&host) => [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
            .map(|ip| SocketAddr::new(ip, port))
            .to_vec(),
            None => self
                .hanging
                .look_up(&self.network.look_up, &host, port, time)?,
        };
        if self.network.is_proxy(&host, port) && !found.is_empty() {
            // The operator's own way out.
            return Ok(found);
        }
        let (mut allowed, mut refused) = (Vec::new(), None);
        for socket in found {
            match self.refusal(&host, socket) {
                None => allowed.push(socket),
                Some(why) => refused = Some(format!("{REFUSED}{host} is {}, {why}", socket.ip())),
            }
        }
        match refused {
            Some(why) if allowed.is_empty() => Err(ureq::Error::Io(io::Error::new(
                io::ErrorKind::PermissionDenied,
                why,
            ))),
            _ if allowed.is_empty() => Err(ureq::Error::HostNotFound),
            _ => {
                self.note(&host, &allowed);
                Ok(allowed)
            }
        }
    }

    fn note(&self, host: &str, allowed: &[SocketAddr]) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MOST_FOUND && !found.contains_key(host) {
            found.clear();
        }
        if let Some(first) = allowed.first() {
            found.insert(host.to_owned(), first.ip());
        }
    }

    /// Where a host was last found to be.
    pub(super) fn last(&self, host: &str) -> Option<IpAddr> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .copied()
    }

    /// Why an address of a host is refused.
    pub(super) fn refusal(&self, host: &str, socket: SocketAddr) -> Option<&'static str> {
        if self
            .network
            .refuses_address(address::embedded(socket.ip()), socket.port())
        {
            return Some("the address of the cluster's API server, which no sink may reach");
        }
        let loopback = is_local(host) || address_of(host).is_some_and(|ip| ip.is_loopback());
        let exact = self.granted.iter().any(|pattern| pattern.names(host));
        // Who runs the DNS of any other name could have it mean whatever is in this network.
        let own = exact && (address_of(host).is_some() || address::is_own_name(host));
        address::refusal(
            socket.ip(),
            loopback,
            own || self.private.admits(address::embedded(socket.ip())),
        )
    }
}

impl Hanging {
    /// Looks a name up on a thread of its own, and waits for it no longer than `time`.
    fn look_up(
        &self,
        look_up: &LookUp,
        host: &str,
        port: u16,
        time: Duration,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        if self.0.fetch_add(1, Ordering::Relaxed) >= MOST_LOOKUPS {
            drop(One(self.clone()));
            return Err(ureq::Error::Timeout(Timeout::Resolve));
        }
        let (one, look_up, host) = (One(self.clone()), look_up.clone(), host.to_owned());
        let (found, answer) = sync_channel(1);
        std::thread::Builder::new()
            .name("look-up".to_owned())
            .spawn(move || {
                let addresses = look_up(&host, port);
                drop(one);
                let _ = found.send(addresses);
            })?;
        let mut addresses = answer
            .recv_timeout(time)
            .map_err(|_| ureq::Error::Timeout(Timeout::Resolve))?
            .map_err(|_| ureq::Error::HostNotFound)?;
        addresses.truncate(MOST_ADDRESSES);
        Ok(addresses)
    }
}

/// A host that is an address, with its brackets if it has any.
pub(super) fn address_of(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// `localhost` and the names below it.
pub(in crate::sink) fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Subnet;

    fn judge(granted: &str, look_up: LookUp) -> Judge {
        let mut network = Network {
            look_up,
            ..Network::default()
        };
        network.refused_addresses = vec![
            "127.0.0.1:6443".parse().unwrap(),
            "10.96.0.1:443".parse().unwrap(),
        ];
        Judge {
            granted: vec![granted.parse().unwrap()],
            private: Private::None,
            network,
            hanging: Hanging::default(),
            found: Mutex::default(),
        }
    }

    fn resolve(judge: &Judge, url: &str, time: Duration) -> Result<Vec<SocketAddr>, ureq::Error> {
        judge.addresses(&url.parse().unwrap(), time)
    }

    const LONG: Duration = Duration::from_secs(60);

    fn all(addresses: &'static [&str]) -> LookUp {
        Arc::new(|_, port| {
            Ok(addresses
                .iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), port))
                .collect())
        })
    }

    #[test]
    fn only_the_addresses_that_passed_are_connected_to() {
        let mixed = judge(
            "https://*.example.com",
            all(&[
                "127.0.0.1",
                "10.0.0.1",
                "169.254.169.254",
                "1.2.3.4",
                "::1",
                "fe80::1",
            ]),
        );
        assert_eq!(
            resolve(&mixed, "https://a.example.com/", LONG).unwrap(),
            ["1.2.3.4:443".parse().unwrap()]
        );
        let none = judge(
            "https://*.example.com",
            all(&["127.0.0.1", "169.254.169.254"]),
        );
        assert!(
            resolve(&none, "https://a.example.com/", LONG)
                .unwrap_err()
                .to_string()
                .contains("metadata")
        );
    }

    #[test]
    fn a_name_that_changes_its_address_is_judged_by_the_one_that_is_used() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let look_up: LookUp = Arc::new(move |_, port| {
            let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(vec![SocketAddr::new(
                if first { "1.2.3.4" } else { "127.0.0.1" }.parse().unwrap(),
                port,
            )])
        });
        let judge = judge("http://rebind.example.com", look_up);
        assert_eq!(
            resolve(&judge, "http://rebind.example.com/", LONG).unwrap(),
            ["1.2.3.4:80".parse().unwrap()]
        );
        assert_eq!(
            asked.load(Ordering::Relaxed),
            1,
            "what is given is what was looked up, once"
        );
        assert!(resolve(&judge, "http://rebind.example.com/", LONG).is_err());
    }

    #[test]
    fn the_api_server_is_refused_by_address_and_port() {
        let judge = Judge {
            private: Private::All,
            ..judge(
                "https://api.example.com",
                all(&["10.96.0.1", "::ffff:10.96.0.1", "64:ff9b::a60:1"]),
            )
        };
        assert!(
            resolve(&judge, "https://api.example.com/", LONG)
                .unwrap_err()
                .to_string()
                .contains("API server")
        );
        assert_eq!(
            resolve(&judge, "https://api.example.com:8443/", LONG)
                .unwrap()
                .len(),
            3
        );
        for url in [
            "https://localhost:6443/",
            "https://127.0.0.1:6443/",
            "https://127.0.0.2:6443/",
            "https://[::1]:6443/",
        ] {
            assert!(resolve(&judge, url, LONG).is_err(), "{url}");
        }
        assert!(resolve(&judge, "https://127.0.0.1:6444/", LONG).is_ok());
    }

    #[test]
    fn a_private_address_needs_a_word_of_the_grant_or_a_name_that_is_nobody_elses() {
        let of = |granted: &str, private: Private| Judge {
            private,
            ..judge(granted, all(&["10.1.2.3"]))
        };
        let networks = |text: &str| Private::Networks(vec![Subnet::parse(text).unwrap()]);
        for (granted, private, reached) in [
            ("http://hooks.example.com", Private::None, false),
            ("http://hooks.example.com", Private::All, true),
            ("http://hooks.example.com", networks("10.0.0.0/8"), true),
            (
                "http://hooks.example.com",
                networks("192.168.0.0/16"),
                false,
            ),
            ("http://*.example.com", Private::All, true),
            ("http://*.monitoring.svc", Private::None, false),
            ("http://graphite", Private::None, true),
            ("http://graphite.monitoring.svc", Private::None, true),
            (
                "http://graphite.monitoring.svc.cluster.local",
                Private::None,
                true,
            ),
            ("http://graphite.monitoring", Private::None, false),
            ("http://10.1.2.3", Private::None, true),
        ] {
            let url = granted.replace('*', "hooks");
            assert_eq!(
                resolve(&of(granted, private.clone()), &url, LONG).is_ok(),
                reached,
                "{granted} {private:?}"
            );
        }
        // What is refused for another reason stays refused.
        let metadata = Judge {
            private: Private::All,
            ..judge("http://hooks.example.com", all(&["169.254.169.254"]))
        };
        assert!(resolve(&metadata, "http://hooks.example.com/", LONG).is_err());
    }

    #[test]
    fn a_flood_of_addresses_is_cut_to_sixteen() {
        let many: LookUp = Arc::new(|_, port| {
            Ok((0..=255)
                .map(|n| SocketAddr::new(Ipv4Addr::new(1, 2, 3, n).into(), port))
                .collect())
        });
        assert_eq!(
            resolve(
                &judge("http://many.example.com", many),
                "http://many.example.com/",
                LONG
            )
            .unwrap()
            .len(),
            16
        );
    }

    #[test]
    fn look_ups_that_hang_are_bounded_in_time_and_number() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let hang: LookUp = Arc::new(move |_, _| {
            let _ = gate.lock().unwrap().recv();
            Err(io::Error::other("released"))
        });
        let judge = judge("http://slow.example.com", hang);
        for _ in 0..MOST_LOOKUPS + 5 {
            let refused =
                resolve(&judge, "http://slow.example.com/", Duration::from_millis(1)).unwrap_err();
            assert!(
                matches!(refused, ureq::Error::Timeout(Timeout::Resolve)),
                "{refused}"
            );
            assert!(judge.hanging.0.load(Ordering::Relaxed) <= MOST_LOOKUPS);
        }
        assert_eq!(judge.hanging.0.load(Ordering::Relaxed), MOST_LOOKUPS);
        drop(release);
        while judge.hanging.0.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }
}
