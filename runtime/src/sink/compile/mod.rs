//! From a component to code that runs: by a child process with limits, once for each component.
//!
//! A compiler that works on foreign input can need any amount of time and memory, so it is a process of its own ([`child`]): what it uses is
//! bounded, and what it leaves is gone with it. The result is kept in a private folder ([`Cache`]).

mod cache;
pub mod child;

use wasmtime::Config;
use wasmtime::component::Component;

pub(super) use cache::Cache;

use super::Artifact;

/// Stack of a guest, in bytes.
const STACK: usize = 1 << 20;

/// How guests are compiled. What no guest needs is off: less code of the engine can be reached.
pub(super) fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK);
    config.wasm_memory64(false).wasm_relaxed_simd(false).wasm_wide_arithmetic(false);
    // Several memories stay on: what the engine itself puts between two parts of a component has both parts' memories, as in sinks on QuickJS.
    // They count together (`host::Memory`).
    config
}

/// Where the compiler runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// In a child process: this program again, with limits. For the service, and for whatever a person doesn't know.
    Child(child::Limits),
    /// In this process, without limits. For tests and benches that know their guests.
    #[default]
    Here,
}

/// Compiles, or takes what was compiled before.
pub(super) fn compile(engine: &wasmtime::Engine, compiler: &Compiler, cache: Option<&Cache>, artifact: &Artifact) -> Result<Component, String> {
    if let Some(code) = cache.and_then(|cache| cache.find(engine, artifact.digest))
        && let Ok(component) = load(engine, &code)
    {
        return Ok(component);
    }
    let code = match compiler {
        Compiler::Child(limits) => child::run(&artifact.bytes, limits)?,
        Compiler::Here => engine.precompile_component(&artifact.bytes).map_err(|why| super::blueprint::cause(&why))?,
    };
    if let Some(cache) = cache {
        cache.keep(engine, artifact.digest, &code);
    }
    load(engine, &code)
}

/// Code is as good as its origin: a child process of ours, or the folder that only we can write, with a checksum.
#[allow(unsafe_code, reason = "the one place where compiled code is taken in; it never comes from a sink's folder")]
fn load(engine: &wasmtime::Engine, code: &[u8]) -> Result<Component, String> {
    // SAFETY: `code` was made by `precompile_component` of this very program, and was not changed since: it came through a pipe from a child,
    // or its checksum fits. The engine refuses code of other versions and settings by itself.
    unsafe { Component::deserialize(engine, code) }.map_err(|why| super::blueprint::cause(&why))
}
