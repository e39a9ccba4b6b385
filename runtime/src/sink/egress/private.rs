//! Which private addresses are granted. Pure.

use std::net::IpAddr;

use crate::cluster::Subnet;

/// Which private addresses a sink's destinations may have, whatever their names are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Private {
    /// None: only hosts that are addresses, and names that can be the cluster's own alone, may have
    /// some.
    #[default]
    None,
    /// All.
    All,
    /// Those in these networks.
    Networks(Vec<Subnet>),
}

impl Private {
    /// Whether an address is one of them.
    pub fn admits(&self, address: IpAddr) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(address)),
        }
    }
}
