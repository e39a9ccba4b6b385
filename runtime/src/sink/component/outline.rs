//! What a file is, read from its outline before anything is compiled: so that a refusal comes at
//! once, and says what to do.

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::shown::shown;

use super::CONTRACT;
use super::compile::Refusal;

/// The interface that makes a component a sink, without its version.
const EXPORT: &str = "kubedl:events/event-sink";
/// The package of the contract.
const PACKAGE: &str = "kubedl:events/";

/// The most imports, and the most exports, of a component. Sinks on an interpreter have some forty.
const MOST_NAMES: usize = 1_000;
/// Bytes of a name.
const LONGEST_NAME: usize = 1_000;

/// Names at the outside of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// What it needs.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Outline {
    /// Reads the outside of a component, and checks that it is a sink for this host.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        check_kind(bytes)?;
        let outline = parse(bytes).map_err(Refusal::Faulty)?;
        outline.check().map_err(Refusal::OtherWorld)?;
        Ok(outline)
    }

    /// The version of the contract that it was built for; none where it is no sink.
    pub fn contract(&self) -> Option<&str> {
        self.exports.iter().find_map(|name| {
            Some(
                name.strip_prefix(EXPORT)?
                    .strip_prefix('@')
                    .unwrap_or_default(),
            )
        })
    }

    fn check(&self) -> Result<(), String> {
        for name in self.imports.iter().chain(&self.exports) {
            let version = name.rsplit_once('@').map_or("", |(_, version)| version);
            if name.starts_with(PACKAGE) && !compatible(version) {
                return Err(format!(
                    "it was built for {name}, and this host speaks {CONTRACT}: build it with the SDK of this version"
                ));
            }
            if name.starts_with("wasi:") && version.starts_with("0.3") {
                return Err(format!(
                    "it is built for WASI 0.3 ({name}), and this host gives WASI 0.2: build it for wasm32-wasip2"
                ));
            }
            if name.starts_with("wasi:http/") {
                return Err(format!(
                    "it sends requests by {name}: a sink sends them by kubedl:events/http@{CONTRACT}, where each is judged by the grant. Use the HTTP \
                     functions of the SDK instead of the language's own"
                ));
            }
        }
        match self.contract() {
            Some(_) => Ok(()),
            None if self
                .exports
                .iter()
                .any(|name| name.starts_with("wasi:cli/run")) =>
            {
                Err(format!(
                    "it is a program (it exports wasi:cli/run), and a sink is a library that exports {EXPORT}@{CONTRACT}"
                ))
            }
            None => Err(format!("it does not export {EXPORT}@{CONTRACT}")),
        }
    }
}

/// 0.1.x fits 0.1.y where this host is at least as new; more is up to the linker.
fn compatible(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(version) == minor(CONTRACT)
}

/// The first eight bytes tell a component from a core module (component-model, Binary.md: version
/// 13, layer 1).
fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    let is = match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) if is_preview1(bytes) => {
            "a core WebAssembly module for WASI preview1 (`kubedl-events sink component FILE --output NAME.wasm` makes a component of one)"
        }
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => "a core WebAssembly module",
        Some([0, b'a', b's', b'm', ..]) => "WebAssembly of an unknown version",
        Some([0x7f, b'E', b'L', b'F', ..]) => "a native program",
        Some([0x1f, 0x8b, ..]) => "a gzip file: name it NAME.wasm.gz",
        Some([0x28, 0xb5, 0x2f, 0xfd, ..]) => "a Zstandard file: name it NAME.wasm.zst",
        _ => "something else",
    };
    Err(Refusal::NotAComponent(is.to_owned()))
}

fn is_preview1(bytes: &[u8]) -> bool {
    let imports = Parser::new(0)
        .parse_all(bytes)
        .find_map(|payload| match payload {
            Ok(Payload::ImportSection(section)) => Some(section),
            _ => None,
        });
    imports.is_some_and(|section| {
        section
            .into_imports()
            .flatten()
            .any(|import| import.module == "wasi_snapshot_preview1")
    })
}

fn damaged(why: wasmparser::BinaryReaderError) -> String {
    format!("it is cut off or damaged: {why}")
}

fn add(names: &mut Vec<String>, name: &str) -> Result<(), String> {
    if names.len() >= MOST_NAMES || name.len() > LONGEST_NAME {
        return Err(format!(
            "it has over {MOST_NAMES} imports or exports, or a name of one with over {LONGEST_NAME} bytes"
        ));
    }
    // Before anything has looked at it.
    names.push(shown(name));
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Outline, String> {
    let mut outline = Outline::default();
    // What lies inside of nested modules and components is their own matter.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    add(&mut outline.imports, import.map_err(damaged)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    add(&mut outline.exports, export.map_err(damaged)?.name.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(outline)
}
