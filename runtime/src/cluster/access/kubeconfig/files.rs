//! The files that kubeconfigs are read from.

use std::fs;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use super::lenient;

/// The environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Merged; files that are not there are left out, and told.
pub(super) fn usual(variable: Variable) -> Result<(Kubeconfig, Vec<PathBuf>), String> {
    let listed = variable("KUBECONFIG").filter(|value| !value.is_empty());
    let paths: Vec<PathBuf> = match &listed {
        Some(list) => std::env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => variable("HOME")
            .filter(|home| !home.is_empty())
            .map(|home| Path::new(&home).join(".kube/config"))
            .into_iter()
            .collect(),
    };
    let (mut merged, mut missing) = (Kubeconfig::default(), Vec::new());
    for path in paths {
        match read(&path)? {
            Some(next) => {
                merged = merged
                    .merge(next)
                    .map_err(|why| format!("{}: {why}", path.display()))?
            }
            None => missing.push(path),
        }
    }
    Ok((merged, missing))
}

/// None where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Kubeconfig>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => {
            return Err(format!(
                "cannot read the kubeconfig {}: {why}",
                path.display()
            ));
        }
    };
    let refuse = |why: String| format!("the kubeconfig {} can't be read: {why}", path.display());
    let mut read = lenient::parse(&lenient::text(&bytes).map_err(refuse)?).map_err(refuse)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    read.clusters
        .iter_mut()
        .filter_map(|named| named.cluster.as_mut())
        .for_each(|cluster| beside(folder, &mut cluster.certificate_authority));
    for user in read
        .auth_infos
        .iter_mut()
        .filter_map(|named| named.auth_info.as_mut())
    {
        [
            &mut user.client_certificate,
            &mut user.client_key,
            &mut user.token_file,
        ]
        .into_iter()
        .for_each(|path| beside(folder, path));
        // A name alone is looked for in PATH.
        if let Some(exec) = user.exec.as_mut().filter(|exec| {
            exec.command
                .as_ref()
                .is_some_and(|command| command.contains('/'))
        }) {
            beside(folder, &mut exec.command);
        }
    }
    Ok(Some(read))
}

/// Paths in a kubeconfig are relative to its folder.
fn beside(folder: &Path, path: &mut Option<String>) {
    let whole = path
        .as_ref()
        .filter(|path| !path.is_empty())
        .map(|path| folder.join(path));
    if let Some(whole) = whole.as_ref().and_then(|whole| whole.to_str()) {
        *path = Some(whole.to_owned());
    }
}
