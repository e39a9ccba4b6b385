//! The operator's network, for sinks: the proxy and authorities of the flags, and the API server,
//! which no sink may reach.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;
use tracing::warn;

use crate::cluster;
use crate::sink::grant::Environment;
use crate::sink::http::{Network, network};

use super::settings;

/// How long the API server's name is looked up.
const LOOK_UP: Duration = Duration::from_secs(5);

/// What the flags say; it is the operator's mistake where they can't be followed.
pub(crate) fn from_flags(flags: &settings::Network) -> Result<Network, network::Error> {
    Network::new(
        flags.https_proxy.as_deref(),
        &flags.no_proxy,
        flags.ca_file.as_deref(),
    )
}

/// Refuses the API server of the cluster, and that of the Pod's own cluster, which Kubernetes names
/// in each Pod.
pub(crate) async fn refuse_api_server(
    network: &mut Network,
    client: Option<&cluster::Client>,
    environment: Environment<'_>,
) {
    let own = environment("KUBERNETES_SERVICE_HOST").map(|host| {
        let port = environment("KUBERNETES_SERVICE_PORT")
            .and_then(|port| port.parse().ok())
            .unwrap_or(443);
        (host, port)
    });
    let server = client
        .and_then(|client| client.server())
        .map(|(host, port)| (host.to_owned(), port));
    for (host, port) in own.into_iter().chain(server) {
        network
            .refused_addresses
            .extend(addresses(&host, port).await);
        network.refused_names.push((host, port));
    }
}

async fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match timeout(LOOK_UP, lookup_host((bare, port))).await {
        Ok(Ok(found)) => found.collect(),
        _ => {
            warn!(
                host,
                "The API server's name has no address here, so that sinks are kept from it by its name alone."
            );
            Vec::new()
        }
    }
}
