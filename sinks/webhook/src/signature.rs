//! Headers by which a receiver knows that a request comes from who knows the secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use kubedl_events_sink::Event;
use sha2::{Digest as _, Sha256};

/// Signs requests.
#[derive(Clone)]
pub struct Signer {
    /// What the receiver reads.
    pub form: Form,
    /// Of the HMAC; of any length.
    pub key: Vec<u8>,
}

/// What a receiver reads: `WEBHOOK_SIGNATURE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As Standard Webhooks 1.0.0 has it: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// As GitHub has it: `X-Hub-Signature-256`.
    GitHub,
}

impl Signer {
    /// The headers of a request about these events; `now` is in seconds since 1970.
    pub fn headers(&self, events: &[Event], now: u64, body: &[u8]) -> Vec<(String, String)> {
        let headers = match self.form {
            Form::Standard => {
                let id = message_id(events);
                let signature = self.standard_signature(&id, now, body);
                vec![
                    ("webhook-id", id),
                    ("webhook-timestamp", now.to_string()),
                    ("webhook-signature", signature),
                ]
            }
            Form::GitHub => vec![("x-hub-signature-256", self.github_signature(body))],
        };
        headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The value of `webhook-signature`.
    pub fn standard_signature(&self, id: &str, now: u64, body: &[u8]) -> String {
        format!(
            "v1,{}",
            STANDARD.encode(self.mac(&[format!("{id}.{now}.").as_bytes(), body]))
        )
    }

    /// The value of `X-Hub-Signature-256`.
    pub fn github_signature(&self, body: &[u8]) -> String {
        format!("sha256={}", hex(&self.mac(&[body])))
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return Vec::new();
        };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The same for the same events at each try, so that a receiver can tell a repetition; without a
/// dot, which would end it in what is signed.
fn message_id(events: &[Event]) -> String {
    let mut digest = Sha256::new();
    for event in events {
        digest.update(format!("{}/{}\n", event.uid, event.resource_version));
    }
    let digits: String = hex(&digest.finalize()).chars().take(32).collect();
    format!("msg_{digits}")
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
