//! Does anything foreign make the program panic, hang, or break its word? Inputs are changed at
//! random from those that are known, and kept where they have an effect that none had before.
//! `cargo xtask fuzz [TARGET]` runs each target for a minute; a part of that runs with all other
//! tests. `FUZZ_SEED` repeats a run.

mod corpus;
mod mutation;
mod targets;

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mutation::{Random, mutated};

/// How long a target is tried where nobody says.
const SECONDS: u64 = 3;
/// One input takes so long at most, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Inputs of a target that are kept, and their length.
const MOST: usize = 2_000;
const LONGEST: usize = 64 << 10;

/// Takes an input, panics where a promise is broken, and gives a word for what came of it.
type Target = fn(&[u8]) -> String;

/// The kind of an outcome: without numbers and quoted parts, which differ each time.
fn kind(outcome: &str) -> String {
    let mut quoted = false;
    let plain = |c: &char| {
        quoted ^= *c == '"' || *c == '`';
        !quoted && !c.is_ascii_digit()
    };
    outcome.chars().filter(plain).take(120).collect()
}

/// Where an input lies that broke something.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    let sum = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{name}-{sum:016x}"));
    std::fs::write(&path, input).unwrap();
    path
}

fn fuzz(name: &str, target: Target, seeds: Vec<Vec<u8>>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seconds, seed) = (
        number("FUZZ_SECONDS").unwrap_or(SECONDS),
        number("FUZZ_SEED").unwrap_or(1),
    );
    let (mut random, mut inputs, mut known) = (Random::new(seed), seeds, HashSet::new());
    let (until, mut tried, mut kinds) = (
        Instant::now() + Duration::from_secs(seconds),
        0_u64,
        BTreeMap::<String, u64>::new(),
    );
    let mut at = 0;
    while Instant::now() < until || at < inputs.len().min(200) {
        // First those that are known, as they are.
        let input = if at < inputs.len() {
            inputs[at].clone()
        } else {
            mutated(&inputs, &mut random, LONGEST)
        };
        at += 1;
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input))).unwrap_or_else(|_| {
            panic!(
                "{name}: seed {seed}: an input broke something: it lies in {}",
                keep(name, &input).display()
            );
        });
        assert!(
            began.elapsed() < PATIENCE,
            "{name}: an input took {:?}: it lies in {}",
            began.elapsed(),
            keep(name, &input).display()
        );
        tried += 1;
        let kind = kind(&outcome);
        *kinds.entry(kind.clone()).or_default() += 1;
        if known.insert(kind) && inputs.len() < MOST {
            inputs.push(input);
        }
    }
    println!(
        "{name}: {tried} inputs, {} kinds of outcomes, seed {seed}",
        kinds.len()
    );
    assert!(
        kinds.len() > 1,
        "{name}: all inputs have one outcome, so that nothing was tried: {kinds:?}"
    );
}

#[test]
fn grants() {
    fuzz("grants", targets::grants, corpus::grants());
}

#[test]
fn urls() {
    fuzz("urls", targets::urls, corpus::urls());
}

#[test]
fn outlines() {
    fuzz("outlines", targets::outlines, corpus::components());
}

#[test]
fn components() {
    fuzz("components", targets::components, corpus::components());
}

#[test]
fn generated() {
    fuzz("generated", targets::generated, corpus::noise());
}

#[test]
fn parts() {
    fuzz("parts", targets::parts, corpus::parts());
}

#[test]
fn redactor() {
    fuzz("redactor", targets::redactor, corpus::texts());
}

#[test]
fn events() {
    fuzz("events", targets::events, corpus::events());
}

#[test]
fn recordings() {
    fuzz("recordings", targets::recordings, corpus::recordings());
}

#[test]
fn watch_lines() {
    fuzz("watch_lines", targets::watch_lines, corpus::watch_lines());
}

#[test]
fn selections() {
    fuzz("selections", targets::selections, corpus::selections());
}

#[test]
fn shown_texts() {
    fuzz("shown_texts", targets::shown_texts, corpus::texts());
}
