//! `kubedl-events sink component`: from what a compiler without the component model makes to a
//! component.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args as Flags;
use wasi_preview1_component_adapter_provider as preview1;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

use crate::service::Exit;
use crate::sink::{Artifact, Blueprint};

/// The contract, as it is in `wit/`.
const CONTRACT: [(&str, &str); 3] = [
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("http.wit", include_str!("../../../../wit/http.wit")),
    ("sink.wit", include_str!("../../../../wit/sink.wit")),
];
/// What of WASI the contract names.
const ENVIRONMENT: &str = include_str!("../../../../wit/deps/cli/environment.wit");
/// The world of a sink.
const WORLD: &str = "sink";

/// `sink component`.
#[derive(Clone, Debug, Flags)]
pub struct Component {
    /// A core module: a reactor with the exports of the world `sink`, that imports
    /// `wasi_snapshot_preview1` at most
    #[arg(value_name = "CORE.wasm")]
    pub module: PathBuf,

    /// The component's file
    #[arg(short, long, value_name = "FILE.wasm")]
    pub output: PathBuf,
}

pub(super) fn run(flags: &Component) -> anyhow::Result<Exit> {
    let path = &flags.module;
    let module = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let component = encode(module, path)?;
    Blueprint::check(&Artifact::new(&flags.output, component.clone()))?;
    std::fs::write(&flags.output, &component)
        .with_context(|| format!("cannot write {}", flags.output.display()))?;
    say!("{}: {} bytes", flags.output.display(), component.len());
    Ok(Exit::Stopped)
}

fn encode(mut module: Vec<u8>, path: &Path) -> anyhow::Result<Vec<u8>> {
    // A module begins so (WebAssembly core specification, section 5.5.16); a component has another
    // version.
    match module.get(..8) {
        Some(b"\0asm\x01\0\0\0") => {}
        Some([0, b'a', b's', b'm', ..]) => bail!("{} is a component already", path.display()),
        _ => bail!("{} is not a WebAssembly module", path.display()),
    }
    let (resolve, world) = contract().context("the contract in this program can't be read")?;
    let told = || format!("{} can't become a sink", path.display());
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .with_context(told)?;
    let adapter = (
        preview1::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
        preview1::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    );
    let encoder = ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.adapter(adapter.0, adapter.1));
    encoder
        .and_then(|encoder| encoder.validate(true).encode())
        .with_context(told)
}

fn contract() -> anyhow::Result<(Resolve, wit_parser::WorldId)> {
    let mut resolve = Resolve::default();
    resolve.push_str("environment.wit", ENVIRONMENT)?;
    let mut sources = SourceMap::default();
    CONTRACT
        .iter()
        .for_each(|(name, text)| sources.push_str(name, *text));
    let group = sources.parse().map_err(|(_, why)| anyhow!("{why}"))?;
    let package = resolve.push_group(group)?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_has_the_world_of_a_sink() {
        contract().unwrap();
    }

    #[test]
    fn what_is_no_module_is_refused_by_name() {
        let refused = |bytes: &[u8]| {
            encode(bytes.to_vec(), Path::new("x.wasm"))
                .unwrap_err()
                .to_string()
        };
        assert!(refused(b"\0asm\x0d\0\x01\0").contains("x.wasm is a component already"));
        assert!(refused(b"hello, world").contains("x.wasm is not a WebAssembly module"));
        assert!(refused(b"").contains("x.wasm is not a WebAssembly module"));
        assert!(refused(b"\0asm\x01\0\0\0").contains("x.wasm can't become a sink"));
    }
}
