//! Finds, compiles and checks the sinks that are asked for, before any of them delivers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::sink::loading::{Kept, Loader};
use crate::sink::{
    Compiler, Directories, Engine, Error, Found, Version, child, container_memory, find, words,
};
use crate::telemetry::Board;

use super::settings;
use super::supply::Supplied;

/// The names of the sinks that are asked for, each once.
pub(crate) fn names(values: &[String], directories: &Directories) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for value in values {
        let Found {
            name, component, ..
        } = find(value, directories)?;
        if names.contains(&name) {
            let files = vec![component, PathBuf::from(format!("{name} (given before)"))];
            return Err(Error::Ambiguous { name, files });
        }
        names.push(name);
    }
    Ok(names)
}

/// Finds, compiles and checks every sink that is asked for. `data` is the data folder. On a thread
/// of its own: compiling blocks for seconds, in which a stop is to be heeded.
pub(crate) async fn load(
    values: Vec<String>,
    directories: Directories,
    data: PathBuf,
    environment: fn(&str) -> Option<String>,
    board: Arc<Board>,
) -> Result<Vec<Supplied>, Error> {
    let broke = |why: String| Error::Engine(format!("loading broke off: {why}"));
    let (tell, told) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| broke(why.to_string()))?;
    let work = move || {
        drop(tell.send(runtime.block_on(load_all(
            &values,
            directories,
            &data,
            environment,
            &board,
        ))))
    };
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(work)
        .map_err(|why| broke(why.to_string()))?;
    told.await.map_err(|why| broke(why.to_string()))?
}

async fn load_all(
    values: &[String],
    directories: Directories,
    data: &Path,
    environment: fn(&str) -> Option<String>,
    board: &Board,
) -> Result<Vec<Supplied>, Error> {
    let mut sinks: Vec<Supplied> = Vec::new();
    let engine = Engine::new(
        Compiler::Child(child::Limits::default()),
        Some(&data.join(settings::COMPILED)),
    )?;
    let loader = Loader {
        engine,
        directories,
        environment,
    };
    let mut killed = None;
    for value in values {
        let began = Instant::now();
        let kept = Kept::new(&data.join(settings::KEPT));
        let supplied = match Supplied::begin(value, loader.clone(), kept, values.len() == 1).await {
            Err(why @ Error::Killed { .. }) => {
                let name = find(value, &loader.directories)?.name;
                error!(
                    sink = name,
                    "The sink is left out, so that the others can run; its events wait in the journal. {why}."
                );
                board.leaves_out(&name, why.to_string());
                killed = Some(why);
                continue;
            }
            supplied => supplied?,
        };
        announce(&supplied.sink.slot().serving(), began);
        let slot = supplied.sink.slot();
        board.has_sink(supplied.name(), slot, &supplied.progress, &supplied.pulse);
        sinks.push(supplied);
    }
    if let Some(why) = killed.filter(|_| sinks.is_empty()) {
        return Err(why);
    }
    let memory = |sink: &Supplied| sink.sink.slot().serving().grant().limits.memory as u64;
    let memories: Vec<(String, u64)> = sinks
        .iter()
        .map(|sink| (sink.name().to_owned(), memory(sink)))
        .collect();
    fits(&memories, container_memory().map(|(most, _)| most))?;
    Ok(sinks)
}

/// What the service takes without its sinks: some 20 MiB while it is busy, and as much for what it
/// reads at once.
const OWN_MEMORY: u64 = 48 << 20;

/// Whether a container has the memory that all sinks may take at once: their own, and a quarter of
/// it for what they hand over to the host. Pure.
fn fits(memories: &[(String, u64)], most: Option<u64>) -> Result<(), Error> {
    let of = |memory: u64| memory / 4 * 5;
    let wanted = OWN_MEMORY + memories.iter().map(|(_, memory)| of(*memory)).sum::<u64>();
    match most {
        Some(most) if wanted > most => {
            let sinks = memories
                .iter()
                .map(|(name, memory)| format!("{name}: {} MiB", of(*memory) >> 20))
                .collect();
            Err(Error::TooLittleMemory {
                wanted,
                most,
                sinks,
            })
        }
        _ => Ok(()),
    }
}

fn announce(serving: &Version, began: Instant) {
    let (name, grant, digest) = (serving.name(), serving.grant(), serving.digest());
    let version = &serving.blueprint().description().version;
    let source = grant.source.as_ref().map_or_else(
        || "none: it reaches nothing".to_owned(),
        |path| path.display().to_string(),
    );
    let hosts: Vec<String> = grant.http.iter().map(ToString::to_string).collect();
    // A variable that is secret may be a part of a host's name.
    let http = words(grant, &hosts.join(" "));
    let ready_ms = began.elapsed().as_millis() as u64;
    let (memory_mib, call_ms, http_width) = (
        grant.limits.memory >> 20,
        grant.limits.call.as_millis() as u64,
        grant.limits.http_width,
    );
    info!(sink = name, version, %digest, grant = source, env = ?grant.env, http, memory_mib, call_ms, http_width, ready_ms, "Sink is ready to open.");
    if grant.source.is_none() {
        warn!(
            sink = name,
            "The sink has no grant: put {name}.yaml into a --grant-dir to give it env and hosts."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sinks_may_take_at_once_has_to_fit_into_the_container() {
        let sinks = |count: u64| {
            (0..count)
                .map(|n| (format!("s{n}"), 64 << 20))
                .collect::<Vec<_>>()
        };
        let mib = |number: u64| Some(number << 20);
        assert!(
            fits(&sinks(2), mib(256)).is_ok(),
            "the manifests' limit has room for two"
        );
        assert!(
            fits(&sinks(100), None).is_ok(),
            "without a limit there is none"
        );
        assert!(fits(&sinks(0), mib(48)).is_ok());
        let why = fits(&sinks(3), mib(256))
            .err()
            .map(|why| why.to_string())
            .unwrap_or_default();
        assert!(
            why.contains("288 MiB")
                && why.contains("256 MiB")
                && why.contains("resources.limits.memory")
                && why.contains("s2: 80 MiB"),
            "{why}"
        );
    }
}
