//! From a component to code that runs, and to what is known of it: by a child process without
//! rights, once for each component.
//!
//! Whoever takes foreign bytes apart, compiles them or lets them describe themselves can need any
//! amount of time and memory, and has most to lose by a fault of its own. So that is a process of
//! its own ([`child`], and [`inside`] for its side): what it uses is bounded, what it can reach is
//! its own memory, and what it leaves is gone with it. The result is kept in a private folder
//! ([`Cache`]).

mod cache;
pub mod child;
mod container;
mod inside;
mod report;

use wasmtime::component::Component;
use wasmtime::{Config, WasmFeatures};

pub(super) use cache::Cache;
pub use container::memory as container_memory;
pub(super) use report::{Refusal, Report};

use super::{Artifact, Outline, blueprint};

/// Stack of a guest, in bytes.
const STACK: usize = 1 << 20;

/// How guests are compiled. What compilers of the SDKs' languages don't write is off: less code of
/// the engine can be reached.
pub(super) fn settings() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK);
    config
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_gc(false);
    config.wasm_features(WasmFeatures::FUNCTION_REFERENCES, false);
    // Data that lies far apart is not made one image of: few bytes would become megabytes of code.
    config.memory_guaranteed_dense_image_size(1 << 20);
    // Tail calls stay on: the interpreter in sinks of JavaScript has them. Several memories stay
    // on: what the engine itself puts between two parts of a component has both parts' memories, as
    // in sinks on QuickJS. They count together (`host::Memory`).
    config
}

/// Where foreign bytes are looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// In a child process: this program again, with limits and without rights. For the service, and
    /// for whatever a person doesn't know.
    Child(child::Limits),
    /// In this process, without limits. For tests and benches that know their guests.
    #[default]
    Here,
}

/// A component that runs, and what is known of it.
pub(super) struct Compiled {
    pub component: Component,
    pub report: Report,
}

/// Compiles, or takes what was compiled before.
pub(super) async fn compile(
    engine: &wasmtime::Engine,
    compiler: &Compiler,
    cache: Option<&Cache>,
    artifact: &Artifact,
) -> Result<Compiled, Refusal> {
    if let Some((report, code)) = cache.and_then(|cache| cache.find(engine, artifact.digest))
        && let Ok(component) = load(engine, &code)
    {
        return Ok(Compiled { component, report });
    }
    let (report, code) = match compiler {
        Compiler::Child(limits) => child::compile(&artifact.bytes, limits)?,
        Compiler::Here => look_into(engine, &artifact.bytes).await?,
    };
    if let Some(cache) = cache {
        cache.keep(engine, artifact.digest, &report, &code);
    }
    let component = load(engine, &code)?;
    Ok(Compiled { component, report })
}

/// All that is done with foreign bytes before they serve: what they are by their outline, code, and
/// what they say of themselves.
async fn look_into(
    engine: &wasmtime::Engine,
    component: &[u8],
) -> Result<(Report, Vec<u8>), Refusal> {
    let outline = Outline::read(component)?;
    let code = engine
        .precompile_component(component)
        .map_err(|why| Refusal::Faulty(blueprint::cause(&why)))?;
    let description = blueprint::describe(engine, &load(engine, &code)?).await?;
    Ok((
        Report {
            outline,
            description,
        },
        code,
    ))
}

/// Code is as good as its origin: a child process of ours, or the folder that only we can write,
/// with a checksum.
#[allow(
    unsafe_code,
    reason = "the one place where compiled code is taken in; it never comes from a sink's folder"
)]
fn load(engine: &wasmtime::Engine, code: &[u8]) -> Result<Component, Refusal> {
    // SAFETY: `code` was made by `precompile_component` of this very program, and was not changed
    // since: it came through a pipe from a child, or its checksum fits. The engine refuses code of
    // other versions and settings by itself.
    unsafe { Component::deserialize(engine, code) }
        .map_err(|why| Refusal::Faulty(blueprint::cause(&why)))
}
