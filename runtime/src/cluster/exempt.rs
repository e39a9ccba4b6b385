//! Hosts that are reached without a proxy: `--no-proxy` of sinks, and NO_PROXY of the way to the
//! cluster, as Go's programs read it. Pure.

use std::fmt;
use std::net::IpAddr;

/// The entries of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemptions(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    All,
    /// The name itself, and all below it.
    Name(String),
    /// All below the name.
    Below(String),
    Network(Subnet),
}

/// A network: an address, with how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    bits: u32,
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Subnet {
    /// Reads `10.0.0.0/8`; none where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.trim().split_once('/')?;
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        (bits <= width(&address)).then_some(Self { address, bits })
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

fn width(address: &IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Exemptions {
    /// Reads entries; empty ones are passed over.
    ///
    /// # Errors
    /// The first entry that can't be read.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let entries = entries
            .iter()
            .map(|entry| entry.trim())
            .filter(|entry| !entry.is_empty());
        entries
            .map(|entry| Entry::parse(entry).ok_or_else(|| entry.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a host is reached straight. `host` is lower case; an IPv6 address has brackets.
    pub fn contain(&self, host: &str) -> bool {
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok();
        self.0.iter().any(|entry| match (entry, address) {
            (Entry::All, _) => true,
            (Entry::Name(name), None) => host == name || is_below(host, name),
            (Entry::Below(name), None) => is_below(host, name),
            (Entry::Network(network), Some(address)) => network.contains(address),
            _ => false,
        })
    }
}

fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .is_some_and(|rest| rest.ends_with('.'))
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text.contains('/') {
            return Subnet::parse(&text).map(Self::Network);
        }
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Network(Subnet {
                address,
                bits: width(&address),
            }));
        }
        let below = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        let plain = |name: &str| {
            name.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            })
        };
        match below {
            _ if text == "*" => Some(Self::All),
            Some(name) if plain(name) => Some(Self::Below(name.to_owned())),
            None if plain(&text) => Some(Self::Name(text)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_mean_what_they_mean_for_go() {
        for (entry, within, without) in [
            (
                "example.com",
                &["example.com", "a.example.com", "a.b.example.com"][..],
                &["notexample.com", "example.com.evil", "com"][..],
            ),
            (
                ".example.com",
                &["a.example.com"],
                &["example.com", "notexample.com"],
            ),
            ("*.EXAMPLE.com", &["a.example.com"], &["example.com"]),
            ("*", &["anything", "10.0.0.1", "[::1]"], &[]),
            (
                "10.0.0.1",
                &["10.0.0.1"],
                &["10.0.0.2", "110.0.0.1", "x.10.0.0.1"],
            ),
            (
                "10.0.0.0/8",
                &["10.255.0.1"],
                &["11.0.0.1", "[a00::]", "10.example.com"],
            ),
            ("0.0.0.0/0", &["1.2.3.4"], &["example.com", "[::1]"]),
            ("fd00::/8", &["[fd12::1]"], &["[fe80::1]"]),
            ("::1", &["[::1]"], &["[::2]"]),
        ] {
            let exemptions = Exemptions::parse(&[String::new(), entry.to_owned()]).unwrap();
            for host in within {
                assert!(exemptions.contain(host), "{entry} has {host}");
            }
            for host in without {
                assert!(!exemptions.contain(host), "{entry} does not have {host}");
            }
        }
    }

    #[test]
    fn an_entry_that_can_not_be_read_is_told() {
        for entry in [
            "10.0.0.0/33",
            "example.com:443",
            "http://example.com",
            "a..b",
            "a b",
            "10.0.0/8",
            "**",
        ] {
            assert_eq!(
                Exemptions::parse(&[entry.to_owned()]),
                Err(entry.to_owned())
            );
        }
    }
}
