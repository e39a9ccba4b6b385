//! Components that have described themselves, with nothing granted.

use std::path::Path;

use crate::service::Folders;
use crate::sink::{Blueprint, Compiler, Engine, Error, Found, child, find};

/// A sink that has described itself, with nothing granted.
pub(crate) struct Described {
    pub(crate) found: Found,
    pub(crate) size: usize,
    pub(crate) blueprint: Blueprint,
}

/// Finds a sink by its name or path, and has it describe itself.
pub(crate) async fn load(sink: &str, folders: &Folders) -> Result<Described, Error> {
    let found = find(sink, &folders.directories())?;
    let engine = Engine::new(Compiler::Child(child::Limits::default()), None::<&Path>)?;
    let artifact = engine.read(&found.component)?;
    let blueprint = Blueprint::load(&engine, &artifact).await?;
    Ok(Described {
        found,
        size: artifact.bytes.len(),
        blueprint,
    })
}
