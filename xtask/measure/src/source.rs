//! The source files of a crate, parsed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// One file.
pub struct Source {
    /// Relative to the crate's `src`.
    pub path: PathBuf,
    /// The names of its modules from the crate's root on; none for `lib.rs` itself.
    pub module: Vec<String>,
    /// Its text.
    pub text: String,
    /// The same, parsed.
    pub syntax: syn::File,
}

/// Every file below a folder whose name ends in `.rs`, in the order of their paths.
///
/// # Errors
/// A file that can't be read, or is no Rust.
pub fn read_sources(folder: &Path) -> anyhow::Result<Vec<Source>> {
    let mut paths = Vec::new();
    find_files(folder, &mut paths)?;
    paths.sort();
    paths.iter().map(|path| read_source(folder, path)).collect()
}

fn find_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        // A link leads to what is measured where it lies.
        if path.is_symlink() || path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            find_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn read_source(folder: &Path, path: &Path) -> anyhow::Result<Source> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let syntax =
        syn::parse_file(&text).with_context(|| format!("{} is no Rust", path.display()))?;
    let path = path.strip_prefix(folder).unwrap_or(path).to_owned();
    let mut module: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if module
        .last()
        .is_some_and(|name| name == "mod" || name == "lib" || name == "main")
    {
        module.pop();
    }
    Ok(Source {
        path,
        module,
        text,
        syntax,
    })
}

/// Whether an item is for tests alone.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_cfg_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    };
    attributes.iter().any(is_cfg_test)
}
