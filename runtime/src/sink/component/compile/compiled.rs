//! Compiles a component, once for each.

use wasmtime::component::Component;

use crate::sink::component::Artifact;

use super::child;
use super::look::{load, look_into};
use super::{Cache, Compiler, Refusal, Report};

/// A component that runs, and what is known of it.
pub(in crate::sink::component) struct Compiled {
    pub component: Component,
    pub report: Report,
}

/// Compiles, or takes what was compiled before.
pub(in crate::sink::component) async fn compile(
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
