//! One engine for all sinks.

use std::path::Path;

use wasmtime::component::Component;

use super::compile::{self, Cache, Compiler};
use super::{Artifact, Error, clock};

/// Compiles and runs components.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    compiler: Compiler,
    cache: Option<Cache>,
}

impl Engine {
    /// With a folder for compiled code, each start after the first is quick. Code is never taken from anywhere else.
    pub fn new(compiler: Compiler, cache: Option<&Path>) -> Result<Self, Error> {
        let open = |folder: &Path| Cache::open(folder).map_err(|why| Error::Unreadable { path: folder.to_owned(), why });
        let cache = cache.map(open).transpose()?;
        let wasmtime = wasmtime::Engine::new(&compile::settings()).map_err(|why| Error::Engine(why.to_string()))?;
        clock::start(&wasmtime).map_err(|why| Error::Engine(why.to_string()))?;
        Ok(Self { wasmtime, compiler, cache })
    }

    /// Blocks for as long as it takes.
    pub(super) fn compile(&self, artifact: &Artifact) -> Result<Component, Error> {
        let compiled = compile::compile(&self.wasmtime, &self.compiler, self.cache.as_ref(), artifact);
        compiled.map_err(|why| Error::Faulty { path: artifact.path.clone(), why })
    }
}
