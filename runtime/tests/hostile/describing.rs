//! What a sink can say of itself.

use std::path::Path;

use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Error};

use crate::guest::Guest;

async fn describe(guest: &Guest) -> Result<Blueprint, Error> {
    let engine = Engine::new(Compiler::Here, None).unwrap();
    Blueprint::load(
        &engine,
        &Artifact::new(Path::new("guest.wasm"), guest.component()),
    )
    .await
}

/// A description whose name is this text; see the layout of `description` in the canonical ABI:
/// name, version, summary, env, hosts, ...
fn named(text: &str) -> Guest {
    let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let more = format!(
        "(data (i32.const 4096) \"{bytes}\") (data (i32.const 1024) \"\\00\\10\\00\\00\\{:02x}\\00\\00\\00\")",
        text.len()
    );
    Guest {
        more,
        ..Guest::default()
    }
}

/// Tries: to write over a person's terminal by escape sequences in its name, or to turn the
/// direction of the text around
/// Ends: control and direction characters are taken out before anything is shown
#[tokio::test]
async fn escape_sequences_in_a_description_are_taken_out() {
    let blueprint = describe(&named("a\u{1b}[2J\u{202e}b\r\nc\u{9b}d\u{2066}e"))
        .await
        .unwrap();
    let name = &blueprint.description().name;
    assert!(name.starts_with('a') && name.ends_with('e'), "{name:?}");
    assert!(
        !name.chars().any(|c| c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)),
        "{name:?}"
    );
}

/// Tries: to describe itself with a million variables that share one long text
/// Ends: it is refused: a description has an allowance of bytes
#[tokio::test]
async fn a_bomb_of_a_description_is_refused() {
    // The list `env`, whose elements have 20 bytes: each name is the same 64 KiB.
    let describe_bomb = "(local $i i32) \
        (loop $l \
          (i32.store (i32.add (i32.const 196608) (i32.mul (local.get $i) (i32.const 20))) (i32.const 131072)) \
          (i32.store (i32.add (i32.const 196612) (i32.mul (local.get $i) (i32.const 20))) (i32.const 65536)) \
          (local.set $i (i32.add (local.get $i) (i32.const 1))) \
          (br_if $l (i32.lt_u (local.get $i) (i32.const 40000)))) \
        (i32.store (i32.const 1048) (i32.const 196608)) (i32.store (i32.const 1052) (i32.const 40000)) i32.const 1024";
    let why = describe(&Guest {
        describe: describe_bomb,
        ..Guest::default()
    })
    .await
    .err()
    .unwrap()
    .to_string();
    assert!(why.contains("describe itself"), "{why}");
}

/// Tries: to fill the log with the long names of variables that it requires and was not granted
/// Ends: ten of them are named, and none with more than a hundred characters
#[tokio::test]
async fn long_names_that_it_requires_are_cut() {
    // Elements of 20 bytes: each name is the same 1,100 bytes, and required.
    let describe_many = "(local $i i32) \
        (loop $l \
          (i32.store (i32.add (i32.const 196608) (i32.mul (local.get $i) (i32.const 20))) (i32.const 131072)) \
          (i32.store (i32.add (i32.const 196612) (i32.mul (local.get $i) (i32.const 20))) (i32.const 1100)) \
          (i32.store8 (i32.add (i32.const 196624) (i32.mul (local.get $i) (i32.const 20))) (i32.const 1)) \
          (local.set $i (i32.add (local.get $i) (i32.const 1))) \
          (br_if $l (i32.lt_u (local.get $i) (i32.const 150)))) \
        (i32.store (i32.const 1048) (i32.const 196608)) (i32.store (i32.const 1052) (i32.const 150)) i32.const 1024";
    let more = format!("(data (i32.const 131072) \"{}\")", "A".repeat(1_100));
    let blueprint = describe(&Guest {
        describe: describe_many,
        more,
        ..Guest::default()
    })
    .await
    .unwrap();
    let why = kubedl_events::sink::Version::new(
        "x",
        blueprint,
        kubedl_events::sink::grant::Grant::default(),
    )
    .err()
    .unwrap()
    .to_string();
    assert!(
        why.contains("and 140 more") && why.chars().count() < 4_500,
        "{} characters: {why}",
        why.chars().count()
    );
}

/// Tries: to read the environment or to send a request while it describes itself
/// Ends: there is neither: `describe` runs with nothing granted, also in `sink inspect`
#[test]
fn nothing_is_granted_while_it_describes_itself() {
    let program = env!("CARGO_BIN_EXE_kubedl-events");
    let output = std::process::Command::new(program)
        .args(["sink", "inspect"])
        .arg(crate::probe())
        .env("SLS_KEY_SECRET", "the-secret")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{err}");
    assert!(
        out.contains("probe") && !out.contains("the-secret") && !err.contains("the-secret"),
        "{out}{err}"
    );
    assert!(
        out.contains("saw 0 variables"),
        "the probe says in its summary how many variables it saw: {out}"
    );
}
