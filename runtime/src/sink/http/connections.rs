//! The connections of one sink: how they are made, and what is checked of the other side.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;

use crate::sink::egress::Judge;
use crate::sink::grant::Grant;

use super::Network;
use super::headers::HEADER_BYTES;
use super::resolver::Shared;
use super::script::Scripted;

/// Targets in the log of the libraries that carry requests. What they say below a warning may have
/// headers and addresses in it that a sink made of its secrets.
pub const CARRIERS: [&str; 3] = ["ureq", "ureq_proto", "rustls"];
/// Time for resolving a name, and then for connecting.
const CONNECT: Duration = Duration::from_secs(10);

/// Opens the way out of a sink. Nothing is connected before there is a request.
pub(super) fn open(grant: &Grant, network: &Network, judge: &Arc<Judge>) -> Agent {
    // TLS 1.2 and 1.3, with certificates checked, is what the library does and can't be told
    // otherwise here. Whether the identity can be read was seen when the grant was.
    let identity = grant
        .identity
        .as_ref()
        .and_then(|identity| identity.ready().ok());
    let tls = TlsConfig::builder()
        .root_certs(network.roots.clone())
        .client_cert(identity);
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent("")
        .accept("")
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .max_response_header_size(HEADER_BYTES)
        .max_idle_connections(grant.limits.http_width)
        .max_idle_connections_per_host(grant.limits.http_width)
        .tls_config(tls.build())
        .build();
    let resolver = Shared(judge.clone());
    match &network.script {
        Some(script) => Agent::with_parts(config, Scripted(script.clone()), resolver),
        None => Agent::with_parts(config, DefaultConnector::new(), resolver),
    }
}
