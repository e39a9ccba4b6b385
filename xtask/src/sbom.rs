//! A list of what the image is made of (CycloneDX 1.5, JSON,
//! <https://cyclonedx.org/docs/1.5/json/>): the crates of the program and of the sinks in it. The
//! same tree gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::step;

/// One crate: name, version, licence.
type Crate = (String, String, String);

/// Writes the list for a target.
pub fn write(root: &Path, target: &str, file: &Path) -> anyhow::Result<()> {
    let mut crates = crates_of(
        root,
        &[
            "--package",
            "kubedl-events",
            "--no-default-features",
            "--target",
            target,
        ],
    )?;
    crates.extend(crates_of(
        &root.join("sinks"),
        &["--workspace", "--target", "wasm32-wasip2"],
    )?);
    let mut sums = BTreeMap::new();
    for lock in [root.join("Cargo.lock"), root.join("sinks/Cargo.lock")] {
        sums.extend(checksums(
            &fs::read_to_string(&lock)
                .with_context(|| format!("cannot read {}", lock.display()))?,
        ));
    }
    let text = format!("{:#}\n", list(&crates, &sums));
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn crates_of(folder: &Path, arguments: &[&str]) -> anyhow::Result<BTreeSet<Crate>> {
    let mut command = Command::new(step::cargo_program());
    command
        .current_dir(folder)
        .args([
            "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}",
        ])
        .args(arguments);
    let output = command.output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(crates(&String::from_utf8_lossy(&output.stdout)))
}

/// Of lines such as `serde v1.0.1 (proc-macro)|MIT OR Apache-2.0`.
fn crates(tree: &str) -> BTreeSet<Crate> {
    let one = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((
            name.to_owned(),
            version.to_owned(),
            licence.trim_end_matches(" (*)").replace('/', " OR "),
        ))
    };
    tree.lines().filter_map(one).collect()
}

/// SHA-256 of each crate's archive, as the lock file has it.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(" = \"")?
                .strip_suffix('"')
        });
        line.map(str::to_owned)
    };
    let blocks = lock.split("[[package]]").skip(1);
    blocks
        .filter_map(|block| {
            Some((
                (value(block, "name")?, value(block, "version")?),
                value(block, "checksum")?,
            ))
        })
        .collect()
}

fn list(crates: &BTreeSet<Crate>, sums: &BTreeMap<(String, String), String>) -> Value {
    let component = |(name, version, licence): &Crate| {
        let mut component = json!({"type": "library", "name": name, "version": version});
        let fields = component.as_object_mut()?;
        if !licence.is_empty() {
            fields.insert("licenses".to_owned(), json!([{"expression": licence}]));
        }
        // Without one it is of this repository.
        if let Some(sum) = sums.get(&(name.clone(), version.clone())) {
            fields.insert(
                "purl".to_owned(),
                json!(format!("pkg:cargo/{name}@{version}")),
            );
            fields.insert(
                "hashes".to_owned(),
                json!([{"alg": "SHA-256", "content": sum}]),
            );
        }
        Some(component)
    };
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "kubedl-events", "version": env!("CARGO_PKG_VERSION")}},
        "components": crates.iter().filter_map(component).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test fails by a panic"
    )]

    use super::*;

    #[test]
    fn crates_have_their_licences_and_checksums() {
        let tree = "kubedl-events v0.1.0 (/somewhere)|Apache-2.0\nserde v1.0.1|MIT/Apache-2.0\nserde_derive v1.0.1 (proc-macro)|MIT OR Apache-2.0\nserde v1.0.1|MIT/Apache-2.0 (*)\n\n";
        let lock = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"kubedl-events\"\nversion = \"0.1.0\"\n";
        let made = list(&crates(tree), &checksums(lock));
        let components = made["components"].as_array().unwrap();
        assert_eq!(components.len(), 3);
        assert!(
            components[0].get("purl").is_none(),
            "it is of this repository"
        );
        assert_eq!(components[1]["hashes"][0]["content"], "abc");
        assert_eq!(
            components[1]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(components[1]["purl"], "pkg:cargo/serde@1.0.1");
    }

    #[test]
    fn the_list_of_this_tree_has_what_the_program_is_made_of() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let file = std::env::temp_dir().join(format!("kubedl-events-sbom-{}", std::process::id()));
        write(&root, "x86_64-unknown-linux-gnu", &file).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::remove_file(&file).unwrap();
        for name in ["wasmtime", "rusqlite", "kube", "wit-bindgen"] {
            assert!(text.contains(&format!("\"name\": \"{name}\"")), "{name}");
        }
        assert!(
            !text.contains(root.canonicalize().unwrap().to_str().unwrap()),
            "no path of this machine"
        );
    }
}
