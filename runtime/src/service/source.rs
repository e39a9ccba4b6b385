//! Where events come from: a cluster, or a recording.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::cluster::lease::{Elector, Place, Told};
use crate::cluster::{self, Begin, Mode, Observation, Owners, Recording, Scope, Witnesses, name};
use crate::event::redact::Redaction;
use crate::journal::{self, Journal, Origin};
use crate::telemetry::Board;

use super::bind;
use super::delivery::identity;
use super::heartbeat::Heartbeat;
use super::lead;
use super::settings::Settings;

/// How long the first list of Pods is waited for.
const PODS_PATIENCE: Duration = Duration::from_secs(30);
/// Observations of a scope that wait for the pipeline, of some MiB each at most.
const OBSERVATIONS: usize = 4;

/// For each scope the way of its observations.
pub(super) type Ways = Vec<(Scope, mpsc::Sender<Observation>)>;

/// Where events come from.
pub(super) enum Source {
    Cluster {
        client: Box<cluster::Client>,
        options: Box<cluster::Options>,
        owners: Owners,
        lease: Option<Place>,
    },
    Recording {
        recording: Recording,
        owners: Owners,
        stats: Arc<cluster::Stats>,
    },
}

impl Source {
    pub(super) async fn open(
        args: &Settings,
        redaction: &Redaction,
        board: &Board,
    ) -> Result<Self, cluster::Error> {
        let stats = board.cluster.clone();
        if let Some(path) = &args.from {
            let (recording, owners) = Recording::open(path, &|text| {
                redaction.hide(text);
            })?;
            return Ok(Self::Recording {
                recording,
                owners,
                stats,
            });
        }
        let options = cluster::Options {
            event_ttl: args.event_ttl,
            stats,
            ..args.cluster_flags.options()
        };
        let client = cluster::connect(&options).await?;
        let owners = Owners::new(client.clone());
        let namespace = || match &args.lease.lease_namespace {
            Some(namespace) => Ok(namespace.clone()),
            None => name::label(client.namespace()).map_err(|why| {
                cluster::Error::Kubeconfig(format!(
                    "the namespace of the kubeconfig's context, for the Lease: {why}"
                ))
            }),
        };
        let place = |namespace| Place {
            namespace,
            name: args.lease.lease_name.clone(),
        };
        let lease = if args.once {
            None
        } else {
            Some(place(namespace()?))
        };
        Ok(Self::Cluster {
            client: Box::new(client),
            options: Box::new(options),
            owners,
            lease,
        })
    }

    /// For the Lease, where there is to be one, and whether it says who delivers.
    pub(super) fn elector(
        &self,
        elect: bool,
        data: &Path,
        sinks: &[String],
    ) -> Option<(Elector, bool)> {
        match self {
            Self::Cluster {
                client,
                lease: Some(place),
                ..
            } => Some((
                Elector::new(
                    client,
                    place.clone(),
                    identity(elect, data),
                    sinks.to_vec(),
                    SystemTime::now,
                ),
                elect,
            )),
            _ => None,
        }
    }

    /// The way to the cluster.
    pub(super) fn access(&self) -> Option<Arc<cluster::Access>> {
        if let Self::Cluster { options, .. } = self {
            Some(options.access.clone())
        } else {
            None
        }
    }

    pub(super) fn client(&self) -> Option<&cluster::Client> {
        if let Self::Cluster { client, .. } = self {
            Some(client)
        } else {
            None
        }
    }

    /// Keys of what is watched.
    pub(super) fn scopes(&self) -> Vec<String> {
        match self {
            Self::Cluster { options, .. } => options
                .scopes
                .iter()
                .map(|scope| scope.key().to_owned())
                .collect(),
            Self::Recording { .. } => Vec::new(),
        }
    }

    /// A way for the observations of each scope, so that none waits for another's.
    pub(super) fn ways(&self) -> (Ways, Vec<mpsc::Receiver<Observation>>) {
        let scopes = match self {
            Self::Cluster { options, .. } => options.scopes.clone(),
            Self::Recording { .. } => vec![Scope::All],
        };
        let ways = scopes.into_iter().map(|scope| {
            let (out, observations) = mpsc::channel(OBSERVATIONS);
            ((scope, out), observations)
        });
        ways.unzip()
    }

    pub(super) fn owners(&self) -> Owners {
        match self {
            Self::Cluster { owners, .. } | Self::Recording { owners, .. } => owners.clone(),
        }
    }

    /// Ends when there is nothing more to see, or with an error that waiting can't heal.
    pub(super) async fn run(
        self,
        journal: &Journal,
        sinks: &[String],
        args: &Settings,
        ways: Ways,
    ) -> anyhow::Result<()> {
        let once = args.once;
        let (client, mut options, owners, lease) = match self {
            Self::Recording {
                recording, stats, ..
            } => {
                let Some((_, out)) = ways.into_iter().next() else {
                    return Ok(());
                };
                return Ok(recording.play(&out, &stats).await?);
            }
            Self::Cluster {
                client,
                options,
                owners,
                lease,
            } => (client, options, owners, lease),
        };
        bind::bind(&client, journal).await?;
        warn_of_missing(&client, &options.scopes).await;
        // Before any list: a journal that is new goes on where others have delivered, so that
        // nothing between is missed.
        let there = match &lease {
            Some(place) => lead::read(&client, place).await,
            None => None,
        };
        let mut pods = follow_pods(&owners, &options.scopes);
        tokio::select! {
            () = owners.listed(&options.scopes, PODS_PATIENCE) => {}
            Some(Ok(Err(why))) = pods.join_next() => return Err(why.into()),
        }
        if let (Some(interval), Some(place)) = (args.heartbeat, &lease) {
            options.reopen = start_heartbeat(&client, journal, &options, place, interval)?;
        }
        // All of them before the first event, which a sink may have been given by others.
        let mut begins = Vec::new();
        for (scope, out) in ways {
            let there = there.as_ref().filter(|_| !once);
            let begin = begin(journal, &scope, there, sinks, once).await?;
            begins.push((begin, scope, out));
        }
        let mode = if once { Mode::Once } else { Mode::Follow };
        let mut watches = JoinSet::new();
        for (begin, scope, out) in begins {
            info!(%scope, from = begin.from.as_ref().map_or("the list", |resume| &resume.resource_version), "Watching events.");
            let options = cluster::Options::clone(&options);
            watches.spawn(cluster::watch_on_thread(scope, begin, mode, options, out));
        }
        while let Some(ended) = watches.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Follows the Pods of each scope, for as long as what it gives lives.
fn follow_pods(owners: &Owners, scopes: &[Scope]) -> JoinSet<Result<(), cluster::Error>> {
    let mut pods = JoinSet::new();
    for scope in scopes {
        let (owners, scope, scopes) = (owners.clone(), scope.clone(), scopes.to_vec());
        pods.spawn(async move { owners.follow_pods(&scope, &scopes).await });
    }
    pods
}

/// Writes an event of its own now and then, in the Lease's namespace; what it gives says when a
/// watch is to be opened again.
fn start_heartbeat(
    client: &cluster::Client,
    journal: &Journal,
    options: &cluster::Options,
    place: &Place,
    interval: Duration,
) -> anyhow::Result<watch::Receiver<u64>> {
    let is_watched = |scope: &&Scope| matches!(scope, Scope::All) || scope.key() == place.namespace;
    let scope = options.scopes.iter().find(is_watched).with_context(|| {
        format!(
            "--heartbeat writes into the namespace {}, which is not watched: watch it too, or name another with --lease-namespace",
            place.namespace
        )
    })?;
    let (reopen, reopened) = watch::channel(0);
    let heartbeat = Heartbeat {
        client: client.clone(),
        namespace: place.namespace.clone(),
        name: place.name.clone(),
        scope: scope.key().to_owned(),
        interval,
        journal: journal.clone(),
        reopen,
    };
    tokio::spawn(heartbeat.run());
    Ok(reopened)
}

/// Where the watch of a scope begins: where the journal stands, else where the Lease says that
/// others have delivered, else with the list. A list is what `--once` asks for. Notes in the
/// journal what the Lease says that `sinks` have had.
///
/// # Errors
/// When the journal can't be read or written.
pub async fn begin(
    journal: &Journal,
    scope: &Scope,
    there: Option<&Told>,
    sinks: &[String],
    once: bool,
) -> Result<Begin, journal::Error> {
    let witnesses = witnesses(journal, scope).await?;
    let from = if once {
        None
    } else {
        journal.checkpoint(scope.key()).await?
    };
    if once || from.is_some() {
        return Ok(Begin {
            from,
            witnesses,
            ..Begin::default()
        });
    }
    // What the Lease says is of before the storage was set back, where this journal has noticed
    // that and not come to a checkpoint since.
    let there = if is_set_back(journal, scope, sinks).await? {
        None
    } else {
        there
    };
    let begin = there
        .map(|there| lead::begin(there, sinks, scope.key()))
        .unwrap_or_default();
    if begin.from.is_some() {
        info!(%scope, list_first = begin.list_first, "Going on where the Lease says.");
    }
    for (sink, reached) in there
        .iter()
        .flat_map(|there| lead::known(&there.delivered, sinks, scope.key()))
    {
        info!(%scope, sink, resource_version = reached.resource_version, "The Lease says how far the sink has come: what is older is not given to it again.");
        journal
            .begins(Origin {
                scope: scope.key().to_owned(),
                sink: sink.clone(),
                resource_version: reached.resource_version.clone(),
            })
            .await?;
    }
    Ok(Begin { witnesses, ..begin })
}

/// Whether all that the journal knows of a scope is that the storage was set back.
async fn is_set_back(
    journal: &Journal,
    scope: &Scope,
    sinks: &[String],
) -> Result<bool, journal::Error> {
    let Some(sink) = sinks.first() else {
        return Ok(false);
    };
    let delivered = journal.delivered(sink).await?;
    Ok(delivered
        .iter()
        .any(|(of, reached)| of == scope.key() && reached.resource_version.is_empty()))
}

/// Events by which the storage is known. They may lie on a damaged page that nobody has read yet:
/// what a start could not read, no next start could.
async fn witnesses(journal: &Journal, scope: &Scope) -> Result<Witnesses, journal::Error> {
    journal.read(|reader| reader.witnesses(scope.key())).await
}

/// An API server lists what is in a namespace that isn't there without a word: there is nothing.
async fn warn_of_missing(client: &cluster::Client, scopes: &[Scope]) {
    for scope in scopes {
        if let Scope::Namespace(name) = scope
            && client.has_namespace(name).await == Some(false)
        {
            warn!(
                "There is no namespace {name:?}: nothing is seen of it until there is. --namespace names what is watched; without it all namespaces are."
            );
        }
    }
}
