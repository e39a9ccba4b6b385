//! What is built besides the workspace: sinks and guests for wasm, the API server with Go.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::step;

const WASM: &str = "wasm32-wasip2";

/// Builds the sinks, and puts each with its grant into target/sinks.
pub fn sinks(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("sinks");
    target(root, WASM)?;
    let (target, cargos) = (root.join("target/sinks"), step::target(&folder)?);
    fs::create_dir_all(&target)?;
    let plain = without_paths(root, WASM)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| path.join(format!("{name}.yaml")).is_file())
        else {
            continue;
        };
        // Only the component: cargo does not optimize across crates for a library that Rust
        // programs may link too.
        let arguments = [
            "rustc",
            "--release",
            "--locked",
            "--target",
            WASM,
            "--package",
            name,
            "--lib",
            "--crate-type",
            "cdylib",
        ];
        let arguments: Vec<&str> = arguments
            .into_iter()
            .chain(plain.iter().map(String::as_str))
            .collect();
        step::cargo(&folder, &format!("building the sink {name}"), &arguments)?;
        let built = cargos.join(format!("{WASM}/release/{}.wasm", name.replace('-', "_")));
        copy(&built, &target.join(format!("{name}.wasm")))?;
        copy(
            &path.join(format!("{name}.yaml")),
            &target.join(format!("{name}.yaml")),
        )?;
    }
    Ok(())
}

/// Flags of cargo for a target, with which what is built has neither this folder's path in it nor
/// that of cargo's own: so that it is the same elsewhere.
pub fn without_paths(root: &Path, target: &str) -> anyhow::Result<[String; 2]> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or(home)
        .context("neither CARGO_HOME nor HOME is set")?;
    let places = [(root.canonicalize()?, "/kubedl-events"), (cargo, "/cargo")];
    let flags: Vec<String> = places
        .iter()
        .map(|(from, to)| {
            format!(
                "{:?}",
                format!("--remap-path-prefix={}={to}", from.display())
            )
        })
        .collect();
    Ok([
        "--config".to_owned(),
        format!("target.{target}.rustflags=[{}]", flags.join(",")),
    ])
}

/// Builds the guests of tests.
pub fn guests(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("testkit/guests");
    target(root, WASM)?;
    step::cargo(
        &folder,
        "building the guests of tests",
        &["build", "--release", "--locked", "--target", WASM],
    )?;
    fs::create_dir_all(root.join("target/testkit"))?;
    let cargos = step::target(&folder)?;
    ["probe", "faulty"].iter().try_for_each(|name| {
        copy(
            &cargos.join(format!("{WASM}/release/{name}.wasm")),
            &root.join(format!("target/testkit/{name}.wasm")),
        )
    })
}

/// Adds a target to the toolchain: rustup does not do so by itself where rust-toolchain.toml names
/// one, and the toolchain is already there.
pub fn target(root: &Path, name: &str) -> anyhow::Result<()> {
    let Ok(listed) = Command::new("rustup")
        .current_dir(root)
        .args(["target", "list", "--installed"])
        .output()
    else {
        return Ok(());
    };
    if String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|line| line.trim() == name)
    {
        return Ok(());
    }
    step::quiet(
        Command::new("rustup")
            .current_dir(root)
            .args(["target", "add", name]),
        &format!("adding the Rust target {name}"),
    )
}

/// Whether Go is there.
pub fn has_go() -> bool {
    Command::new("go")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Programs of Kubernetes say this version.
fn kubernetes_flags() -> String {
    let version = "k8s.io/component-base/version";
    format!(
        "-s -w -X {version}.gitVersion=v1.37.2 -X {version}.gitMajor=1 -X {version}.gitMinor=37"
    )
}

/// Builds the API server.
pub fn apiserver(root: &Path) -> anyhow::Result<()> {
    of_kubernetes(
        root,
        "kube-test-apiserver",
        ".",
        "building the real API server (about 6 minutes the first time)",
        &kubernetes_flags(),
    )
}

/// Builds the API server, its generator of load and the kubelet's writer of volumes.
pub fn kubernetes(root: &Path) -> anyhow::Result<()> {
    apiserver(root)?;
    of_kubernetes(
        root,
        "loadgen",
        "./loadgen",
        "building the generator of load",
        "-s -w",
    )?;
    of_kubernetes(
        root,
        "atomicwriter",
        "./atomicwriter",
        "building the writer of volumes",
        "-s -w",
    )
}

/// Builds kubectl, which has kustomize in it. After the API server: they share most packages.
pub fn kubectl(root: &Path) -> anyhow::Result<()> {
    of_kubernetes(
        root,
        "kubectl",
        "k8s.io/kubernetes/cmd/kubectl",
        "building kubectl (a minute the first time)",
        &kubernetes_flags(),
    )
}

/// Builds what a node of Kubernetes runs, and kubectl.
pub fn node(root: &Path) -> anyhow::Result<()> {
    apiserver(root)?;
    kubectl(root)?;
    helm(root)?;
    [
        "kubelet",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
    ]
    .iter()
    .try_for_each(|name| {
        let package = format!("k8s.io/kubernetes/cmd/{name}");
        of_kubernetes(
            root,
            name,
            &package,
            &format!("building {name} (minutes the first time)"),
            &kubernetes_flags(),
        )
    })
}

fn helm(root: &Path) -> anyhow::Result<()> {
    of_kubernetes(
        root,
        "helm",
        "helm.sh/helm/v4/cmd/helm",
        "building helm",
        "-s -w",
    )
}

/// Builds what an operator installs with, and gets the custom resource that the manifests have
/// beside Kubernetes' own.
pub fn operators(root: &Path) -> anyhow::Result<()> {
    kubectl(root)?;
    helm(root)?;
    pod_monitors(root)
}

/// The Prometheus operator's definition of PodMonitor, from its Go module, whose checksum Go
/// compares.
fn pod_monitors(root: &Path) -> anyhow::Result<()> {
    const MODULE: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
    let (file, stamp) = (
        root.join("target/testkit/podmonitors.yaml"),
        root.join("target/testkit/podmonitors.stamp"),
    );
    if file.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == MODULE) {
        return Ok(());
    }
    let mut go = Command::new("go");
    step::quiet(
        go.current_dir(root).args(["mod", "download", MODULE]),
        "getting the definition of PodMonitor",
    )?;
    let cache = Command::new("go")
        .args(["env", "GOMODCACHE"])
        .output()
        .context("cannot run go env")?;
    let module = Path::new(String::from_utf8_lossy(&cache.stdout).trim()).join(MODULE);
    copy(
        &module.join("example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
        &file,
    )?;
    Ok(fs::write(stamp, MODULE)?)
}

/// Builds a program with the API server's Go module, unless it is built from the same sources
/// already: to ask Go that takes seconds.
fn of_kubernetes(
    root: &Path,
    name: &str,
    package: &str,
    what: &str,
    flags: &str,
) -> anyhow::Result<()> {
    let folder = root.join("testkit/apiserver");
    let target = root.join("target/testkit");
    fs::create_dir_all(&target)?;
    if !has_go() {
        bail!(
            "{name}, which tests start, is built with Go, which is not on this machine: install Go 1.26 or newer"
        );
    }
    let own = package
        .starts_with('.')
        .then(|| format!("{package}/main.go"));
    let mut hasher = DefaultHasher::new();
    for file in ["go.mod", "go.sum"]
        .into_iter()
        .map(str::to_owned)
        .chain(own)
    {
        fs::read(folder.join(&file))
            .with_context(|| format!("testkit/apiserver/{file}"))?
            .hash(&mut hasher);
    }
    flags.hash(&mut hasher);
    let stamp = target.join(format!("{name}.stamp"));
    let wanted = format!("{:016x}", hasher.finish());
    if target.join(name).is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)
    {
        return Ok(());
    }
    go(&folder, &target, what, flags, name, package)?;
    Ok(fs::write(stamp, wanted)?)
}

/// Without debug information, which `-s -w` leaves out of the program but not out of the work.
fn go(
    folder: &Path,
    target: &Path,
    what: &str,
    flags: &str,
    name: &str,
    package: &str,
) -> anyhow::Result<()> {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .args([
            "build",
            "-trimpath",
            "-gcflags=all=-dwarf=false",
            "-ldflags",
            flags,
            "-o",
        ])
        .arg(target.join(name))
        .arg(package);
    step::quiet(&mut command, what)
}

/// Builds the reader that is KubeDL's, with the vendor's own client library.
pub fn reader(root: &Path) -> anyhow::Result<()> {
    let target = root.join("target/testkit");
    fs::create_dir_all(&target)?;
    go(
        &root.join("testkit/sls-sdk-check/kubedl-read"),
        &target,
        "building KubeDL's reader of SLS",
        "-s -w",
        "kubedl-read",
        ".",
    )
}

/// Copies a file where it differs, so that a running program's file isn't touched without need.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = fs::read(from).with_context(|| format!("{} is missing", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new).with_context(|| format!("cannot write {}", to.display()))
}
