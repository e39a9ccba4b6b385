//! Are signatures those that receivers compute?

use crate::fixture::{event, header, save};
use webhook::signature::{Form, Signer};

/// The example of the Standard Webhooks libraries: github.com/standard-webhooks/standard-webhooks,
/// libraries/go/webhook_test.go.
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_example_of_standard_webhooks_is_signed_as_there() {
    let (_, requests) = save(
        &[("WEBHOOK_SECRET", STANDARD_SECRET)],
        &[event("u-1")],
        &[200],
    );
    // From Python: base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").
    let key = b"\x31\xf2\x90\xf6\xbf\x06\x29\x8a\xab\x4f\x08\xd4\x3c\x3f\x08\x2c\xf6\x48\xa3\x62\xda\x2d\xa4\xb0".to_vec();
    let signer = Signer {
        form: Form::Standard,
        key,
    };
    let signature = signer.standard_signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let id = header(&requests[0], "webhook-id").unwrap_or_default();
    assert_eq!(
        header(&requests[0], "webhook-signature"),
        Some(signer.standard_signature(&id, 1_614_265_330, &requests[0].body))
    );
    assert_eq!(
        header(&requests[0], "webhook-timestamp").as_deref(),
        Some("1614265330")
    );
}

#[test]
fn the_example_of_github_is_signed_as_there() {
    // GitHub's documentation, "Validating webhook deliveries"; openssl dgst -sha256 -hmac says the
    // same.
    let signer = Signer {
        form: Form::GitHub,
        key: b"It's a Secret to Everybody".to_vec(),
    };
    assert_eq!(
        signer.github_signature(b"Hello, World!"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
    let (_, requests) = save(
        &[
            ("WEBHOOK_SECRET", "It's a Secret to Everybody"),
            ("WEBHOOK_SIGNATURE", "github"),
        ],
        &[event("u-1")],
        &[200],
    );
    assert_eq!(
        header(&requests[0], "x-hub-signature-256"),
        Some(signer.github_signature(&requests[0].body))
    );
    assert_eq!(header(&requests[0], "webhook-id"), None);
}

#[test]
fn a_message_id_is_of_the_events_and_the_same_at_each_try() {
    let id = |variables: &[(&str, &str)], uids: &[&str]| {
        let events: Vec<_> = uids.iter().map(|uid| event(uid)).collect();
        header(
            &save(
                &[&[("WEBHOOK_SECRET", STANDARD_SECRET)], variables].concat(),
                &events,
                &[200],
            )
            .1[0],
            "webhook-id",
        )
        .unwrap_or_default()
    };
    // printf 'u-1/4711\n' | sha256sum | cut -c-32
    assert_eq!(id(&[], &["u-1"]), "msg_dd7c227d863a1fdd11803141aeb903c3");
    assert_eq!(
        id(&[("WEBHOOK_MODE", "batch")], &["u-1", "u-1"]),
        "msg_636264288895fafe2aae31a0c6292cef"
    );
    assert_ne!(id(&[], &["u-2"]), id(&[], &["u-1"]));
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let (_, requests) = save(&[], &[event("u-1")], &[200]);
    for name in [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-hub-signature-256",
    ] {
        assert_eq!(header(&requests[0], name), None, "{name}");
    }
}

#[test]
fn a_prefix_of_the_one_form_is_part_of_the_secret_in_the_other() {
    let (_, requests) = save(
        &[
            ("WEBHOOK_SECRET", STANDARD_SECRET),
            ("WEBHOOK_SIGNATURE", "github"),
        ],
        &[event("u-1")],
        &[200],
    );
    let signer = Signer {
        form: Form::GitHub,
        key: STANDARD_SECRET.as_bytes().to_vec(),
    };
    assert_eq!(
        header(&requests[0], "x-hub-signature-256"),
        Some(signer.github_signature(&requests[0].body))
    );
}
