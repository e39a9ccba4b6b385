//! Does `template.list` name all that a new project needs?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// All files below a folder, as paths from `root`.
fn files(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true if !path.ends_with("/target") => found.extend(files(root, &path)),
            true => {}
            false => found.push(path),
        }
    }
    found
}

#[test]
fn every_file_of_the_template_and_of_the_crate_is_carried() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A new project has the crate, but not the list.
    let Ok(list) = fs::read_to_string(here.join("template.list")) else {
        return;
    };
    let listed: BTreeSet<String> = list
        .lines()
        .map(|line| {
            line.replacen("template ", "template/", 1)
                .replacen("sdk ", "", 1)
        })
        .collect();
    let mut there: BTreeSet<String> = ["template", "src", "wit", "examples"]
        .iter()
        .flat_map(|folder| files(here, folder))
        .collect();
    there.extend(["Cargo.toml", "LICENSE", "README.md"].map(str::to_owned));
    assert_eq!(listed, there);
}
