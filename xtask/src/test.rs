//! `cargo xtask test`: everything, and one closing line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::{build, cluster, image, step, templates};

#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Builds and runs.
pub fn run(root: &Path, languages: bool, cluster: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    build::sinks(root)?;
    build::guests(root)?;
    build::kubernetes(root)?;
    build::operators(root)?;
    build::reader(root)?;
    step::cargo(root, "checking the format", &["fmt", "--all", "--check"])?;
    step::cargo(&root.join("sinks"), "checking the sinks' format", &["fmt", "--all", "--check"])?;
    step::cargo(&root.join("sdk/rust"), "checking the Rust SDK's format", &["fmt", "--all", "--check"])?;
    for (folder, what) in [(root.to_owned(), "the workspace"), (root.join("sinks"), "the sinks"), (root.join("sdk/rust"), "the Rust SDK")] {
        step::cargo(&folder, &format!("linting {what}"), &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    }
    step::cargo(root, "building the workspace and its tests", &["test", "--workspace", "--locked", "--no-run"])?;
    // By the program that the tests have: another build of it would have other features, and take minutes.
    templates::build(root, &templates::ALWAYS)?;
    if languages {
        templates::build(root, &templates::ON_DEMAND)?;
    }
    for (sdk, program, arguments) in [("javascript", "npm", &["test"][..]), ("c", "make", &["test"])] {
        own_tests(root, sdk, program, arguments)?;
    }
    if languages {
        own_tests(root, "go", "go", &["test", "./..."])?;
        own_tests(root, "python", "python3", &["-m", "unittest", "discover", "-s", "tests", "-t", "."])?;
    }
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("promtool is not here, so metrics and alert rules are not tried by it: CONTRIBUTING.md says how to get it");
    }
    let mut count = Count::default();
    tests(root, "the workspace", &["--workspace"], &mut count)?;
    if languages {
        // Of the whole workspace: another choice of packages has other features, and is built anew.
        let ignored = ["--workspace", "--test", "templates", "--", "--ignored"];
        tests(root, "sinks in Go, Python and TypeScript", &ignored, &mut count)?;
    }
    tests(&root.join("sinks"), "the sinks", &["--workspace"], &mut count)?;
    tests(&root.join("sdk/rust"), "the Rust SDK", &[], &mut count)?;
    if cluster {
        on_a_node(root, &mut count)?;
    }
    println!("everything took {:.0} s", began.elapsed().as_secs_f64());
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.ignored);
    if count.failed > 0 || count.passed == 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

/// The image, and what runs on a real node: each test starts one.
fn on_a_node(root: &Path, count: &mut Count) -> anyhow::Result<()> {
    if Command::new("podman").arg("--version").output().is_err() {
        bail!("the tests of the image start it with podman, which is missing: apt-get install -y --no-install-recommends podman");
    }
    image::run(root, &[image::Arch::ours()], &root.join("target/image"))?;
    cluster::prepare(root)?;
    let ignored = ["--workspace", "--test", "image", "--test", "on_a_node", "--", "--ignored", "--test-threads", "1", "--nocapture"];
    tests(root, "the image, and the life of an installation on a node", &ignored, count)
}

/// Runs an SDK's tests in its own language.
fn own_tests(root: &Path, sdk: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    step::quiet(Command::new(program).args(arguments).current_dir(root.join("sdk").join(sdk)), &format!("testing the SDK for {sdk}"))
}

/// Runs cargo test, shows its output, and counts its results.
fn tests(folder: &Path, what: &str, arguments: &[&str], count: &mut Count) -> anyhow::Result<()> {
    println!("testing {what}");
    let mut command = Command::new(step::cargo_program());
    command.current_dir(folder).args(["test", "--locked", "--no-fail-fast"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo test")?;
    let before = count.failed;
    let stdout = child.stdout.take().context("no stdout")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        let Some(result) = line.strip_prefix("test result: ") else { continue };
        let number = |word: &str| result.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok()).unwrap_or(0);
        count.passed += number("passed");
        count.failed += number("failed");
        count.ignored += number("ignored");
    }
    if !child.wait()?.success() && count.failed == before {
        // A test that could not be built, or that took the runner down.
        count.failed += 1;
    }
    Ok(())
}
