//! `kubedl-events sink bench`: what a sink costs, with a destination that takes everything at once.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args as Flags;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::relay::Outcome;
use crate::service::Exit;
use crate::service::settings::Format;
use crate::sink::{Artifact, Blueprint, Compiler, Digest, Engine, Version, child, find};

use crate::service::Folders;
use crate::workbench::conformance::{Grants, Subject, events};

/// Events a batch.
const SIZES: [usize; 3] = [1, 100, 1_000];
/// Each size is measured for so long.
const LENGTH: Duration = Duration::from_secs(2);
/// Before anything is measured.
const WARM_UP: usize = 20;
/// What the API server takes of data in a ConfigMap (`MaxSecretSize` of
/// k8s.io/kubernetes/pkg/apis/core/types.go).
const CONFIG_MAP: usize = 1 << 20;
/// The sink that others are measured beside.
const BESIDE: &str = "stdout";

/// `sink bench`.
#[derive(Clone, Debug, Flags)]
pub struct Bench {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// Where its variables' values come from.
    #[command(flatten)]
    pub grants: Grants,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The figures of one sink.
struct Figures {
    name: String,
    digest: Digest,
    /// Bytes of the component, as it is and with gzip.
    size: (usize, usize),
    /// From the file to an open sink: compiled, and from the cache.
    ready: (Duration, Duration),
    batches: Vec<Batches>,
    /// Bytes of memory when it was opened, and after all batches.
    memory: (usize, usize),
}

/// The figures of batches of one size.
struct Batches {
    events: usize,
    count: u32,
    time: Duration,
    cpu: Duration,
}

pub(super) async fn run(flags: &Bench) -> anyhow::Result<Exit> {
    let own = measure(flags, &flags.sink, &flags.grants).await?;
    let beside = match find(BESIDE, &flags.folders.directories()) {
        Ok(_) => Some(measure(flags, BESIDE, &Grants::default()).await?),
        Err(_) => None,
    };
    match flags.format {
        Format::Json => say_json!(
            "{:#}",
            json!({"sink": as_json(&own), "beside": beside.as_ref().map(as_json)})
        ),
        Format::Text => {
            print(&own);
            match &beside {
                Some(beside) if beside.digest != own.digest => print(beside),
                Some(_) => {}
                None => say!(
                    "(The sink {BESIDE}, to compare with, is in no sink folder: see --shipped-sinks.)"
                ),
            }
        }
    }
    Ok(Exit::Stopped)
}

async fn measure(flags: &Bench, sink: &str, grants: &Grants) -> anyhow::Result<Figures> {
    let found = find(sink, &flags.folders.directories())?;
    let artifact = Artifact::read(&found.component)?;
    let folder = tempfile::tempdir().context("cannot make a folder for compiled code")?;
    let (cold, _) = ready(grants, &found, &artifact, folder.path()).await?;
    let (cached, subject) = ready(grants, &found, &artifact, folder.path()).await?;
    let ready = (cold, cached);
    let mut sink = subject.opened().await.map_err(anyhow::Error::msg)?;
    let fresh = sink.memory();
    let mut batches = Vec::new();
    for events in SIZES {
        let batch = events::batch(0, events);
        let mut one = async || match subject.hand_over(&mut sink, &batch).await {
            Outcome::Stored(failures) if failures.is_empty() => Ok(()),
            outcome => bail!(
                "a batch of {events} was not stored: {}",
                subject.told(&outcome)
            ),
        };
        for _ in 0..WARM_UP {
            one().await?;
        }
        let (began, used) = (Instant::now(), cpu());
        let mut count = 0;
        while began.elapsed() < LENGTH {
            one().await?;
            count += 1;
        }
        batches.push(Batches {
            events,
            count,
            time: began.elapsed(),
            cpu: cpu().saturating_sub(used),
        });
    }
    let size = (artifact.bytes.len(), packed(&artifact.bytes)?);
    Ok(Figures {
        name: found.name,
        digest: artifact.digest,
        size,
        ready,
        batches,
        memory: (fresh, sink.memory()),
    })
}

/// From the component's bytes to an open sink.
async fn ready(
    grants: &Grants,
    found: &crate::sink::Found,
    artifact: &Artifact,
    cache: &Path,
) -> anyhow::Result<(Duration, Subject)> {
    let began = Instant::now();
    let engine = Engine::new(Compiler::Child(child::Limits::default()), Some(cache))?;
    let blueprint = Blueprint::load(&engine, artifact).await?;
    let (grant, success) = grants.resolve(found, &blueprint)?;
    let subject = Subject::new(Version::new(&found.name, blueprint, grant)?, success);
    drop(subject.opened().await.map_err(anyhow::Error::msg)?);
    Ok((began.elapsed(), subject))
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn packed(bytes: &[u8]) -> anyhow::Result<usize> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    Ok(writer.finish()?.len())
}

fn micros(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count.max(1) as f64
}

fn as_json(figures: &Figures) -> Value {
    let Figures {
        name,
        digest,
        size,
        ready,
        batches,
        memory,
    } = figures;
    let batches = batches.iter().map(|one| {
        let count = one.count as usize;
        let (time, cpu) = (micros(one.time, count), micros(one.cpu, count));
        json!({"events": one.events, "batches": one.count, "timeMicros": time, "cpuMicros": cpu})
    });
    json!({
        "name": name, "sha256": digest.to_string(), "bytes": size.0, "gzipBytes": size.1, "fitsConfigMap": size.1 <= CONFIG_MAP,
        "readyColdMillis": ready.0.as_secs_f64() * 1e3, "readyCachedMillis": ready.1.as_secs_f64() * 1e3,
        "batches": batches.collect::<Value>(), "memoryOpened": memory.0, "memoryAfter": memory.1,
    })
}

fn print(figures: &Figures) {
    let Figures {
        name,
        size,
        ready,
        batches,
        memory,
        ..
    } = figures;
    let fits = if size.1 <= CONFIG_MAP {
        "fits a ConfigMap"
    } else {
        "too large for one ConfigMap: `sink pack` parts it"
    };
    say!("{name}");
    say!("  size     {} bytes, {} with gzip: {fits}", size.0, size.1);
    say!(
        "  ready    {:.0} ms compiled, {:.1} ms from the cache",
        ready.0.as_secs_f64() * 1e3,
        ready.1.as_secs_f64() * 1e3
    );
    for one in batches {
        let (each, count) = (one.events, one.count as usize);
        let (time, cpu) = (micros(one.time, count), micros(one.cpu, count));
        say!(
            "  {each:>5} events a batch: {time:>9.1} us, {cpu:>9.1} us of a processor; {:>7.2} us an event",
            cpu / each as f64
        );
    }
    let (opened, after) = (memory.0 as f64 / 1_048_576.0, memory.1 as f64 / 1_048_576.0);
    say!(
        "  memory   {opened:.2} MiB opened, {after:.2} MiB after {} batches",
        batches
            .iter()
            .map(|one| one.count as usize + WARM_UP)
            .sum::<usize>()
    );
}
