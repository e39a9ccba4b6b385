//! Ties a component's imports to what this host gives.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::sink::instance::Host;

use super::bindings::v0_1::{WorldPre, http_import, raw_event};
use super::cause;
use super::compile::Refusal;

/// A component that has all that it imports.
///
/// # Errors
/// When it imports something else, or is no sink of this contract.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<WorldPre<Host>, Refusal> {
    let linker = linker(engine)
        .map_err(|why| Refusal::Faulty(format!("the engine can't be set up: {}", cause(&why))))?;
    let pre = linker
        .instantiate_pre(component)
        .map_err(|why| missing_import(&why))?;
    WorldPre::new(pre).map_err(|why| Refusal::OtherWorld(cause(&why)))
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    http_import::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    raw_event::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    Ok(linker)
}

/// The linker's words name the import between backquotes.
fn missing_import(why: &wasmtime::Error) -> Refusal {
    let text = cause(why);
    Refusal::Import(text.split('`').nth(1).unwrap_or(&text).to_owned())
}
