//! One engine for all sinks.

use std::path::Path;

use crate::sink::{Error, instance, loading};

use super::Artifact;
use super::compile::{self, Cache, Compiled, Compiler, Refusal};

/// Compiles and runs components.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    compiler: Compiler,
    cache: Option<Cache>,
}

impl Engine {
    /// With a folder for compiled code, each start after the first is quick. Code is never taken
    /// from anywhere else.
    pub fn new(compiler: Compiler, cache: Option<&Path>) -> Result<Self, Error> {
        let open = |folder: &Path| {
            Cache::open(folder).map_err(|why| Error::Unreadable {
                path: folder.to_owned(),
                why,
            })
        };
        let cache = cache.map(open).transpose()?;
        let wasmtime = wasmtime::Engine::new(&compile::settings())
            .map_err(|why| Error::Engine(why.to_string()))?;
        instance::start_clock(&wasmtime).map_err(|why| Error::Engine(why.to_string()))?;
        Ok(Self {
            wasmtime,
            compiler,
            cache,
        })
    }

    /// Reads a component's file, and has it unpacked where its compiler is, where its name says
    /// that it is packed or in parts. Blocks.
    ///
    /// # Errors
    /// When it can't be read or unpacked.
    pub fn read(&self, path: &Path) -> Result<Artifact, Error> {
        Ok(Artifact::new(path, loading::read(path, &self.compiler)?))
    }

    /// Blocks for as long as it takes.
    pub(super) async fn compile(&self, artifact: &Artifact) -> Result<Compiled, Refusal> {
        compile::compile(
            &self.wasmtime,
            &self.compiler,
            self.cache.as_ref(),
            artifact,
        )
        .await
    }
}
