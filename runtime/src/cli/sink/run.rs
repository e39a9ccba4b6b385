//! `kubedl-events sink run`: real delivery of recorded events by one sink, without a cluster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use clap::Args as Flags;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::cluster::{Recording, Stats, spread};
use crate::event;
use crate::journal::{self, Journal};
use crate::relay::{self, Destination, Policy, Progress, State};
use crate::service::Exit;
use crate::service::settings::Format;
use crate::service::settings::{self, Objects, time};
use crate::service::{Pipeline, network};
use crate::sink::grant::{Document, Grant};
use crate::sink::http::Network;
use crate::sink::{Conditions, Sink, Term, Version};

use crate::service::Folders;
use crate::workbench::cast::{self, Head};
use crate::workbench::recorder::{self, Exchanges, Recorder};
use crate::workbench::{Described, load};

/// What a KubeDL job leaves behind: a PyTorchJob with three Pods, from its creation to its end, and
/// what else happened then.
const SAMPLE: &str = include_str!("../../../../testkit/recordings/job.jsonl");

/// `sink run`.
#[derive(Clone, Debug, Flags)]
pub struct Run {
    /// A .wasm file, or the NAME of a sink in a sink folder
    #[arg(value_name = "SINK")]
    pub sink: String,

    /// Recorded events, - for standard input: one JSON object a line, or `kubectl get events,pods
    /// -o json` [default: a sample of a KubeDL job's life]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Its grant [default: SINK.yaml in a --grant-dir, or the one that came with a shipped sink]
    #[arg(long, value_name = "FILE.yaml")]
    pub grant: Option<PathBuf>,

    /// Which events: those of KubeDL's jobs and what they control, or all
    #[arg(long, value_enum, default_value_t = Objects::All)]
    pub objects: Objects,

    /// Keep events, requests, answers and outcomes for `sink replay`; values of secrets are made up
    /// in it
    #[arg(long, value_name = "FILE.cast")]
    pub record: Option<PathBuf>,

    /// Region written into every event
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Name of the cluster, written into every event
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// Give up after this time, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1m")]
    pub timeout: Duration,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// The way of the sink's requests
    #[command(flatten)]
    pub network: settings::Network,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub(super) async fn run(flags: &Run) -> anyhow::Result<Exit> {
    let subject = load(&flags.sink, &flags.folders).await?;
    let network = network::from_flags(&flags.network)?;
    let grant = grant(flags, &subject)?;
    let folder = tempfile::tempdir().context("cannot make a folder for the journal")?;
    let began = Instant::now();
    let (progress, ended) = match &flags.record {
        None => {
            let mut sink = Sink::of(Version::new(
                &subject.found.name,
                subject.blueprint.clone(),
                grant,
            )?);
            sink.begin(Term::endless(), &network);
            deliver(flags, &subject.found.name, &mut sink, folder.path()).await?
        }
        Some(path) => record(flags, &subject, grant, &network, folder.path(), path).await?,
    };
    tell(flags, &progress, &ended, began.elapsed());
    Ok(match ended {
        Ended::Delivered { unreadable } if progress.dead() + unreadable > 0 => Exit::NotAllStored,
        Ended::Delivered { .. } => Exit::Stopped,
        Ended::TimedOut => Exit::TimedOut,
    })
}

fn grant(flags: &Run, subject: &Described) -> anyhow::Result<Grant> {
    let Some(path) = flags.grant.as_ref().or(subject.found.grant.as_ref()) else {
        if flags.format == Format::Text && !subject.blueprint.description().hosts.is_empty() {
            let (sink, beside) = (
                &flags.sink,
                subject
                    .found
                    .component
                    .with_file_name(format!("{}.yaml", subject.found.name)),
            );
            let next = if beside.is_file() {
                format!(
                    "{0} lies beside it, but is only a wish: --grant {0} makes it count",
                    beside.display()
                )
            } else {
                format!(
                    "`kubedl-events sink grant {sink} > grant.yaml` writes one: read it, and give it by --grant"
                )
            };
            note!("The sink was given no grant, and reaches nothing. {next}.");
        }
        return Ok(Grant::default());
    };
    let environment = |name: &str| std::env::var(name).ok();
    Ok(Document::read(path)?.resolve(&subject.found.name, Some(path), &environment)?)
}

/// How it ended.
enum Ended {
    Delivered { unreadable: u64 },
    TimedOut,
}

async fn record(
    flags: &Run,
    subject: &Described,
    mut grant: Grant,
    network: &Network,
    folder: &Path,
    path: &Path,
) -> anyhow::Result<(Progress, Ended)> {
    // One after the other, so that they have an order.
    grant.limits.http_width = 1;
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), path);
    let (conditions, exchanges) = (Conditions::new(seed), Exchanges::default());
    let head = Head::new(
        &subject.found.name,
        subject.blueprint.digest().to_string(),
        seed,
        &grant,
    );
    let network = network.clone().tapped(exchanges.tap(grant.clone()));
    let mut sink = Sink::of(
        Version::new(&subject.found.name, subject.blueprint.clone(), grant)?
            .under(conditions.clone()),
    );
    sink.begin(Term::endless(), &network);
    let mut recorder = Recorder::new(sink, conditions, exchanges, SystemTime::now);
    let done = deliver(flags, &subject.found.name, &mut recorder, folder).await?;
    let (head, calls) = recorder::disguised(&subject.blueprint, head, recorder.calls).await?;
    cast::write(path, &head, &calls)?;
    Ok(done)
}

/// Reads the events into a journal that ends with them, and hands them over until all are stored or
/// given up.
async fn deliver(
    flags: &Run,
    name: &str,
    destination: &mut impl Destination,
    folder: &Path,
) -> anyhow::Result<(Progress, Ended)> {
    let journal = Journal::open(&journal::Options {
        durable: false,
        ..journal::Options::new(folder)
    })?;
    let event = event::Options {
        region: flags.region.clone(),
        cluster: flags.cluster.clone(),
    };
    let unreadable = read_events(flags, &journal, &event).await?;
    let options = relay::Options {
        sink: name.to_owned(),
        policy: Policy::default(),
        grace: Duration::ZERO,
        event,
        select: None,
        spread,
        now: SystemTime::now,
    };
    let cursor = journal.register(name, journal::Start::Oldest).await?;
    let (progress, head) = (Progress::default(), *journal.head().borrow());
    let (stop, mut stopped) = watch::channel(false);
    relay::open(destination, &options, &mut stopped, |_| ()).await?;
    let mut position = progress.position();
    let finished = async {
        let done = position
            .wait_for(|position| *position >= head)
            .await
            .is_ok();
        stop.send_replace(true);
        done
    };
    let relayed = relay::run(
        destination,
        journal.clone(),
        cursor,
        &options,
        &progress,
        stopped,
    );
    let ended = match timeout(flags.timeout, async { tokio::join!(relayed, finished) }).await {
        Err(_) => Ended::TimedOut,
        Ok((relayed, _)) => {
            relayed?;
            Ended::Delivered { unreadable }
        }
    };
    journal.close().await?;
    Ok((progress, ended))
}

/// Reads the recording, or the sample, into the journal; gives how many objects can't be read.
async fn read_events(
    flags: &Run,
    journal: &Journal,
    event: &event::Options,
) -> anyhow::Result<u64> {
    let (recording, owners) = match &flags.from {
        Some(path) => Recording::open(path, &|_| ())?,
        None => Recording::of("the sample", SAMPLE)?,
    };
    let pipeline = Pipeline {
        owners,
        objects: flags.objects.into(),
        redaction: std::sync::Arc::default(),
        journal: journal.clone(),
        options: event.clone(),
        now: SystemTime::now,
    };
    let (out, observations) = mpsc::channel(4);
    let play = async {
        let played = recording.play(&out, &Stats::default()).await;
        drop(out);
        played
    };
    let (played, seen) = tokio::join!(play, pipeline.run(observations));
    played?;
    Ok(seen?.unreadable)
}

fn tell(flags: &Run, progress: &Progress, ended: &Ended, took: Duration) {
    let (stored, dead, retried, batches) = (
        progress.delivered(),
        progress.dead(),
        progress.retried(),
        progress.batches(),
    );
    let state = match progress.state() {
        State::Retrying { reason } | State::Misconfigured { reason }
            if matches!(ended, Ended::TimedOut) =>
        {
            format!("; it waits: {reason}")
        }
        _ => String::new(),
    };
    let unreadable = if let Ended::Delivered { unreadable } = ended {
        *unreadable
    } else {
        0
    };
    match flags.format {
        Format::Json => say_json!(
            "{}",
            json!({"stored": stored, "deadLetters": dead, "unreadable": unreadable, "retried": retried, "batches": batches, "timedOut": matches!(ended, Ended::TimedOut), "seconds": took.as_secs_f64()})
        ),
        Format::Text => note!(
            "{}: {stored} events stored, {dead} refused, {unreadable} unreadable; {batches} batches, {retried} tried again, {:.2} s{state}",
            if matches!(ended, Ended::TimedOut) {
                "gave up"
            } else {
                "done"
            },
            took.as_secs_f64()
        ),
    }
}
