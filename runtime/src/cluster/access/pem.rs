//! The certificates and keys that a kubeconfig has or names, in PEM. Errors are parts of sentences
//! that name the field, and the file.

use std::fs;
use std::sync::Arc;

use base64::Engine;
use kube::config::{AuthInfo, Cluster};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};
use serde_json::Value;

/// Something in PEM: where it is from, and its bytes.
struct Material {
    from: String,
    bytes: Vec<u8>,
}

impl Material {
    /// A field's base64, else the file that it names, as for client-go.
    fn of(field: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<Self>, String> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let from = format!("the {field}-data of the kubeconfig");
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data)
                .map_err(|why| format!("{from} is no base64: {why}"))?;
            return Ok(Some(Self { from, bytes }));
        }
        let Some(file) = file.filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let from = format!("the {field} {file}, which the kubeconfig names,");
        let bytes = fs::read(file).map_err(|why| format!("{from} can't be read: {why}"))?;
        Ok(Some(Self { from, bytes }))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let found = found.map_err(|why| format!("{} can't be read: {why}", self.from))?;
        if found.is_empty() {
            return Err(format!(
                "{} has no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----",
                self.from
            ));
        }
        Ok(found)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        if String::from_utf8_lossy(&self.bytes).contains("ENCRYPTED") {
            return Err(format!(
                "{} is locked by a passphrase: give a key that is not",
                self.from
            ));
        }
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| {
            format!(
                "{} has no private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----",
                self.from
            )
        })
    }
}

/// Checks the authorities of a cluster, where it has some.
pub(super) fn check_authorities(cluster: &Cluster) -> Result<(), String> {
    let (data, file) = (
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
    );
    Material::of("certificate-authority", data, file)?
        .map_or(Ok(()), |authorities| authorities.certificates().map(|_| ()))
}

/// The certificate of a client and its key, where a user has them. Unlike rustls' own way it takes
/// certificates of X.509 version 1, which openssl makes where nobody asks for another, and which
/// API servers take.
pub(super) fn client(user: &AuthInfo) -> Result<Option<Arc<SingleCertAndKey>>, String> {
    let plain = serde_json::to_value(user).unwrap_or_default();
    let text = |key: &str| plain.get(key).and_then(Value::as_str);
    let of = |field: &str| Material::of(field, text(&format!("{field}-data")), text(field));
    let Some(certificate) = of("client-certificate")? else {
        return Ok(None);
    };
    let key = of("client-key")?
        .ok_or("the kubeconfig's user has a client-certificate, and no client-key")?;
    let (chain, private) = (certificate.certificates()?, key.key()?);
    let signing = rustls::crypto::ring::sign::any_supported_type(&private)
        .map_err(|_| format!("{} is of a kind that this program does not have: RSA, ECDSA on P-256 and P-384, and Ed25519 it has", key.from))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(format!(
            "{} does not belong to {}",
            key.from.trim_end_matches(','),
            certificate.from.trim_end_matches(',')
        )),
        // What can't be compared, the API server judges.
        _ => Ok(Some(Arc::new(SingleCertAndKey::from(pair)))),
    }
}
