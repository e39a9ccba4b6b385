//! What a grant lets a sink reach, as a NetworkPolicy (networking.k8s.io/v1). Pure.

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use crate::shown::shown;
use crate::sink::egress::{closed, host_pattern, is_local, is_own_name};

use super::{Document, Environment, Error, HostPattern, Private};

/// What a granted name has to be allowed to mean by `private:`: RFC 1918, RFC 6598, RFC 2544, RFC
/// 4193, RFC 3879.
const PRIVATE: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "198.18.0.0/15",
    "fc00::/7",
    "fec0::/10",
];

/// A destination: as the grant has it, and with its variables filled in.
type Destination = (String, HostPattern);

impl Document {
    /// The policy of its sink, as YAML. Only those variables need be set that its destinations
    /// have.
    ///
    /// # Errors
    /// Values that are not there, or make no host.
    pub fn network_policy(
        &self,
        sink: &str,
        path: &Path,
        environment: Environment<'_>,
    ) -> Result<String, Error> {
        let is_named = |name: &str| {
            self.hosts()
                .flat_map(host_pattern::variables)
                .any(|variable| variable == name)
        };
        let env = self.values(sink, &is_named, environment)?;
        let destinations: Vec<_> = self
            .hosts()
            .map(str::to_owned)
            .zip(self.patterns(&env, Some(path))?)
            .collect();
        Ok(network_policy(sink, &destinations, &self.private.resolve()))
    }
}

/// The policy of a sink. What is said of a destination is how the grant has it, since its variables
/// may be secrets; its port, and an address or a Service of the cluster, stand in the rules.
fn network_policy(sink: &str, destinations: &[Destination], private: &Private) -> String {
    let mut text = String::new();
    // Writing into a text can't fail.
    let _ = write(&mut text, sink, destinations, private);
    text
}

fn write(
    text: &mut String,
    sink: &str,
    destinations: &[Destination],
    private: &Private,
) -> fmt::Result {
    let name: String = sink
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(200)
        .collect();
    writeln!(
        text,
        "# What the grant of the sink {} lets it reach. Policies add up, and what none of them allows is closed:",
        shown(sink)
    )?;
    writeln!(
        text,
        "# the service needs one for the API server, too, and one for each of its sinks (docs/install.md)."
    )?;
    writeln!(
        text,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: \"kubedl-events-{}\"",
        name.trim_end_matches('-')
    )?;
    writeln!(
        text,
        "spec:\n  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: kubedl-events\n  policyTypes: [Egress]\n  egress:"
    )?;
    writeln!(
        text,
        "    # DNS.\n    - ports:\n        - {{protocol: UDP, port: 53}}\n        - {{protocol: TCP, port: 53}}"
    )?;
    for (written, pattern) in destinations {
        writeln!(text, "    # {}", shown(written))?;
        rule(text, pattern, private)?;
    }
    Ok(())
}

fn rule(text: &mut String, pattern: &HostPattern, private: &Private) -> fmt::Result {
    let host = pattern.host();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    if is_local(host) || address.as_ref().is_ok_and(IpAddr::is_loopback) {
        return writeln!(
            text,
            "    # It is in the Pod itself, which a policy does not close."
        );
    }
    let peers = match address {
        Ok(address) => vec![format!(
            "ipBlock: {{cidr: \"{address}/{}\"}}",
            if address.is_ipv4() { 32 } else { 128 }
        )],
        Err(_) => service(pattern).map_or_else(|| blocks(pattern, private), |peer| vec![peer]),
    };
    if peers.iter().any(|peer| peer.contains("Selector")) {
        writeln!(
            text,
            "    # The port is the Service's: where its Pods listen on another one, write theirs."
        )?;
    }
    writeln!(text, "    - to:")?;
    for peer in peers {
        writeln!(text, "        - {peer}")?;
    }
    writeln!(
        text,
        "      ports:\n        - {{protocol: TCP, port: {}}}",
        pattern.port()
    )
}

/// The Pods of a Service: those of its namespace, since a name does not say which.
fn service(pattern: &HostPattern) -> Option<String> {
    if pattern.is_wildcard() {
        return None;
    }
    let labels: Vec<&str> = pattern.host().split('.').collect();
    match *labels.as_slice() {
        [_] => Some("podSelector: {}".to_owned()),
        [.., namespace, "svc"] | [.., namespace, "svc", "cluster", "local"]
            if labels.len() != 2 =>
        {
            Some(format!(
                "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: \"{namespace}\"}}}}"
            ))
        }
        _ => None,
    }
}

/// The addresses that a name may have.
fn blocks(pattern: &HostPattern, private: &Private) -> Vec<String> {
    let all = *private == Private::All || (!pattern.is_wildcard() && is_own_name(pattern.host()));
    let closed: Vec<String> = closed()
        .into_iter()
        .chain(PRIVATE.into_iter().filter(|_| !all).map(str::to_owned))
        .collect();
    let block = |cidr: &str, is_v6: bool| {
        let except: Vec<String> = closed
            .iter()
            .filter(|network| network.contains(':') == is_v6)
            .map(|network| format!("\"{network}\""))
            .collect();
        format!(
            "ipBlock: {{cidr: \"{cidr}\", except: [{}]}}",
            except.join(", ")
        )
    };
    let mut blocks = vec![block("0.0.0.0/0", false), block("::/0", true)];
    if let (Private::Networks(networks), false) = (private, all) {
        blocks.extend(
            networks
                .iter()
                .map(|network| format!("ipBlock: {{cidr: \"{network}\"}}")),
        );
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Subnet;

    /// What follows the rule for DNS.
    fn rules(host: &str, private: &Private) -> String {
        let policy = network_policy(
            "My_Sink",
            &[("${URL}".to_owned(), host.parse().unwrap())],
            private,
        );
        policy.split_once("    # ${URL}\n").unwrap().1.to_owned()
    }

    #[test]
    fn a_destination_is_reached_at_its_port_and_where_it_can_be() {
        for (host, wanted) in [
            (
                "http://10.0.3.7:8080",
                "    - to:\n        - ipBlock: {cidr: \"10.0.3.7/32\"}\n      ports:\n        - {protocol: TCP, port: 8080}\n",
            ),
            (
                "https://[fd00::1]",
                "    - to:\n        - ipBlock: {cidr: \"fd00::1/128\"}\n      ports:\n        - {protocol: TCP, port: 443}\n",
            ),
        ] {
            assert_eq!(rules(host, &Private::None), wanted);
        }
        for host in [
            "http://graphite.monitoring.svc:8080",
            "http://graphite.monitoring.svc.cluster.local:8080",
            "http://a.graphite.monitoring.svc:8080",
        ] {
            let rule = rules(host, &Private::All);
            assert!(
                rule.contains("- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: \"monitoring\"}}\n      ports:"),
                "{host}: {rule}"
            );
            assert!(!rule.contains("ipBlock"), "{host}: {rule}");
        }
        assert!(rules("http://graphite", &Private::None).contains("- podSelector: {}\n"));
        for host in [
            "http://localhost:1",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://a.localhost:1",
        ] {
            assert_eq!(
                rules(host, &Private::All),
                "    # It is in the Pod itself, which a policy does not close.\n",
                "{host}"
            );
        }
    }

    #[test]
    fn a_name_outside_of_the_cluster_has_the_addresses_that_the_grant_lets_it_have() {
        let networks = Private::Networks(vec![Subnet::parse("10.9.0.0/16").unwrap()]);
        for (host, private, open, has_private) in [
            ("hooks.example.com", &Private::None, None, false),
            ("hooks.example.com", &Private::All, None, true),
            (
                "hooks.example.com",
                &networks,
                Some("- ipBlock: {cidr: \"10.9.0.0/16\"}"),
                false,
            ),
            ("*.example.com", &Private::None, None, false),
            ("*.monitoring.svc", &Private::None, None, false),
            ("graphite.internal", &Private::None, None, true),
        ] {
            let rule = rules(host, private);
            assert!(
                rule.contains("cidr: \"0.0.0.0/0\", except: [\"169.254.0.0/16\""),
                "{host}: {rule}"
            );
            assert!(
                rule.contains("cidr: \"::/0\", except: [\"fe80::/10\""),
                "{host}: {rule}"
            );
            for metadata in [
                "100.100.100.200/32",
                "168.63.129.16/32",
                "fd00:ec2::/32",
                "fd20:ce::254/128",
                "fd00:42::42/128",
            ] {
                assert!(
                    rule.contains(&format!("\"{metadata}\"")),
                    "{host} with {private:?} leaves {metadata} open: {rule}"
                );
            }
            assert_eq!(
                !rule.contains("\"10.0.0.0/8\"") && !rule.contains("\"fc00::/7\""),
                has_private,
                "{host} {private:?}: {rule}"
            );
            assert!(
                open.is_none_or(|open| rule.contains(open)),
                "{host}: {rule}"
            );
        }
    }

    #[test]
    fn names_and_remarks_stay_in_their_lines() {
        let policy = network_policy(
            "a\nb_\"C\u{1b}",
            &[("x\n- y".to_owned(), "https://a.example".parse().unwrap())],
            &Private::None,
        );
        assert!(
            policy.contains("name: \"kubedl-events-a-b--c\"\n")
                && !policy.contains("\n- y")
                && !policy.contains('\u{1b}'),
            "{policy}"
        );
    }
}
