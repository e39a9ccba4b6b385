//! Judges the hosts of one sink, and their addresses, each before it is connected to. There is no
//! second look-up after this one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::address::{self, address_of, is_local};
use super::look_up::Hanging;
use super::{HostPattern, Private, Surroundings, Unreachable};

/// Names whose last address is known.
const MOST_FOUND: usize = 256;

/// The judge of one sink.
#[derive(Debug)]
pub(in crate::sink) struct Judge {
    granted: Vec<HostPattern>,
    private: Private,
    surroundings: Surroundings,
    hanging: Hanging,
    /// Where names were last found to be, a few of them: a sink may make up hosts below a wildcard.
    found: Mutex<HashMap<String, IpAddr>>,
}

impl Judge {
    /// Of a sink with these grants.
    pub(in crate::sink) fn new(
        granted: Vec<HostPattern>,
        private: Private,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            granted,
            private,
            surroundings,
            hanging: Hanging::default(),
            found: Mutex::default(),
        }
    }

    /// Where a host, in lower case, may be connected to: at least one address, at most sixteen.
    ///
    /// # Errors
    /// When it can't be looked up in time, or all its addresses are refused.
    pub(in crate::sink) fn addresses(
        &self,
        host: &str,
        port: u16,
        time: Duration,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let found = match address_of(host) {
            Some(ip) => vec![SocketAddr::new(ip, port)],
            // RFC 6761, section 6.3: these names are loopback without asking DNS.
            None if is_local(host) => [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ]
            .map(|ip| SocketAddr::new(ip, port))
            .to_vec(),
            None => self
                .hanging
                .look_up(&self.surroundings.look_up, host, port, time)?,
        };
        if self.surroundings.is_way_out(host, port) && !found.is_empty() {
            // The operator's own.
            return Ok(found);
        }
        let (mut allowed, mut refused) = (Vec::new(), None);
        for socket in found {
            match self.refusal(host, socket) {
                None => allowed.push(socket),
                Some(why) => refused = Some(format!("{host} is {}, {why}", socket.ip())),
            }
        }
        match refused {
            Some(why) if allowed.is_empty() => Err(Unreachable::Refused(why)),
            _ if allowed.is_empty() => Err(Unreachable::Unknown),
            _ => {
                self.note(host, &allowed);
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
    pub(in crate::sink) fn last(&self, host: &str) -> Option<IpAddr> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .copied()
    }

    /// Why a place is refused even if it is granted, as far as can be seen without looking its name
    /// up.
    pub(in crate::sink) fn refuses_place(&self, host: &str, port: u16) -> Option<&'static str> {
        if self.surroundings.refuses_name(host, port) {
            return Some("the cluster's API server, which no sink may reach");
        }
        if address::is_metadata_name(host) {
            return Some("a cloud's metadata service");
        }
        // An address is judged when it is looked up, too; but the way through a proxy asks nobody.
        address_of(host).and_then(|ip| self.refusal(host, SocketAddr::new(ip, port)))
    }

    /// Why an address of a host is refused.
    fn refusal(&self, host: &str, socket: SocketAddr) -> Option<&'static str> {
        if self
            .surroundings
            .refuses_address(address::embedded(socket.ip()), socket.port())
        {
            return Some("the address of the cluster's API server, which no sink may reach");
        }
        let loopback = address::is_of_this_machine(host);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::cluster::Subnet;

    use super::super::LookUp;
    use super::*;

    fn judge(granted: &str, look_up: LookUp) -> Judge {
        let surroundings = Surroundings {
            refused_names: Vec::new(),
            refused_addresses: vec![
                "127.0.0.1:6443".parse().unwrap(),
                "10.96.0.1:443".parse().unwrap(),
            ],
            look_up,
            way_out: None,
        };
        Judge::new(vec![granted.parse().unwrap()], Private::None, surroundings)
    }

    fn resolve(judge: &Judge, url: &str, time: Duration) -> Result<Vec<SocketAddr>, Unreachable> {
        let url = url::Url::parse(url).unwrap();
        let port = url.port_or_known_default().unwrap();
        judge.addresses(url.host_str().unwrap(), port, time)
    }

    /// Of a host whose addresses are all refused.
    fn refused(judge: &Judge, url: &str) -> String {
        match resolve(judge, url, LONG) {
            Err(Unreachable::Refused(why)) => why,
            other => panic!("{url} became {other:?}"),
        }
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
        assert!(refused(&none, "https://a.example.com/").contains("metadata"));
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
        assert!(refused(&judge, "https://api.example.com/").contains("API server"));
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
}
