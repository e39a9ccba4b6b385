//! Whether a server is whom it says to be.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Believes certificates of given authorities, as rustls does; and a certificate that is itself one
/// of those given, with `CA:TRUE` as openssl makes them or issued by an authority that is not
/// given, which rustls alone would refuse and Go's and other libraries take. Names and dates have
/// to fit in any case.
#[derive(Debug)]
pub struct Trust {
    given: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// With authorities as DER.
    ///
    /// # Errors
    /// With words, where one of them is no certificate, or there is none.
    pub fn new(authorities: &[Vec<u8>]) -> Result<Self, String> {
        let given: Vec<CertificateDer<'static>> = authorities
            .iter()
            .map(|der| CertificateDer::from(der.clone()))
            .collect();
        let mut roots = RootCertStore::empty();
        for (place, certificate) in given.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|why| {
                format!(
                    "certificate {} of the authorities can't be used: {why}",
                    place + 1
                )
            })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self {
            given,
            chains: chains.map_err(|_| "there is no certificate of an authority".to_owned())?,
        })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        ) {
            // Dates were looked at before, names were not.
            Err(rustls::Error::InvalidCertificate(why))
                if is_about_issuer(&why) && self.given.iter().any(|given| given == end_entity) =>
            {
                rustls::client::verify_server_name(
                    &ParsedCertificate::try_from(end_entity)?,
                    server_name,
                )?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether only who issued it is against a certificate: of one that is given itself, that doesn't
/// matter, as in Go's `x509.Certificate.Verify`.
fn is_about_issuer(why: &CertificateError) -> bool {
    is_authority(why)
        || matches!(
            why,
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        )
}

/// webpki's `CaUsedAsEndEntity`, which rustls passes on without a name of its own.
fn is_authority(why: &CertificateError) -> bool {
    matches!(why, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

/// What TLS stumbled on, in words that follow on the server's name: `shows a certificate that ...`.
pub fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => format!("shows a certificate that {}", certificate_words(why)),
        rustls::Error::NoCertificatesPresented => "shows no certificate".to_owned(),
        rustls::Error::InvalidMessage(_) => "does not speak TLS: is it http:// and not https://, or another port?".to_owned(),
        rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure) => "ended the handshake of TLS (HandshakeFailure): its key may be of a kind \
            that this program does not take, such as ECDSA on P-521 (P-256, P-384, Ed25519 and RSA it takes), or it may want another certificate of the client"
            .to_owned(),
        rustls::Error::AlertReceived(alert) => format!("ended the handshake of TLS ({alert:?}): it may want another certificate of the client"),
        rustls::Error::PeerIncompatible(why) => format!("speaks no TLS that this program speaks, 1.2 and 1.3 ({why:?})"),
        error => format!("can't be talked to by TLS: {error}"),
    }
}

fn certificate_words(why: &CertificateError) -> String {
    let date = |time: &UnixTime| {
        Timestamp::from_second(time.as_secs().try_into().unwrap_or(i64::MAX))
            .map_or_else(|_| String::new(), |at| at.to_string())
    };
    match why {
        CertificateError::ExpiredContext { not_after, .. } => format!("expired at {}: renew it, or set this machine's clock", date(not_after)),
        CertificateError::Expired => "expired: renew it, or set this machine's clock".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!("is valid from {} on, not yet: set the clocks", date(not_before)),
        CertificateError::NotValidYet => "is not valid yet: set the clocks".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("is for another name: {}, not {}", if presented.is_empty() { "none".to_owned() } else { presented.join(", ") }, expected.to_str())
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        CertificateError::UnknownIssuer => "is of an unknown authority, none of those that are given: give the authority that issued it".to_owned(),
        CertificateError::BadSignature => "is not signed by the authority that it names: give the authority that issued it".to_owned(),
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::BadEncoding => "can't be read".to_owned(),
        why if is_authority(why) => {
            "is an authority's own (CA:TRUE): give this very certificate as the authority, or make one for the server with CA:FALSE".to_owned()
        }
        CertificateError::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            "is of X.509 version 1, which has no names of servers: make one of version 3, with subjectAltName".to_owned()
        }
        why => format!("can't be used: {why}"),
    }
}
