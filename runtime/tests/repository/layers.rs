//! Does every room import only rooms to its left?

use std::fs;
use std::path::{Path, PathBuf};

/// The stages in the order of the flow, what looks on, what runs them, what judges sinks, and the
/// edge. Each may import those before it.
const FLOW: [&str; 11] = [
    "shown",
    "cluster",
    "event",
    "filter",
    "journal",
    "relay",
    "sink",
    "telemetry",
    "service",
    "workbench",
    "cli",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The modules of this crate that a source file names: after `use crate::`, and as `crate::name`
/// anywhere.
fn imports(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (place, _) in text.match_indices("crate::") {
        let rest = &text[place + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let end = group.find('}').unwrap_or(group.len());
            names.extend(
                group[..end]
                    .split(',')
                    .map(|part| part.trim().split("::").next().unwrap().to_owned()),
            );
        } else {
            names.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    names
}

#[test]
fn a_stage_imports_only_stages_to_its_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (place, stage) in FLOW.iter().enumerate() {
        let mut files = Vec::new();
        sources(&root.join(stage), &mut files);
        assert!(!files.is_empty(), "the stage {stage} has no sources");
        for file in files {
            for name in imports(&fs::read_to_string(&file).unwrap()) {
                if name != *stage && !FLOW[..place].contains(&name.as_str()) {
                    wrong.push(format!("{} imports {name}", file.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "edges that the map in ARCHITECTURE.md does not have:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn each_concern_stays_in_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let kept = [
        ("rusqlite", &["journal"][..]),
        ("k8s_openapi", &["cluster", "event"]),
        ("kube::", &["cluster"]),
        ("wasmtime::", &["sink"]),
        ("ureq", &["sink/http"]),
        ("anyhow", &["service", "workbench", "cli"]),
        ("generated::", &["sink/component/bindings"]),
        ("SELECT ", &["journal"]),
    ];
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let place = file.strip_prefix(&root).unwrap();
        let code: String = fs::read_to_string(file)
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for (word, places) in kept {
            if code.contains(word) && !places.iter().any(|allowed| place.starts_with(allowed)) {
                wrong.push(format!("{} uses {word}", place.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sinks_are_built_of_their_own_workspace_alone() {
    // cargo would hash the absolute path of what lies outside: another folder, other bytes.
    let sinks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sinks/Cargo.toml");
    assert!(!fs::read_to_string(sinks).unwrap().contains("path = \"../"));
}
