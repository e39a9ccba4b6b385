//! What a grant says of the sink's side of TLS.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sink::http::Identity;

use super::Error;

/// What destinations see of the sink's side of TLS.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Tls {
    /// Shown to a destination that asks for a certificate.
    pub(super) client_certificate: Option<ClientCertificate>,
}

/// A certificate and its key. The sink never sees them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClientCertificate {
    /// PEM file of the certificate, and of those between it and the authority.
    pub(super) cert: PathBuf,
    /// PEM file of its key.
    pub(super) key: PathBuf,
}

impl ClientCertificate {
    pub(super) fn read(&self) -> Result<Identity, Error> {
        let read = |name: &str, path: &Path| {
            std::fs::read(path).map_err(|why| Error::File {
                name: name.to_owned(),
                path: path.to_owned(),
                why,
            })
        };
        let (cert, key) = (
            read("tls.client-certificate.cert", &self.cert)?,
            read("tls.client-certificate.key", &self.key)?,
        );
        let refused = |why| Error::Malformed {
            path: self.cert.clone(),
            why: format!(
                "it is no client certificate with the key {}: {why}",
                self.key.display()
            ),
        };
        Identity::new(cert, key).map_err(refused)
    }
}
