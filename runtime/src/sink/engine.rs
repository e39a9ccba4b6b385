//! One engine for all sinks: how guests are compiled, and where the result is kept.

use std::path::Path;

use wasmtime::{Cache, CacheConfig, Config};

use super::{Error, clock};

/// Stack of a guest, in bytes.
const STACK: usize = 1 << 20;

/// Compiles and runs components.
#[derive(Clone)]
pub struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
}

impl Engine {
    /// With a folder for compiled code, made with mode 0700, each start after the first is quick. Code there is keyed by
    /// the component's digest, wasmtime's version and the settings; it is never taken from anywhere else.
    pub fn new(cache: Option<&Path>) -> Result<Self, Error> {
        let mut config = Config::new();
        config.epoch_interruption(true).max_wasm_stack(STACK);
        if let Some(folder) = cache {
            make_private(folder).map_err(|why| Error::Unreadable { path: folder.to_owned(), why })?;
            let folder = folder.canonicalize().map_err(|why| Error::Unreadable { path: folder.to_owned(), why })?;
            let mut keep = CacheConfig::new();
            keep.with_directory(folder);
            config.cache(Some(Cache::new(keep).map_err(|why| Error::Engine(why.to_string()))?));
        }
        let wasmtime = wasmtime::Engine::new(&config).map_err(|why| Error::Engine(why.to_string()))?;
        clock::start(&wasmtime).map_err(|why| Error::Engine(why.to_string()))?;
        Ok(Self { wasmtime })
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if folder.is_dir() {
        // Compiled code is trusted: nobody else may put some here.
        return std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
