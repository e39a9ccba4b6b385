//! A component that was compiled once, and fits the contract.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use wasmtime::Engine as Wasmtime;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::v0_1::{WorldPre, http_import, raw_event};
use super::compile::{Compiled, Refusal, Report};
use super::grant::Grant;
use super::host::{Host, store};
use super::output::{Target, Voice};
use super::{Artifact, Digest, Engine, Error, Outline};
use crate::shown::shown;

/// Time in which a sink has to describe itself.
const DESCRIBE: Duration = Duration::from_secs(5);
/// What its description may take of the host's memory, in bytes, as wasmtime counts it: a `String`
/// is 24.
const DESCRIPTION_BYTES: usize = 256 << 10;
/// The most variables, and the most destinations, of a description.
const DESCRIPTION_ENTRIES: usize = 256;

/// A variable that a sink says it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    outline: Arc<Outline>,
    digest: Digest,
}

impl Blueprint {
    /// Compiles a component, and lets it describe itself: with nothing granted.
    pub async fn load(engine: &Engine, artifact: &Artifact) -> Result<Self, Error> {
        let refuse = |refusal: Refusal| refusal.at(&artifact.path);
        let Compiled {
            component,
            report: Report {
                outline,
                description,
            },
        } = engine.compile(artifact).await.map_err(refuse)?;
        let world = link(&engine.wasmtime, &component).map_err(refuse)?;
        Ok(Self {
            engine: engine.wasmtime.clone(),
            world,
            description: Arc::new(description),
            outline: Arc::new(outline),
            digest: artifact.digest,
        })
    }

    /// Whether it is a sink, as far as can be seen before it is compiled.
    ///
    /// # Errors
    /// With what it is instead.
    pub fn check(artifact: &Artifact) -> Result<(), Error> {
        Outline::read(&artifact.bytes)
            .map(drop)
            .map_err(|refusal| refusal.at(&artifact.path))
    }

    /// What the component said of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What it imports and exports.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Digest of the component.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

fn link(engine: &Wasmtime, component: &Component) -> Result<WorldPre<Host>, Refusal> {
    let linker = linker(engine)
        .map_err(|why| Refusal::Faulty(format!("the engine can't be set up: {}", cause(&why))))?;
    let pre = linker
        .instantiate_pre(component)
        .map_err(|why| missing_import(&why))?;
    WorldPre::new(pre).map_err(|why| Refusal::OtherWorld(cause(&why)))
}

fn linker(engine: &Wasmtime) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    http_import::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    raw_event::add_to_linker::<_, HasSelf<Host>>(&mut linker, |host| host)?;
    Ok(linker)
}

/// Lets a component say what it is, with nothing granted.
pub(super) async fn describe(
    engine: &Wasmtime,
    component: &Component,
) -> Result<Description, Refusal> {
    let world = link(engine, component)?;
    ask(engine, &world).await.map_err(Refusal::Faulty)
}

async fn ask(engine: &Wasmtime, world: &WorldPre<Host>) -> Result<Description, String> {
    let nothing = Grant::default();
    let voice = Voice::new(&Arc::from("describe"), &nothing, std::time::Instant::now);
    let mut store = store(
        engine,
        Host::new(&voice, &nothing, None, Target::Log("stdout"), None),
    );
    store.data_mut().deadline = Instant::now() + DESCRIBE;
    store.set_hostcall_fuel(DESCRIPTION_BYTES);
    let call = async {
        let instance = world.instantiate_async(&mut store).await?;
        instance
            .kubedl_events_event_sink()
            .call_describe(&mut store)
            .await
    };
    let told = match timeout(DESCRIBE, call).await {
        Ok(Ok(told)) => told,
        Ok(Err(why)) => {
            return Err(format!(
                "it failed when asked to describe itself: {}",
                cause(&why)
            ));
        }
        Err(_) => {
            return Err(format!(
                "it did not describe itself within {} s",
                DESCRIBE.as_secs()
            ));
        }
    };
    if told.env.len() > DESCRIPTION_ENTRIES || told.hosts.len() > DESCRIPTION_ENTRIES {
        let (env, hosts) = (told.env.len(), told.hosts.len());
        return Err(format!(
            "it describes {env} variables and {hosts} destinations, and at most {DESCRIPTION_ENTRIES} of each are allowed"
        ));
    }
    let env = told.env.iter().map(|var| EnvVar {
        name: shown(&var.name),
        help: shown(&var.help),
        required: var.required,
        secret: var.secret,
    });
    Ok(Description {
        name: shown(&told.name),
        version: shown(&told.version),
        summary: shown(&told.summary),
        env: env.collect(),
        hosts: told.hosts.iter().map(|host| shown(host)).collect(),
        batch_events: told.batch_events,
        batch_bytes: told.batch_bytes,
    })
}

/// The linker's words name the import between backquotes.
fn missing_import(why: &wasmtime::Error) -> Refusal {
    let text = cause(why);
    Refusal::Import(text.split('`').nth(1).unwrap_or(&text).to_owned())
}

/// An error of wasmtime with what caused it, in one line.
pub(super) fn cause(why: &wasmtime::Error) -> String {
    let mut text: Vec<String> = why.chain().map(|cause| cause.to_string()).collect();
    text.dedup();
    shown(&text.join(": "))
}
