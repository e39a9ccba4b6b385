//! `cargo xtask image`: the static program, the sinks, and an OCI image of them, without a daemon
//! and without a base image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::{build, sbom, step};

/// For the other architecture: zig is its C compiler and linker.
const ZIGBUILD: &str = "cargo-zigbuild@0.24.1";

/// Architectures, by their names in image indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// x86-64
    Amd64,
    /// AArch64
    Arm64,
}

impl Arch {
    /// That of this machine.
    pub fn ours() -> Self {
        if Self::Arm64.is_ours() {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// Ours is built with the machine's own musl-gcc.
    fn is_ours(self) -> bool {
        self.target().starts_with(std::env::consts::ARCH)
    }
}

/// What an image is called: as the manifests call it.
pub fn tag() -> String {
    format!("kubedl/kubedl-events:v{}", env!("CARGO_PKG_VERSION"))
}

/// Builds everything, and writes into `output` the image index (a folder, OCI image layout) and an
/// archive for each architecture.
pub fn run(root: &Path, archs: &[Arch], output: &Path) -> anyhow::Result<()> {
    let missing = missing(archs);
    if !missing.is_empty() {
        bail!("an image can't be built yet:\n  {}", missing.join("\n  "));
    }
    build::sinks(root)?;
    let context = root.join("target/image/context");
    if context.exists() {
        fs::remove_dir_all(&context)
            .with_context(|| format!("cannot take away {}", context.display()))?;
    }
    for arch in archs {
        let program = program(root, *arch)?;
        fill(root, &context.join(arch.name()), &program)?;
    }
    pack(root, archs, &context, output)?;
    archs.iter().try_for_each(|arch| {
        sbom::write(
            root,
            arch.target(),
            &output.join(format!("sbom-{}.cdx.json", arch.name())),
        )
    })
}

/// Builds the images of this commit again, from a clone in another folder, and compares them with
/// those in `output`.
pub fn reproduce(root: &Path, archs: &[Arch], output: &Path) -> anyhow::Result<()> {
    let clone = std::env::temp_dir().join(format!("kubedl-events-image-{}", std::process::id()));
    step::quiet(
        Command::new("git")
            .arg("clone")
            .arg("--quiet")
            .arg(root)
            .arg(&clone),
        "cloning the repository",
    )?;
    let mut again = Command::new(step::cargo_program());
    let names: Vec<&str> = archs.iter().map(|arch| arch.name()).collect();
    again
        .current_dir(&clone)
        .env_remove("CARGO_TARGET_DIR")
        .args(["xtask", "image", "--arch", &names.join(",")]);
    step::quiet(&mut again, "building all of it again, elsewhere")?;
    for arch in archs {
        let name = format!("kubedl-events-{}.tar", arch.name());
        let [first, second] =
            [output, &clone.join("target/image")].map(|folder| fs::read(folder.join(&name)));
        if first? != second? {
            bail!(
                "{name} is another one when it is built from a clone of this commit: compare it with that in {}",
                clone.display()
            );
        }
        println!("{name} is the same, byte for byte");
    }
    // Kept where it differs, to be looked into.
    fs::remove_dir_all(&clone).with_context(|| format!("cannot take away {}", clone.display()))
}

/// What is not on this machine, with the command that installs it.
fn missing(archs: &[Arch]) -> Vec<String> {
    let mut all = Vec::new();
    let mut need = |there: bool, what: &str| {
        if !there {
            all.push(what.to_owned());
        }
    };
    need(
        runs("buildah", &["--version"]),
        "buildah is missing: apt-get install -y --no-install-recommends buildah",
    );
    for arch in archs {
        if arch.is_ours() {
            let compiler = format!("{}-linux-musl-gcc", std::env::consts::ARCH);
            need(
                runs(&compiler, &["--version"]),
                &format!(
                    "{compiler} is missing: apt-get install -y --no-install-recommends musl-tools"
                ),
            );
        } else {
            need(
                runs("cargo-zigbuild", &["--version"]),
                &format!("cargo-zigbuild is missing: cargo install --locked {ZIGBUILD}"),
            );
            let zig = runs("zig", &["version"]) || runs("python3", &["-m", "ziglang", "version"]);
            need(
                zig,
                "zig is missing: pip install -r sdk/c/template/requirements.txt, in a venv that is activated",
            );
        }
    }
    all
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Builds the program for an architecture.
fn program(root: &Path, arch: Arch) -> anyhow::Result<PathBuf> {
    let target = arch.target();
    build::target(root, target)?;
    let subcommand = if arch.is_ours() { "build" } else { "zigbuild" };
    // As in a cluster: `sink component` is for those who write sinks.
    let arguments = [
        subcommand,
        "--locked",
        "--profile",
        "dist",
        "--no-default-features",
        "--package",
        "kubedl-events",
        "--target",
        target,
    ];
    let plain = build::without_paths(root, target)?;
    let arguments: Vec<&str> = arguments
        .into_iter()
        .chain(plain.iter().map(String::as_str))
        .collect();
    step::cargo(
        root,
        &format!(
            "building the program for {} (ten minutes or more the first time)",
            arch.name()
        ),
        &arguments,
    )?;
    Ok(step::target(root)?.join(target).join("dist/kubedl-events"))
}

/// One architecture's part of the image, with the modes that files have in it.
fn fill(root: &Path, folder: &Path, program: &Path) -> anyhow::Result<()> {
    let sinks = folder.join("sinks");
    fs::create_dir_all(&sinks)?;
    fs::create_dir_all(folder.join("data"))?;
    fs::set_permissions(folder.join("data"), fs::Permissions::from_mode(0o700))?;
    place(program, &folder.join("kubedl-events"), 0o555)?;
    place(&root.join("LICENSE"), &folder.join("LICENSE"), 0o444)?;
    for entry in fs::read_dir(root.join("target/sinks"))? {
        let entry = entry?;
        let name = entry.file_name();
        // Only what has a folder in `sinks` now; a build leaves those that were.
        let known = Path::new(&name)
            .file_stem()
            .is_some_and(|stem| root.join("sinks").join(stem).is_dir());
        if known {
            place(&entry.path(), &sinks.join(name), 0o444)?;
        }
    }
    Ok(())
}

fn place(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("{} is missing", from.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

/// Runs buildah with some arguments, and says what that is.
type Buildah<'a> = &'a dyn Fn(&[&str], &str) -> anyhow::Result<()>;

/// Makes the image of one architecture, and writes its archive.
fn build_one(
    buildah: Buildah<'_>,
    arch: Arch,
    context: &str,
    dockerfile: &str,
    output: &Path,
) -> anyhow::Result<()> {
    let (platform, image) = (format!("linux/{}", arch.name()), tag());
    let variable = format!("TARGETARCH={}", arch.name());
    let name = format!("localhost/{}-{}", image, arch.name());
    // The same each time: no cache, and no time of its own.
    let same = [
        "bud",
        "--isolation",
        "chroot",
        "--timestamp",
        "0",
        "--no-cache",
    ];
    let own = [
        "--platform",
        &platform,
        "--build-arg",
        &variable,
        "--tag",
        &name,
    ];
    let from = ["--file", dockerfile, context];
    let arguments = [&same[..], &own[..], &from[..]].concat();
    buildah(&arguments, &format!("making the image for {}", arch.name()))?;
    let archive = output.join(format!("kubedl-events-{}.tar", arch.name()));
    let _ = fs::remove_file(&archive);
    let to = format!("oci-archive:{}:docker.io/{image}", archive.display());
    let what = format!("writing {}", archive.display());
    buildah(&["push", "--quiet", &name, &to], &what)
}

/// Makes the images with buildah, in a store of their own.
fn pack(root: &Path, archs: &[Arch], context: &Path, output: &Path) -> anyhow::Result<()> {
    let store = root.join("target/image/store");
    if store.exists() {
        fs::remove_dir_all(&store)
            .with_context(|| format!("cannot take away {}", store.display()))?;
    }
    let buildah = |arguments: &[&str], what: &str| {
        let mut command = Command::new("buildah");
        command
            .arg("--root")
            .arg(store.join("root"))
            .arg("--runroot")
            .arg(store.join("run"))
            .args(["--storage-driver", "vfs"]);
        step::quiet(command.args(arguments), what)
    };
    fs::create_dir_all(output)?;
    let (context, dockerfile) = (
        context.display().to_string(),
        root.join("deploy/Dockerfile").display().to_string(),
    );
    let index = format!("localhost/{}", tag());
    for arch in archs {
        build_one(&buildah, *arch, &context, &dockerfile, output)?;
    }
    let folder = output.join("index");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    buildah(&["manifest", "create", &index], "beginning the image index")?;
    for arch in archs {
        buildah(
            &[
                "manifest",
                "add",
                &index,
                &format!("localhost/{}-{}", tag(), arch.name()),
            ],
            "adding an image to the index",
        )?;
    }
    let to = format!("oci:{}:v{}", folder.display(), env!("CARGO_PKG_VERSION"));
    buildah(
        &["manifest", "push", "--quiet", "--all", &index, &to],
        &format!("writing {}", folder.display()),
    )?;
    println!(
        "{}: an image index (OCI layout) in {}, and an archive for each architecture beside it",
        tag(),
        folder.display()
    );
    Ok(())
}
