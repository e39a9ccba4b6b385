//! From the value of `--event-storage` to a component and its grant.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Error;

/// Where sinks and grants may lie.
#[derive(Clone, Debug, Default)]
pub struct Directories {
    /// Sinks that came with the program, each with its grant beside it: a grant counts there.
    pub shipped: Option<PathBuf>,
    /// Sinks of others. What lies beside them as a grant is only a wish.
    pub sinks: Vec<PathBuf>,
    /// Grants of the operator, by name; they come before shipped ones.
    pub grants: Vec<PathBuf>,
}

/// A sink that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The instance's name.
    pub name: String,
    /// The component.
    pub component: PathBuf,
    /// The grant that counts; without one the sink reaches nothing.
    pub grant: Option<PathBuf>,
}

/// Finds a sink: `NAME`, `FILE.wasm`, `./FILE`, or `INSTANCE=` and one of these.
pub fn find(value: &str, directories: &Directories) -> Result<Found, Error> {
    let (instance, what) = value.split_once('=').map_or((None, value), |(instance, what)| (Some(instance), what));
    let is_file = what.contains('/') || Path::new(what).extension() == Some(OsStr::new("wasm"));
    let (stem, component) = if is_file {
        let path = PathBuf::from(what);
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or(what).to_owned();
        (stem, path)
    } else {
        (what.to_owned(), search(what, directories)?)
    };
    let name = instance.map_or_else(|| stem.clone(), str::to_owned);
    let shipped = directories.shipped.as_deref().filter(|folder| component.parent() == Some(folder));
    let places = directories.grants.iter().map(PathBuf::as_path).chain(shipped);
    let candidates = places.flat_map(|folder| [folder.join(format!("{name}.yaml")), folder.join(format!("{stem}.yaml"))]);
    let grant = candidates.into_iter().find(|path| path.is_file());
    Ok(Found { name, component, grant })
}

fn search(name: &str, directories: &Directories) -> Result<PathBuf, Error> {
    let folders: Vec<&PathBuf> = directories.shipped.iter().chain(&directories.sinks).collect();
    let mut files: Vec<PathBuf> = folders.iter().map(|folder| folder.join(format!("{name}.wasm"))).filter(|path| path.is_file()).collect();
    match files.len() {
        1 => Ok(files.remove(0)),
        0 => Err(Error::Unknown {
            name: name.to_owned(),
            looked_in: folders.iter().map(|folder| folder.to_path_buf()).collect(),
            found: names(&folders),
        }),
        _ => Err(Error::Ambiguous { name: name.to_owned(), files }),
    }
}

fn names(folders: &[&PathBuf]) -> Vec<String> {
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(OsStr::new("wasm")))
        .filter_map(|path| path.file_stem().and_then(OsStr::to_str).map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}
