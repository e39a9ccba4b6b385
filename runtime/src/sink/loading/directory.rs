//! From the value of `--event-storage` to a component and its grant.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Form;
use crate::sink::Error;

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
    /// Whether the component came with the program.
    pub shipped: bool,
}

/// Finds a sink: `NAME`, `FILE.wasm`, `./FILE`, or `INSTANCE=` and one of these.
pub fn find(value: &str, directories: &Directories) -> Result<Found, Error> {
    let (instance, what) = value
        .split_once('=')
        .map_or((None, value), |(instance, what)| (Some(instance), what));
    let path = Path::new(what);
    let file = path.file_name().and_then(OsStr::to_str).unwrap_or(what);
    let form = Form::of(file);
    let (stem, component) = if what.contains('/') || form.is_some() {
        let stem = form.map_or_else(
            || path.file_stem().and_then(OsStr::to_str).unwrap_or(what),
            |(stem, _)| stem,
        );
        (stem.to_owned(), path.to_owned())
    } else {
        (what.to_owned(), search(what, directories)?)
    };
    let name = instance.map_or_else(|| stem.clone(), str::to_owned);
    let shipped = directories
        .shipped
        .as_deref()
        .filter(|folder| component.parent() == Some(folder));
    let places = directories
        .grants
        .iter()
        .map(PathBuf::as_path)
        .chain(shipped);
    // Cargo writes the file of `my-sink` as `my_sink.wasm`.
    let dashed = stem.replace('_', "-");
    // That of another sink, where there is one of its name.
    let taken = dashed != stem
        && dashed != name
        && search(&dashed, directories).is_ok_and(|other| other != component);
    let known = [Some(&name), Some(&stem), Some(&dashed).filter(|_| !taken)];
    let candidates = places.flat_map(|folder| {
        known
            .into_iter()
            .flatten()
            .map(move |grant| folder.join(format!("{grant}.yaml")))
    });
    let grant = candidates.into_iter().find(|path| path.is_file());
    Ok(Found {
        name,
        component,
        grant,
        shipped: shipped.is_some(),
    })
}

/// The one file of a name, in whichever form: a name with two files is nobody's.
fn search(name: &str, directories: &Directories) -> Result<PathBuf, Error> {
    let folders: Vec<&PathBuf> = directories
        .shipped
        .iter()
        .chain(&directories.sinks)
        .collect();
    let files = folders
        .iter()
        .flat_map(|folder| Form::ALL.map(|form| folder.join(format!("{name}{}", form.suffix()))));
    // What is there and is no file is named for that when it is read.
    let mut files: Vec<PathBuf> = files.filter(|path| path.exists()).collect();
    match files.len() {
        1 => Ok(files.remove(0)),
        0 => Err(Error::Unknown {
            name: name.to_owned(),
            looked_in: folders.iter().map(|folder| folder.to_path_buf()).collect(),
            found: names(&folders),
        }),
        _ => Err(Error::Ambiguous {
            name: name.to_owned(),
            files,
        }),
    }
}

fn names(folders: &[&PathBuf]) -> Vec<String> {
    let entries = folders
        .iter()
        .filter_map(|folder| folder.read_dir().ok())
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(Form::of(entry.file_name().to_str()?)?.0.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Found {
    /// Every file that its component may be made of, there or not: what has to be watched.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let folder = match self.component.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = self
            .component
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let mut files = vec![self.component.clone()];
        if let Some((stem, Form::Parts)) = Form::of(file) {
            let start = format!("{stem}.wasm.");
            let entries = folder.read_dir().into_iter().flatten().flatten();
            let own = entries.filter(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| name.starts_with(&start))
            });
            files.extend(own.map(|entry| entry.path()));
            files.sort();
        }
        files
    }
}
