//! Is what the SDKs have of the contract what `wit/` says? Copies are byte for byte the same;
//! generated code is generated anew.

use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn contract() -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("sink")).unwrap();
    (resolve, world)
}

fn generated(generator: &mut dyn WorldGenerator) -> Vec<(String, Vec<u8>)> {
    let (mut resolve, world) = contract();
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    files
        .iter()
        .map(|(name, content)| (name.to_owned(), content.to_vec()))
        .collect()
}

/// Compares, and names the command that makes the files anew.
fn assert_checked_in(folder: &str, files: &[(String, Vec<u8>)], command: &str) {
    assert!(!files.is_empty());
    for (name, content) in files {
        let found = std::fs::read(root().join(folder).join(name)).unwrap_or_default();
        assert!(
            found == *content,
            "{folder}/{name} is not what the generator makes of wit/: {command}"
        );
    }
}

#[test]
fn copies_of_the_contract_are_the_contract() {
    for sdk in ["rust", "javascript", "python"] {
        for file in [
            "types.wit",
            "http.wit",
            "sink.wit",
            "deps/cli/environment.wit",
        ] {
            let (copy, original) = (
                root().join("sdk").join(sdk).join("wit").join(file),
                root().join("wit").join(file),
            );
            assert!(
                std::fs::read(&copy).unwrap() == std::fs::read(original).unwrap(),
                "{} differs from wit/{file}: copy it anew",
                copy.display()
            );
        }
    }
}

#[test]
fn the_c_sdks_bindings_are_those_of_the_contract() {
    let mut generator = wit_bindgen_c::Opts::default().build();
    let files = generated(&mut *generator);
    // The object file is not kept: `sink component` writes what is in it.
    let kept: Vec<_> = files
        .into_iter()
        .filter(|(name, _)| !name.ends_with(".o"))
        .collect();
    assert_checked_in("sdk/c/bindings", &kept, "run `make bindings` in sdk/c");
}

#[test]
fn the_go_sdks_bindings_are_those_of_the_contract() {
    let package = "kubedl-events.io/sink/internal/contract".to_owned();
    let options = wit_bindgen_go::Opts {
        pkg_name: Some(package),
        export_pkg_name: export_package(),
        ..wit_bindgen_go::Opts::default()
    };
    let mut generator = options.build();
    assert_checked_in(
        "sdk/go/internal/contract",
        &generated(&mut *generator),
        "run the command in sdk/go/README.md",
    );
}

/// Where the exports' code looks for the sink, as the command in `sdk/go/README.md` says it.
fn export_package() -> Option<String> {
    let readme = std::fs::read_to_string(root().join("sdk/go/README.md")).unwrap();
    let (_, rest) = readme.split_once("--export-pkg-name ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}
