//! Addresses that a guest's request may be connected to. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services of cloud providers outside of the link-local ranges: Alibaba Cloud (100.100.100.200), Azure
/// (168.63.129.16), Oracle Cloud (192.0.0.192), AWS over IPv6 (fd00:ec2::254).
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Why an address is refused; none if it may be connected to. `loopback` says that the grant names a loopback host, `private`
/// that it names this very host rather than a wildcard.
pub(super) fn refusal(address: IpAddr, loopback: bool, private: bool) -> Option<&'static str> {
    let address = embedded(address);
    if METADATA.contains(&address) {
        return Some("a cloud's metadata service");
    }
    if address.is_loopback() {
        return (!loopback).then_some("a loopback address, and the grant names no loopback host");
    }
    let (refused, is_private) = match address {
        IpAddr::V4(v4) => (v4.is_link_local() || v4.is_multicast() || v4.octets()[0] == 0 || v4.is_broadcast(), v4.is_private() || is_shared(v4)),
        IpAddr::V6(v6) => (v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(), v6.is_unique_local()),
    };
    if refused {
        return Some("a link-local, multicast or unspecified address");
    }
    (is_private && !private).then_some("a private address, and the grant names the host by a wildcard only")
}

/// 100.64.0.0/10, RFC 6598.
fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && (64..128).contains(&b)
}

/// The IPv4 address inside of a v4-mapped (RFC 4291), NAT64 (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16, RFC 3056) one.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => v4(g, h),
        (0x2002, _) => v4(b, c),
        (0, 0) if [c, d, e, f] == [0; 4] && (g, h) != (0, 0) && (g, h) != (0, 1) => v4(g, h),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_metadata_address_is_refused() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:100.100.100.200",
        ] {
            assert!(refusal(text.parse().unwrap(), true, true).is_some(), "{text}");
        }
    }

    #[test]
    fn loopback_needs_a_grant_that_names_it() {
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(refusal(text.parse().unwrap(), false, true).is_some(), "{text}");
            assert_eq!(refusal(text.parse().unwrap(), true, true), None, "{text}");
        }
    }

    #[test]
    fn private_addresses_need_an_exact_name() {
        for text in ["10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "fd12::1"] {
            assert!(refusal(text.parse().unwrap(), false, false).is_some(), "{text}");
            assert_eq!(refusal(text.parse().unwrap(), false, true), None, "{text}");
        }
        assert_eq!(refusal("8.8.8.8".parse().unwrap(), false, false), None);
    }
}
