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

impl Count {
    /// Adds what a line of a test's output says.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let number = |word: &str| {
            result
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.passed += number("passed");
        self.failed += number("failed");
        self.ignored += number("ignored");
    }
}

/// Builds and runs.
pub fn run(root: &Path, languages: bool, cluster: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    build(root)?;
    // By the program that the tests have: another build of it would have other features, and take
    // minutes.
    templates::build(root, &templates::ALWAYS)?;
    if languages {
        templates::build(root, &templates::ON_DEMAND)?;
    }
    test_sdks(root, languages)?;
    check_crates(root)?;
    let mut count = Count::default();
    let threads = threads();
    let all = ["--workspace", "--", "--test-threads", &threads];
    tests(root, "the workspace", &all, &mut count)?;
    if languages {
        // Of the whole workspace: another choice of packages has other features, and is built anew.
        let ignored = [
            "--workspace",
            "--test",
            "program",
            "--",
            "--ignored",
            "templates::",
        ];
        tests(
            root,
            "sinks in Go, Python and TypeScript",
            &ignored,
            &mut count,
        )?;
    }
    tests(
        &root.join("sinks"),
        "the sinks",
        &["--workspace"],
        &mut count,
    )?;
    tests(&root.join("sdk/rust"), "the Rust SDK", &[], &mut count)?;
    if cluster {
        on_a_node(root, &mut count)?;
    }
    println!("showing the main job");
    crate::show(root, false, Instant::now())?;
    println!("everything took {:.0} s", began.elapsed().as_secs_f64());
    println!(
        "{} passed, {} failed, {} skipped",
        count.passed, count.failed, count.ignored
    );
    if count.failed > 0 || count.passed == 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

/// The SDKs that have tests in their own language.
fn test_sdks(root: &Path, languages: bool) -> anyhow::Result<()> {
    own_tests(root, "javascript", "npm", &["test"])?;
    own_tests(root, "c", "make", &["test"])?;
    if languages {
        own_tests(root, "go", "go", &["test", "./..."])?;
        let discover = ["-m", "unittest", "discover", "-s", "tests", "-t", "."];
        own_tests(root, "python", "python3", &discover)?;
    }
    Ok(())
}

/// What looks at metrics and crates, where it is installed.
fn check_crates(root: &Path) -> anyhow::Result<()> {
    if Command::new("promtool").arg("--version").output().is_err() {
        println!(
            "promtool is not here, so metrics and alert rules are not tried by it: CONTRIBUTING.md says how to get it"
        );
    }
    if Command::new("cargo-deny")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        // Advisories need a database from outside, which a machine without a network does not have:
        // those who release look at them.
        step::cargo(
            root,
            "checking licences, sources and bans of crates",
            &["deny", "check", "bans", "licenses", "sources"],
        )?;
    } else {
        println!(
            "cargo-deny is not here, so licences and sources of crates are not checked: CONTRIBUTING.md says how to get it"
        );
    }
    Ok(())
}

/// Sinks and guests first, since the tests of the workspace take them in; then what is made with Go
/// beside what is made with Rust: each leaves a core idle now and then.
fn build(root: &Path) -> anyhow::Result<()> {
    build::sinks(root)?;
    build::guests(root)?;
    std::thread::scope(|scope| {
        let with_go = scope.spawn(|| {
            [build::kubernetes, build::operators, build::reader]
                .iter()
                .try_for_each(|step| step(root))
        });
        let with_rust = lint(root).and_then(|()| {
            step::cargo(
                root,
                "building the workspace and its tests",
                &["test", "--workspace", "--locked", "--no-run"],
            )
        });
        with_go
            .join()
            .unwrap_or_else(|_| bail!("building with Go broke off"))
            .and(with_rust)
    })
}

fn lint(root: &Path) -> anyhow::Result<()> {
    let folders = [
        (root.to_owned(), "the workspace"),
        (root.join("sinks"), "the sinks"),
        (root.join("sdk/rust"), "the Rust SDK"),
    ];
    for (folder, what) in &folders {
        step::cargo(
            folder,
            &format!("checking the format of {what}"),
            &["fmt", "--all", "--check"],
        )?;
    }
    folders.iter().try_for_each(|(folder, what)| {
        step::cargo(
            folder,
            &format!("linting {what}"),
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        )
    })
}

/// So many tests of a program run side by side: most of them wait for what they have started.
fn threads() -> String {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (cores * 2).max(4).to_string()
}

/// The image, and what runs on a real node: each test starts one.
fn on_a_node(root: &Path, count: &mut Count) -> anyhow::Result<()> {
    if Command::new("podman").arg("--version").output().is_err() {
        bail!(
            "the tests of the image start it with podman, which is missing: apt-get install -y --no-install-recommends podman"
        );
    }
    image::run(root, &[image::Arch::ours()], &root.join("target/image"))?;
    cluster::prepare(root)?;
    let ignored = [
        "--workspace",
        "--test",
        "node",
        "--test",
        "documented",
        "--",
        "--ignored",
        "--test-threads",
        "1",
        "--nocapture",
    ];
    tests(
        root,
        "the image, and the life of an installation on a node",
        &ignored,
        count,
    )
}

/// Runs an SDK's tests in its own language.
fn own_tests(root: &Path, sdk: &str, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    step::quiet(
        Command::new(program)
            .args(arguments)
            .current_dir(root.join("sdk").join(sdk)),
        &format!("testing the SDK for {sdk}"),
    )
}

/// Runs cargo test, shows its output, and counts its results.
fn tests(folder: &Path, what: &str, arguments: &[&str], count: &mut Count) -> anyhow::Result<()> {
    println!("testing {what}");
    let mut command = Command::new(step::cargo_program());
    command
        .current_dir(folder)
        .args(["test", "--locked", "--no-fail-fast"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo test")?;
    let before = count.failed;
    let stdout = child.stdout.take().context("no stdout")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        count.add(&line);
    }
    if !child.wait()?.success() && count.failed == before {
        // A test that could not be built, or that took the runner down.
        count.failed += 1;
    }
    Ok(())
}
