//! `cargo xtask cluster`: a node of Kubernetes on this machine. `testkit/node/README.md` says what
//! it is.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;
use clap::Subcommand;

use crate::{build, step};

/// What to do with the node.
#[derive(Subcommand)]
pub enum Task {
    /// Build what it runs, and start it
    Up,
    /// End it; the logs stay in target/node
    Down,
    /// Give it images, which are never pulled
    Load {
        /// OCI archives, such as `cargo xtask image` writes
        #[arg(required = true)]
        images: Vec<PathBuf>,
    },
    /// Run a command in its namespaces, such as kubectl get pods -A
    Exec {
        /// The command
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// Programs that it needs, and the Debian packages that have them.
const NEEDS: [(&str, &str); 7] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("buildah", "buildah"),
    ("nsenter", "util-linux"),
];

/// Does it.
pub fn run(root: &Path, task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Up => up(root),
        Task::Down => step::must(&mut node(root, "down"), "ending the node"),
        Task::Load { images } => step::must(node(root, "load").args(images), "loading the images"),
        Task::Exec { command } => {
            let mut path = std::ffi::OsString::from(root.join("target/testkit"));
            path.push(":");
            path.push(std::env::var_os("PATH").unwrap_or_default());
            // In this one's place: its exit code is the command's.
            let why = node(root, "exec").env("PATH", path).args(command).exec();
            Err(anyhow::Error::from(why).context("cannot start bash"))
        }
    }
}

/// `node.sh TASK DIR`.
fn node(root: &Path, task: &str) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(root.join("testkit/node/node.sh"))
        .arg(task)
        .arg(root.join("target/node"));
    command
}

fn up(root: &Path) -> anyhow::Result<()> {
    let pause = prepare(root)?;
    step::must(
        node(root, "up").arg(root.join("target/testkit")).arg(pause),
        "starting the node",
    )
}

/// Builds what it runs; gives the archive of its first image.
pub fn prepare(root: &Path) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing: Vec<&str> = NEEDS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() {
        bail!(
            "a node needs programs that are missing: apt-get install -y --no-install-recommends {}",
            missing.join(" ")
        );
    }
    build::node(root)?;
    pause(root)
}

/// The image that holds a Pod's namespaces.
fn pause(root: &Path) -> anyhow::Result<PathBuf> {
    let (target, archive) = (
        root.join("target/testkit/pause"),
        root.join("target/testkit/pause.tar"),
    );
    if archive.is_file() {
        return Ok(archive);
    }
    let folder = root.join("testkit/node/pause");
    std::fs::create_dir_all(&target)?;
    std::fs::copy(folder.join("Dockerfile"), target.join("Dockerfile"))?;
    let mut go = Command::new("go");
    go.current_dir(&folder)
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(target.join("pause"))
        .arg(".");
    step::quiet(&mut go, "building the pause program")?;
    let buildah = |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        command
            .arg("--root")
            .arg(target.join("store"))
            .arg("--runroot")
            .arg(target.join("run"))
            .args(["--storage-driver", "vfs"]);
        step::quiet(command.args(arguments), "making the pause image")
    };
    let (context, to) = (
        target.display().to_string(),
        format!("oci-archive:{}:localhost/pause:1", archive.display()),
    );
    buildah(&[
        "bud",
        "--isolation",
        "chroot",
        "--timestamp",
        "0",
        "--tag",
        "localhost/pause:1",
        &context,
    ])?;
    buildah(&["push", "--quiet", "localhost/pause:1", &to])?;
    Ok(archive)
}
