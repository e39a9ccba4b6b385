//! What the operator says about where the cluster is.

use std::path::PathBuf;

/// What the operator says about where the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct Place {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
}
