//! Begins a sink in each language as a newcomer does, builds it with the language's own tools, and
//! runs its own tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::step;

/// Languages that every run of the tests tries.
pub const ALWAYS: [&str; 3] = ["rust", "c", "javascript"];
/// Those whose tools are large or slow.
pub const ON_DEMAND: [&str; 3] = ["go", "python", "typescript"];

/// Builds a sink from the template of each of these languages into
/// `target/templates/LANGUAGE.wasm`, with a program that is built already.
pub fn build(root: &Path, languages: &[&str]) -> anyhow::Result<()> {
    for language in languages {
        one(root, language)?;
    }
    Ok(())
}

fn one(root: &Path, language: &str) -> anyhow::Result<()> {
    let target = root.join("target/templates");
    let folder = target.join(language);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot take away {}", folder.display()))?;
    }
    fs::create_dir_all(&target)?;
    let program = step::target(root)?.join("debug/kubedl-events");
    let mut new = Command::new(&program);
    step::quiet(
        new.args(["sink", "new", "my-sink", "--language", language, "--output"])
            .arg(&folder),
        &format!("beginning a sink in {language}"),
    )?;
    let path = search_path(&program)?;
    for (what, mut command) in commands(&target, &folder, language)? {
        step::quiet(
            command.current_dir(&folder).env("PATH", &path),
            &format!("{what} the sink in {language}"),
        )?;
    }
    let built = if language == "rust" {
        target.join("rust-target/wasm32-wasip2/release/my_sink.wasm")
    } else {
        folder.join("my-sink.wasm")
    };
    fs::copy(&built, target.join(format!("{language}.wasm")))
        .with_context(|| format!("{} is missing", built.display()))?;
    Ok(())
}

/// With the program first, which templates call by its name.
fn search_path(program: &Path) -> anyhow::Result<std::ffi::OsString> {
    let folder = program.parent().map(Path::to_owned).unwrap_or_default();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        std::iter::once(folder).chain(std::env::split_paths(&rest)),
    )?)
}

fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The commands of the template's README: what they do, and how they are called.
fn commands(
    target: &Path,
    folder: &Path,
    language: &str,
) -> anyhow::Result<Vec<(&'static str, Command)>> {
    // Long: the commands of each language, one after the other.
    let cargo = |arguments: &[&str]| {
        let mut cargo = command(step::cargo_program(), arguments);
        // Beside the folder, which is made anew each time.
        cargo.env("CARGO_TARGET_DIR", target.join("rust-target"));
        cargo
    };
    Ok(match language {
        "rust" => vec![
            ("building", cargo(&["build", "--release"])),
            ("testing", cargo(&["unit"])),
        ],
        "c" => {
            let python = zig(&folder.join("requirements.txt"), target)?;
            let mut make = command("make", &[]);
            make.env("CC", format!("{} -m ziglang cc", python.display()));
            vec![("building", make), ("testing", command("make", &["test"]))]
        }
        "javascript" | "typescript" => {
            let npm = |arguments: &[&str]| command("npm", arguments);
            vec![
                (
                    "getting the packages of",
                    npm(&["ci", "--prefer-offline", "--no-audit", "--no-fund"]),
                ),
                ("building", npm(&["run", "build"])),
                ("testing", npm(&["test"])),
            ]
        }
        "python" => {
            let (venv, python) = (folder.join(".venv"), folder.join(".venv/bin/python"));
            let mut make = command("python3", &["-m", "venv"]);
            make.arg(venv);
            vec![
                ("making a venv for", make),
                (
                    "getting the packages of",
                    command(
                        &python,
                        &["-m", "pip", "install", "--quiet", "-r", "requirements.txt"],
                    ),
                ),
                ("building", command(&python, &["build.py"])),
                ("testing", command("python3", &["-m", "unittest"])),
            ]
        }
        _ => {
            vec![
                (
                    "building",
                    command(
                        "go",
                        &["run", "kubedl-events.io/sink/build", "my-sink.wasm"],
                    ),
                ),
                ("testing", command("go", &["test", "./..."])),
            ]
        }
    })
}

/// Installs the C compiler of a sink in C into a folder of its own, once; gives the Python that has
/// it.
fn zig(requirements: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let place = target.join("zig");
    let python = place.join("bin/python");
    let stamp = place.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    step::quiet(
        command("python3", &["-m", "venv"]).arg(&place),
        "making a venv for the C compiler",
    )?;
    let mut pip = command(&python, &["-m", "pip", "install", "--quiet", "-r"]);
    step::quiet(
        pip.arg(requirements),
        "getting the C compiler for WebAssembly",
    )?;
    fs::write(stamp, wanted)?;
    Ok(python)
}
