//! What a sink shows to its destination in place of a name: a client certificate that the guest
//! never sees.

use std::fmt;

use ureq::tls::{ClientCert, PemItem, PrivateKey, parse_pem};

use super::network::certificates;

/// A certificate with its chain, and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Fails when there is no certificate, no key, or when they don't belong together.
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self, String> {
        let identity = Self { certificate, key };
        let ready = identity.ready()?;
        let chain = ready
            .certs()
            .iter()
            .map(|certificate| certificate.der().to_vec().into())
            .collect();
        let key = rustls::pki_types::PrivateKeyDer::try_from(ready.private_key().der().to_vec())?;
        let provider = rustls::crypto::ring::default_provider();
        rustls::sign::CertifiedKey::from_der(chain, key, &provider)
            .map_err(|why| format!("the key does not fit the certificate: {why}"))?;
        Ok(identity)
    }

    /// As the library takes it.
    pub(super) fn ready(&self) -> Result<ClientCert, String> {
        let chain = certificates(&self.certificate)?;
        let key = parse_pem(&self.key).find_map(|item| {
            if let Ok(PemItem::PrivateKey(key)) = item {
                Some(key)
            } else {
                None
            }
        });
        let key: PrivateKey<'static> =
            key.ok_or("there is no private key in it: it must be PEM, with BEGIN PRIVATE KEY")?;
        Ok(ClientCert::new_with_certs(&chain, key))
    }
}
