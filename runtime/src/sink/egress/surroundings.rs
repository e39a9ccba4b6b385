//! What holds for all sinks of a service, whatever they are granted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::LookUp;

/// Places that no sink may reach, and how names are looked up.
#[derive(Clone)]
pub(in crate::sink) struct Surroundings {
    /// Names and ports that no sink may reach: the API server's.
    pub(in crate::sink) refused_names: Vec<(String, u16)>,
    /// Addresses and ports that no sink may reach: the API server's.
    pub(in crate::sink) refused_addresses: Vec<SocketAddr>,
    /// Resolves names.
    pub(in crate::sink) look_up: LookUp,
    /// Host and port of the operator's own way out, such as a proxy: it may be anywhere.
    pub(in crate::sink) way_out: Option<(String, u16)>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("refused", &(&self.refused_names, &self.refused_addresses))
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Whether a host is the operator's own way out.
    pub(super) fn is_way_out(&self, host: &str, port: u16) -> bool {
        self.way_out
            .as_ref()
            .is_some_and(|(name, at)| name.eq_ignore_ascii_case(host) && *at == port)
    }

    pub(super) fn refuses_name(&self, host: &str, port: u16) -> bool {
        self.refused_names
            .iter()
            .any(|(name, at)| name.eq_ignore_ascii_case(host) && *at == port)
    }

    /// An API server on this machine may listen at each of its loopback addresses, whichever of
    /// them the kubeconfig names.
    pub(super) fn refuses_address(&self, address: IpAddr, port: u16) -> bool {
        let local = |refused: &SocketAddr| refused.ip().is_loopback() && refused.port() == port;
        self.refused_addresses
            .contains(&SocketAddr::new(address, port))
            || (address.is_loopback() && self.refused_addresses.iter().any(local))
    }
}
