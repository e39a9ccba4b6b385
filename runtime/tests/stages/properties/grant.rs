//! Grants, and what sinks ask for.

use kubedl_events::sink::grant::{Document, wish};
use kubedl_events::sink::{Description, Digest, EnvVar};
use proptest::collection::vec;
use proptest::prelude::*;

/// What a sink may say: anything, and what tries to leave a comment or a quoted text.
fn said() -> impl Strategy<Value = String> {
    let sly = prop::sample::select(vec![
        "null",
        "true",
        "no",
        "y",
        "~",
        "a\nhttp: ['*']",
        "x\u{2028}env: {}",
        "\u{85}http: []",
        "# -",
        "*.example.com",
        "https://${A}.example.com",
        "\"}",
        "https://example.com",
        "A",
        "B_1",
        "KUBERNETES_X",
        "\u{1b}[2J",
    ]);
    prop_oneof![
        sly.prop_map(str::to_owned),
        any::<String>(),
        "[A-Za-z_][A-Za-z0-9_]{0,8}",
        r"https://[a-z.*]{1,12}"
    ]
}

fn description() -> impl Strategy<Value = Description> {
    let variable = (said(), said(), any::<bool>(), any::<bool>()).prop_map(
        |(name, help, required, secret)| EnvVar {
            name,
            help,
            required,
            secret,
        },
    );
    (
        said(),
        said(),
        said(),
        vec(variable, 0..5),
        vec(said(), 0..5),
    )
        .prop_map(|(name, version, summary, env, hosts)| Description {
            name,
            version,
            summary,
            env,
            hosts,
            batch_events: 0,
            batch_bytes: 0,
        })
}

proptest! {
    #[test]
    fn any_text_is_a_grant_or_an_error(text in any::<String>(), key in "env|http|limits|stdout|sha256", value in any::<String>()) {
        let _ = Document::parse(&text);
        let _ = Document::parse(&format!("{key}: {value}\n"));
    }

    #[test]
    fn what_is_suggested_is_a_grant_of_no_more_than_what_was_asked_for(description in description()) {
        let text = wish::suggest(&description, Digest::of(b""), "sink");
        let grant = Document::parse(&text).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        for name in grant.names() {
            prop_assert!(description.env.iter().any(|variable| variable.name == name), "{name}\n{text}");
        }
        for host in grant.hosts() {
            prop_assert!(description.hosts.iter().any(|asked| asked == host), "{host}\n{text}");
        }
    }
}
