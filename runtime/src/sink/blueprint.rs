//! A component that was compiled once, and fits the contract.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine as Wasmtime, Store};

use super::bindings::v0_1::{WorldPre, http_import, raw_event, words};
use super::grant::Grant;
use super::host::Host;
use super::output::Target;
use super::{Artifact, CONTRACT, Digest, Engine, Error};

/// Time in which a sink has to describe itself.
const DESCRIBE: Duration = Duration::from_secs(5);
/// The export that makes a component a sink, without its version.
const EXPORT: &str = "kubedl:events/event-sink";

/// A variable that a sink says it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub help: String,
    /// Whether the sink can't be opened without it.
    pub required: bool,
    /// Whether its value must not be shown.
    pub secret: bool,
}

/// What a sink says of itself: wishes, no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// Variables.
    pub env: Vec<EnvVar>,
    /// Destinations in the form of a grant.
    pub hosts: Vec<String>,
    /// Events a batch; 0 for no wish.
    pub batch_events: u32,
    /// Bytes a batch; 0 for no wish.
    pub batch_bytes: u64,
}

/// A component, ready to make instances of.
#[derive(Clone)]
pub struct Blueprint {
    pub(super) engine: Wasmtime,
    pub(super) world: WorldPre<Host>,
    description: Arc<Description>,
    digest: Digest,
}

impl Blueprint {
    /// Compiles a component, and lets it describe itself: with nothing granted.
    pub async fn load(engine: &Engine, artifact: &Artifact) -> Result<Self, Error> {
        let path = &*artifact.path;
        Self::check(artifact)?;
        let component = engine.compile(artifact)?;
        check_world(&component, &engine.wasmtime, path)?;
        let linker = linker(&engine.wasmtime).map_err(|why| Error::Engine(cause(&why)))?;
        let pre = linker.instantiate_pre(&component).map_err(|why| missing_import(&why, path))?;
        let world = WorldPre::new(pre).map_err(|why| Error::OtherWorld { path: path.to_owned(), why: cause(&why) })?;
        let description = describe(&engine.wasmtime, &world).await.map_err(|why| Error::Faulty { path: path.to_owned(), why })?;
        Ok(Self { engine: engine.wasmtime.clone(), world, description: Arc::new(description), digest: artifact.digest })
    }

    /// Whether it is a component at all.
    ///
    /// # Errors
    /// With what it is instead.
    pub fn check(artifact: &Artifact) -> Result<(), Error> {
        check_kind(&artifact.bytes, &artifact.path)
    }

    /// Of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the component said of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }
}

fn linker(engine: &Wasmtime) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    http_import::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    raw_event::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    Ok(linker)
}

async fn describe(engine: &Wasmtime, world: &WorldPre<Host>) -> Result<Description, String> {
    let nothing = Grant::default();
    let mut store = Store::new(engine, Host::new(&Arc::from("describe"), &nothing, None, Target::Log("stdout")));
    store.data_mut().deadline = Instant::now() + DESCRIBE;
    super::runner::prepare(&mut store);
    let call = async {
        let instance = world.instantiate_async(&mut store).await?;
        instance.kubedl_events_event_sink().call_describe(&mut store).await
    };
    let told = match timeout(DESCRIBE, call).await {
        Ok(Ok(told)) => told,
        Ok(Err(why)) => return Err(format!("it failed when asked to describe itself: {}", cause(&why))),
        Err(_) => return Err(format!("it did not describe itself within {} s", DESCRIBE.as_secs())),
    };
    let env = told.env.iter().map(|var| EnvVar { name: words(&var.name), help: words(&var.help), required: var.required, secret: var.secret });
    Ok(Description {
        name: words(&told.name),
        version: words(&told.version),
        summary: words(&told.summary),
        env: env.collect(),
        hosts: told.hosts.iter().map(|host| words(host)).collect(),
        batch_events: told.batch_events,
        batch_bytes: told.batch_bytes,
    })
}

/// The first eight bytes tell a component from a core module (component-model, Binary.md: version 13, layer 1).
fn check_kind(bytes: &[u8], path: &Path) -> Result<(), Error> {
    let is = match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => "a core WebAssembly module",
        Some([0, b'a', b's', b'm', ..]) => "WebAssembly of an unknown version",
        _ => "something else",
    };
    Err(Error::NotAComponent { path: path.to_owned(), is: is.to_owned() })
}

/// Reads what a component imports and exports before it is linked, so that the words are about the contract.
fn check_world(component: &Component, engine: &Wasmtime, path: &Path) -> Result<(), Error> {
    let other = |why: String| Error::OtherWorld { path: path.to_owned(), why };
    let world = component.component_type();
    let names = world.exports(engine).map(|(name, _)| name.to_owned()).chain(world.imports(engine).map(|(name, _)| name.to_owned()));
    for name in names.filter(|name| name.starts_with("kubedl:events/")) {
        let version = name.rsplit_once('@').map_or("", |(_, version)| version);
        if !compatible(version) {
            return Err(other(format!("it was built for {name}, and this host speaks {CONTRACT}")));
        }
    }
    let exports_sink = |(name, item): (&str, _)| name.starts_with(EXPORT) && matches!(item, ComponentItem::ComponentInstance(_));
    if !world.exports(engine).map(|(name, item)| (name, item.ty)).any(exports_sink) {
        return Err(other(format!("it does not export {EXPORT}@{CONTRACT}")));
    }
    Ok(())
}

/// 0.1.x fits 0.1.y where this host is at least as new; more is up to the linker.
fn compatible(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(version) == minor(CONTRACT)
}

/// The linker's words name the import between backquotes.
fn missing_import(why: &wasmtime::Error, path: &Path) -> Error {
    let text = cause(why);
    let name = text.split('`').nth(1).unwrap_or(&text).to_owned();
    Error::Import { path: PathBuf::from(path), name }
}

/// An error of wasmtime with what caused it, in one line.
pub(super) fn cause(why: &wasmtime::Error) -> String {
    let mut text: Vec<String> = why.chain().map(|cause| cause.to_string()).collect();
    text.dedup();
    words(&text.join(": "))
}
