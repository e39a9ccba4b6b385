//! Addresses that a guest's request may be connected to. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services of cloud providers that are not at a link-local address (most are at
/// 169.254.169.254, Tencent Cloud's at 169.254.0.23, Scaleway's at 169.254.42.42, those of AWS for
/// containers at 169.254.170.2 and 169.254.170.23), or that are to be called by their name.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Alibaba Cloud, and over IPv6 (cloud-init, DataSourceAliYun.py).
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200)),
    // Azure.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle Cloud, and over IPv6 (oci-python-sdk, instance_principals_security_token_signer.py).
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    // Google Cloud over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Scaleway over IPv6 (cloud-init, doc/rtd/reference/datasources/scaleway.rst).
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    // Akamai's Linode over IPv6 (cloud-init, doc/rtd/reference/datasources/akamai.rst).
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1)),
];
/// Names of metadata services, those with a dot also of all below them, for the way through a
/// proxy, where addresses aren't seen: Google Cloud's, AWS's `instance-data`, Tencent Cloud's, IBM
/// Cloud's, Exoscale's, Equinix Metal's (which is at a public address) and that of before.
const METADATA_NAMES: [&str; 9] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "metadata.tencentyun.com",
    "api.metadata.cloud.ibm.com",
    "metadata.exoscale.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
];

/// Whether a name is that of a metadata service.
pub(super) fn is_metadata_name(host: &str) -> bool {
    // `x.metadata` is a Service of a namespace.
    let is_its = |name: &&str| {
        host.strip_suffix(*name)
            .is_some_and(|rest| rest.is_empty() || (name.contains('.') && rest.ends_with('.')))
    };
    METADATA_NAMES.iter().any(is_its) || host.starts_with("instance-data.")
}

/// AWS has several services here, among them those of metadata and of credentials.
const AWS: [u16; 2] = [0xfd00, 0xec2];

/// Networks that no sink reaches, whatever is granted, as CIDRs: those of link-local addresses, and
/// of metadata services that are elsewhere.
pub(in crate::sink) fn closed() -> Vec<String> {
    let elsewhere = METADATA
        .iter()
        .filter(|address| !matches!(address, IpAddr::V4(v4) if v4.is_link_local()));
    let single =
        elsewhere.map(|address| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
    let [first, second] = AWS;
    [
        "169.254.0.0/16".to_owned(),
        "fe80::/10".to_owned(),
        format!("{first:x}:{second:x}::/32"),
    ]
    .into_iter()
    .chain(single)
    .collect()
}

/// Names that can be nobody's but this network's: those of Kubernetes' Services, and what is never
/// in public DNS (RFC 6762; ICANN's `internal`).
pub(in crate::sink) fn is_own_name(host: &str) -> bool {
    match host.rsplit_once('.') {
        None => true,
        Some((_, last)) => matches!(last, "svc" | "local" | "internal"),
    }
}

/// Why an address is refused; none if it may be connected to. `loopback` says that the grant names
/// a loopback host, `private` that it lets this host have a private address.
pub(super) fn refusal(address: IpAddr, loopback: bool, private: bool) -> Option<&'static str> {
    let address = embedded(address);
    if is_metadata(address) {
        return Some("a cloud's metadata service");
    }
    if address.is_loopback() {
        return (!loopback).then_some("a loopback address, and the grant names no loopback host");
    }
    let (refused, is_private) = match address {
        IpAddr::V4(v4) => (
            v4.is_link_local() || v4.is_multicast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
            v4.is_private() || is_shared(v4),
        ),
        IpAddr::V6(v6) => (
            v6.is_unicast_link_local()
                || v6.is_multicast()
                || v6.is_unspecified()
                || is_translated(v6),
            is_site_local(v6),
        ),
    };
    if refused {
        return Some("a link-local, multicast, unspecified, reserved or translated address");
    }
    (is_private && !private).then_some("a private address; where that is meant, write private: true, or private: [NETWORK], into the grant")
}

fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
        || matches!(address, IpAddr::V6(v6) if v6.segments().starts_with(&AWS))
}

/// 100.64.0.0/10 (RFC 6598), and 198.18.0.0/15 (RFC 2544).
fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    (a == 100 && (64..128).contains(&b)) || (a == 198 && (18..20).contains(&b))
}

/// Unique local (RFC 4193), and site-local before that (RFC 3879).
fn is_site_local(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.segments()[0] & 0xffc0 == 0xfec0
}

/// Forms with an IPv4 address inside in a place that isn't known here: NAT64 with an operator's own
/// prefix (64:ff9b:1::/48, RFC 8215), Teredo (2001::/32, RFC 4380), ISATAP (RFC 5214).
fn is_translated(address: Ipv6Addr) -> bool {
    let [a, b, c, _, e, f, ..] = address.segments();
    (a, b, c) == (0x64, 0xff9b, 1) || (a, b) == (0x2001, 0) || (e & !0x200, f) == (0, 0x5efe)
}

/// What a connection to an address means: the IPv4 address inside of a v4-mapped, v4-compatible
/// (RFC 4291) or v4-translated (RFC 2765), NAT64 (64:ff9b::/96, RFC 6052) or 6to4 (2002::/16, RFC
/// 3056) one.
pub(super) fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let v4 = |high: u16, low: u16| {
        IpAddr::V4(Ipv4Addr::from_bits(
            (u32::from(high) << 16) | u32::from(low),
        ))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, g, h]
        | [0, 0, 0, 0, 0, 0xffff, g, h]
        | [0, 0, 0, 0, 0xffff, 0, g, h] => v4(g, h),
        [0x2002, b, c, ..] => v4(b, c),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0, g, h] => v4(g, h),
        _ => address,
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

/// A host that can be this machine alone, by its name or as a written address.
pub(in crate::sink) fn is_of_this_machine(host: &str) -> bool {
    is_local(host) || address_of(host).is_some_and(|ip| ip.is_loopback())
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
            "::100.100.100.200",
            "::ffff:0:169.254.169.254",
            "64:ff9b::6464:64c8",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:fffe::a9fe:a9fe",
            "2001:0:a9fe:a9fe::1",
            "2001::5601:5601",
            "2002:6464:64c8::",
            "2001:db8::5efe:169.254.169.254",
            "2001:db8::200:5efe:169.254.169.254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:c1:0:0:0:0:169.254.169.254",
            "fd00:42::42",
            "fd00:a9fe:a9fe::1",
            "fd00:100::100:200",
            "169.254.42.42",
            "169.254.0.23",
            "169.254.170.2",
            "169.254.170.23",
            "fe80::a9fe:a9fe",
        ] {
            assert!(
                refusal(text.parse().unwrap(), true, true).is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn addresses_that_are_nobodys_are_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
            "::ffff:255.255.255.255",
            "64:ff9b::e000:1",
            "2002:e000:1::",
        ] {
            assert!(
                refusal(text.parse().unwrap(), true, true).is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn names_of_metadata_services_are_known() {
        for name in [
            "metadata",
            "metadata.google.internal",
            "x.metadata.google.internal",
            "metadata.goog",
            "instance-data",
            "instance-data.ec2.internal",
            "metadata.tencentyun.com",
            "api.metadata.cloud.ibm.com",
            "metadata.exoscale.com",
            "metadata.platformequinix.com",
            "metadata.packet.net",
        ] {
            assert!(is_metadata_name(name), "{name}");
        }
        for name in [
            "metadata.example.com",
            "mymetadata",
            "atlas.metadata",
            "tencentyun.com",
            "cloud.ibm.com",
        ] {
            assert!(!is_metadata_name(name), "{name}");
        }
    }

    #[test]
    fn loopback_needs_a_grant_that_names_it() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(
                refusal(text.parse().unwrap(), false, true).is_some(),
                "{text}"
            );
            assert_eq!(refusal(text.parse().unwrap(), true, true), None, "{text}");
        }
    }

    #[test]
    fn private_addresses_need_an_exact_name() {
        for text in [
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "fd12::1",
            "fec0::1",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
        ] {
            assert!(
                refusal(text.parse().unwrap(), false, false).is_some(),
                "{text}"
            );
            assert_eq!(refusal(text.parse().unwrap(), false, true), None, "{text}");
        }
        for text in [
            "8.8.8.8",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
        ] {
            assert_eq!(refusal(text.parse().unwrap(), false, false), None, "{text}");
        }
    }
}
