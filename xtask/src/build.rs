//! What is built besides the workspace: sinks and guests for wasm, the API server with Go.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::step;

const WASM: &str = "wasm32-wasip2";

/// Builds the sinks, and puts each with its grant into target/sinks.
pub fn sinks(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("sinks");
    target(root)?;
    let target = root.join("target/sinks");
    fs::create_dir_all(&target)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.join("Cargo.toml").is_file()) else { continue };
        // Only the component: cargo does not optimize across crates for a library that Rust programs may link too.
        let arguments = ["rustc", "--release", "--locked", "--target", WASM, "--package", name, "--lib", "--crate-type", "cdylib"];
        step::cargo(&folder, &format!("building the sink {name}"), &arguments)?;
        let built = folder.join(format!("target/{WASM}/release/{}.wasm", name.replace('-', "_")));
        copy(&built, &target.join(format!("{name}.wasm")))?;
        copy(&path.join(format!("{name}.yaml")), &target.join(format!("{name}.yaml")))?;
    }
    Ok(())
}

/// Builds the guests of tests.
pub fn guests(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("testkit/guests");
    target(root)?;
    step::cargo(&folder, "building the guests of tests", &["build", "--release", "--locked", "--target", WASM])?;
    fs::create_dir_all(root.join("target/testkit"))?;
    ["probe", "faulty"]
        .iter()
        .try_for_each(|name| copy(&folder.join(format!("target/{WASM}/release/{name}.wasm")), &root.join(format!("target/testkit/{name}.wasm"))))
}

/// rust-toolchain.toml names the target, but rustup does not add it by itself to a toolchain that is already there.
fn target(root: &Path) -> anyhow::Result<()> {
    let Ok(listed) = Command::new("rustup").current_dir(root).args(["target", "list", "--installed"]).output() else { return Ok(()) };
    if String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.trim() == WASM) {
        return Ok(());
    }
    step::quiet(Command::new("rustup").current_dir(root).args(["target", "add", WASM]), "adding the Rust target wasm32-wasip2")
}

/// Whether Go is there.
pub fn has_go() -> bool {
    Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
}

/// Builds the API server.
pub fn apiserver(root: &Path) -> anyhow::Result<()> {
    let version = "k8s.io/component-base/version";
    let flags = format!("-s -w -X {version}.gitVersion=v1.37.2 -X {version}.gitMajor=1 -X {version}.gitMinor=37");
    of_kubernetes(root, "kube-test-apiserver", ".", "building the real API server (about 6 minutes the first time)", &flags)
}

/// Builds the API server, its generator of load and the kubelet's writer of volumes.
pub fn kubernetes(root: &Path) -> anyhow::Result<()> {
    apiserver(root)?;
    of_kubernetes(root, "loadgen", "./loadgen", "building the generator of load", "-s -w")?;
    of_kubernetes(root, "atomicwriter", "./atomicwriter", "building the writer of volumes", "-s -w")
}

/// Builds a program of the API server's Go module, unless it is built from the same sources already: to ask Go that takes seconds.
fn of_kubernetes(root: &Path, name: &str, package: &str, what: &str, flags: &str) -> anyhow::Result<()> {
    let folder = root.join("testkit/apiserver");
    let target = root.join("target/testkit");
    fs::create_dir_all(&target)?;
    if !has_go() {
        bail!("the real API server of the tests is built with Go, which is not on this machine: install Go 1.26 or newer");
    }
    let mut hasher = DefaultHasher::new();
    for file in ["go.mod", "go.sum", &format!("{package}/main.go")] {
        fs::read(folder.join(file)).with_context(|| format!("testkit/apiserver/{file}"))?.hash(&mut hasher);
    }
    flags.hash(&mut hasher);
    let stamp = target.join(format!("{name}.stamp"));
    let wanted = format!("{:016x}", hasher.finish());
    if target.join(name).is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    go(&folder, &target, what, flags, name, package)?;
    Ok(fs::write(stamp, wanted)?)
}

/// Without debug information, which `-s -w` leaves out of the program but not out of the work.
fn go(folder: &Path, target: &Path, what: &str, flags: &str, name: &str, package: &str) -> anyhow::Result<()> {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", flags, "-o"])
        .arg(target.join(name))
        .arg(package);
    step::quiet(&mut command, what)
}

/// Builds the reader that is KubeDL's, with the vendor's own client library.
pub fn reader(root: &Path) -> anyhow::Result<()> {
    let target = root.join("target/testkit");
    fs::create_dir_all(&target)?;
    go(&root.join("testkit/sls-sdk-check/kubedl-read"), &target, "building KubeDL's reader of SLS", "-s -w", "kubedl-read", ".")
}

/// Copies a file where it differs, so that a running program's file isn't touched without need.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = fs::read(from).with_context(|| format!("{} is missing", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new).with_context(|| format!("cannot write {}", to.display()))
}
