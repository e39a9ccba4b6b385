//! Looks into foreign bytes, and takes code in.

use wasmtime::component::Component;

use crate::sink::component::describe::describe;
use crate::sink::component::{Outline, cause};

use super::{Refusal, Report};

/// All that is done with foreign bytes before they serve: what they are by their outline, code, and
/// what they say of themselves.
pub(super) async fn look_into(
    engine: &wasmtime::Engine,
    component: &[u8],
) -> Result<(Report, Vec<u8>), Refusal> {
    let outline = Outline::read(component)?;
    let code = engine
        .precompile_component(component)
        .map_err(|why| Refusal::Faulty(cause(&why)))?;
    let description = describe(engine, &load(engine, &code)?).await?;
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
pub(super) fn load(engine: &wasmtime::Engine, code: &[u8]) -> Result<Component, Refusal> {
    // SAFETY: `code` was made by `precompile_component` of this very program, and was not changed
    // since: it came through a pipe from a child, or its checksum fits. The engine refuses code of
    // other versions and settings by itself.
    unsafe { Component::deserialize(engine, code) }.map_err(|why| Refusal::Faulty(cause(&why)))
}
