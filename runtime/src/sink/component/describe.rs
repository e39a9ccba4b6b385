//! Lets a component say what it is, with nothing granted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::shown::shown;
use crate::sink::grant::Grant;
use crate::sink::instance::{Host, Target, Voice, store};

use super::bindings::v0_1::WorldPre;
use super::compile::Refusal;
use super::link::link;
use super::{Description, EnvVar, cause};

/// Time in which a sink has to describe itself.
const DESCRIBE: Duration = Duration::from_secs(5);
/// What its description may take of the host's memory, in bytes, as wasmtime counts it: a `String`
/// is 24.
const DESCRIPTION_BYTES: usize = 256 << 10;
/// The most variables, and the most destinations, of a description.
const DESCRIPTION_ENTRIES: usize = 256;

/// Lets a component say what it is, with nothing granted.
pub(super) async fn describe(
    engine: &Engine,
    component: &Component,
) -> Result<Description, Refusal> {
    let world = link(engine, component)?;
    ask(engine, &world).await.map_err(Refusal::Faulty)
}

async fn ask(engine: &Engine, world: &WorldPre<Host>) -> Result<Description, String> {
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
