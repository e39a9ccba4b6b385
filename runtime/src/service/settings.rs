//! The settings of the service: flags and their environment variables, as texts, numbers and paths
//! only, and what they mean for each stage.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as Flags;
use serde::{Deserialize, Serialize};

use crate::cluster::{self, Scope, name};
use crate::journal;
use crate::sink::Directories;

pub use super::choice::{Format, LogFormat, Objects, OnFull, Start};
use super::quantity::size;
pub(crate) use super::quantity::time;

/// The environment variable of `--config`.
pub(crate) const CONFIG_VARIABLE: &str = "KUBEDL_EVENTS_CONFIG";

/// A setting that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownSetting {
    /// The flag's, without the dashes.
    pub name: String,
    /// A secret is not told.
    pub values: Vec<String>,
    /// In words.
    pub from: String,
    /// Whether it may be given several times.
    pub many: bool,
}

/// The settings of the service. Each can be given by its flag, its environment variable, or in the
/// file of `--config` by the flag's name; the first of these wins.
#[derive(Clone, Debug, Flags)]
pub struct Settings {
    /// All of these as `config show` tells them, to be told to subcommands that ask.
    #[arg(skip)]
    pub shown: Vec<ShownSetting>,

    /// YAML file of settings, each under the name of its flag; flags and environment variables win
    /// over it
    #[arg(long, env = CONFIG_VARIABLE, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where events go: the NAME of a sink in a sink folder, the path of a .wasm file, or INSTANCE=
    /// and one of these; may be repeated
    #[arg(
        long,
        env = "KUBEDL_EVENTS_EVENT_STORAGE",
        value_name = "SINK",
        value_delimiter = ','
    )]
    pub event_storage: Vec<String>,

    /// Which events a sink gets: SINK=EXPRESSION in CEL over the event, such as 'sls=type ==
    /// "Warning"'; may be repeated, in the variable one a line
    #[arg(
        long,
        env = "KUBEDL_EVENTS_SELECT",
        value_name = "SINK=EXPRESSION",
        value_delimiter = '\n'
    )]
    pub select: Vec<String>,

    /// What is hidden in every event before it is stored: NAME=REGEX; what matches becomes
    /// [redacted:NAME]; may be repeated, in the variable one a line
    #[arg(
        long,
        env = "KUBEDL_EVENTS_REDACT",
        value_name = "NAME=REGEX",
        value_delimiter = '\n'
    )]
    pub redact: Vec<String>,

    /// Region written into every event; the environment variable REGION wins over this
    #[arg(long, env = "KUBEDL_EVENTS_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// Name of the cluster, written into every event
    #[arg(long, env = "KUBEDL_EVENTS_CLUSTER", value_name = "NAME")]
    pub cluster: Option<String>,

    /// Which events: those of KubeDL's jobs and what they control, or all
    #[arg(long, env = "KUBEDL_EVENTS_OBJECTS", value_enum, default_value_t = Objects::Kubedl)]
    pub objects: Objects,

    /// Which events, of which cluster
    #[command(flatten)]
    pub cluster_flags: Cluster,

    /// Read recorded events from a file instead of a cluster, - for standard input: JSON or YAML,
    /// as lists, one after the other, lines of a watch or of eventrouter, also packed with gzip
    #[arg(long, env = "KUBEDL_EVENTS_FROM", value_name = "FILE", conflicts_with_all = ["kubeconfig", "context", "namespace"])]
    pub from: Option<PathBuf>,

    /// End when all that was there (the list, or the recording) has been stored
    #[arg(long, env = "KUBEDL_EVENTS_ONCE")]
    pub once: bool,

    /// With --once: give up after this time, such as 90s or 5m, from when the sinks are open
    #[arg(long, env = "KUBEDL_EVENTS_TIMEOUT", value_name = "TIME", value_parser = time, requires = "once")]
    pub timeout: Option<Duration>,

    /// The Lease
    #[command(flatten)]
    pub lease: Lease,

    /// Write an event of its own every minute, or every TIME, to prove that the watch sees what is
    /// written; one that doesn't is opened again
    #[arg(
        long,
        env = "KUBEDL_EVENTS_HEARTBEAT",
        value_name = "TIME",
        value_parser = time,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s",
        conflicts_with_all = ["from", "once"]
    )]
    pub heartbeat: Option<Duration>,

    /// Folder of the journal and the compiled sinks
    #[arg(
        long,
        env = "KUBEDL_EVENTS_DATA_DIR",
        value_name = "DIR",
        default_value = "/var/lib/kubedl-events"
    )]
    pub data_dir: PathBuf,

    /// How long delivered events stay in the journal
    #[arg(long, env = "KUBEDL_EVENTS_RETAIN", value_name = "TIME", value_parser = time, default_value = "24h")]
    pub retain: Duration,

    /// The API server's --event-ttl: who saw nothing for longer may have missed events
    #[arg(long, env = "KUBEDL_EVENTS_EVENT_TTL", value_name = "TIME", value_parser = time, default_value = "1h")]
    pub event_ttl: Duration,

    /// The most that the data folder may take, compiled and kept sinks included, such as 512Mi or
    /// 4Gi [default: half of the volume]
    #[arg(long, env = "KUBEDL_EVENTS_MAX_SIZE", value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// At --max-size, when everything still has to be delivered: see no more events, or let the
    /// slowest sink lose its oldest [default: block with one sink, shed with several]
    #[arg(long, env = "KUBEDL_EVENTS_ON_FULL", value_enum)]
    pub on_full: Option<OnFull>,

    /// Where a sink begins that the journal doesn't know yet
    #[arg(long, env = "KUBEDL_EVENTS_START", value_enum, default_value_t = Start::Oldest)]
    pub start: Start,

    /// How long a batch in flight is waited for when stopping
    #[arg(long, env = "KUBEDL_EVENTS_GRACE", value_name = "TIME", value_parser = time, default_value = "20s")]
    pub grace: Duration,

    /// How long an event that a sink does not get stored, while it stores others, is tried again by
    /// itself; then it is a dead letter
    #[arg(long, env = "KUBEDL_EVENTS_GIVE_UP_AFTER", value_name = "TIME", value_parser = time, default_value = "1h")]
    pub give_up_after: Duration,

    /// Where metrics and probes are served, such as :8080 for all addresses: /metrics, /livez,
    /// /readyz [default: nowhere]
    #[arg(long, env = "KUBEDL_EVENTS_LISTEN_ADDRESS", value_name = "ADDRESS:PORT", value_parser = crate::telemetry::address)]
    pub listen_address: Option<String>,

    /// Where sinks and grants lie.
    #[command(flatten)]
    pub folders: Folders,

    /// The way of sinks' requests
    #[command(flatten)]
    pub network: Network,

    /// What the log says: a level, or target=level pairs as in RUST_LOG
    #[arg(
        long,
        env = "KUBEDL_EVENTS_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,

    /// What the log looks like [default: text on a terminal, json elsewhere]
    #[arg(long, env = "KUBEDL_EVENTS_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

/// Which cluster, and which of its events.
#[derive(Clone, Debug, Flags)]
pub struct Cluster {
    /// Events of this namespace only; may be repeated [default: all namespaces]
    #[arg(short, long, env = "KUBEDL_EVENTS_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub namespace: Vec<String>,

    /// The kubeconfig file [default: as kubectl, else the Pod's service account]
    #[arg(long, env = "KUBEDL_EVENTS_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig
    #[arg(long, env = "KUBEDL_EVENTS_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
}

impl Cluster {
    /// What the flags mean for the watch.
    pub(crate) fn options(&self) -> cluster::Options {
        let mut options = cluster::Options {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            ..Default::default()
        };
        if !self.namespace.is_empty() {
            options.scopes = self
                .namespace
                .iter()
                .cloned()
                .map(Scope::Namespace)
                .collect();
            options.scopes.sort();
            options.scopes.dedup();
        }
        options
    }
}

/// About the Lease that says who delivers, and what is delivered.
#[derive(Clone, Debug, Flags)]
pub struct Lease {
    /// Deliver only while this process holds the Lease, so that two replicas can run
    #[arg(long, env = "KUBEDL_EVENTS_LEADER_ELECT", conflicts_with_all = ["from", "once"])]
    pub leader_elect: bool,

    /// The Lease that keeps what is delivered, and with --leader-elect who delivers
    #[arg(long, env = "KUBEDL_EVENTS_LEASE_NAME", value_name = "NAME", value_parser = name::subdomain, default_value = "kubedl-events")]
    pub lease_name: String,

    /// The Lease's namespace [default: the Pod's, or the kubeconfig context's]
    #[arg(long, env = "KUBEDL_EVENTS_LEASE_NAMESPACE", value_name = "NAMESPACE", value_parser = name::label)]
    pub lease_namespace: Option<String>,
}

/// How sinks' requests leave the process.
#[derive(Clone, Debug, Flags)]
pub struct Network {
    /// The HTTP proxy through which sinks' https requests go: http://[USER:PASSWORD@]HOST:PORT. The
    /// variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY are for the way to the API server alone, as
    /// kubectl reads them
    #[arg(
        long,
        env = "KUBEDL_EVENTS_HTTPS_PROXY",
        value_name = "URL",
        hide_env_values = true
    )]
    pub https_proxy: Option<String>,

    /// Hosts that are reached without the proxy: names (with all below them), .names (only what is
    /// below), addresses, networks such as 10.0.0.0/8
    #[arg(
        long,
        env = "KUBEDL_EVENTS_NO_PROXY",
        value_name = "LIST",
        value_delimiter = ','
    )]
    pub no_proxy: Vec<String>,

    /// PEM file of certificate authorities that sinks' destinations may have, besides the built-in
    /// ones
    #[arg(long, env = "KUBEDL_EVENTS_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Where sinks and grants lie.
#[derive(Clone, Debug, Flags)]
pub struct Folders {
    /// A folder of sinks; a grant beside them is only a wish; may be repeated
    #[arg(
        long,
        env = "KUBEDL_EVENTS_SINK_DIR",
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub sink_dir: Vec<PathBuf>,

    /// A folder of your grants, SINK.yaml each: what counts; may be repeated
    #[arg(
        long,
        env = "KUBEDL_EVENTS_GRANT_DIR",
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub grant_dir: Vec<PathBuf>,

    /// The folder of the sinks that came with this program, each with its grant [default: sinks
    /// beside the program]
    #[arg(long, env = "KUBEDL_EVENTS_SHIPPED_SINKS", value_name = "DIR")]
    pub shipped_sinks: Option<PathBuf>,
}

impl Folders {
    /// What the flags mean.
    pub(crate) fn directories(&self) -> Directories {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("sinks"));
        let shipped = self
            .shipped_sinks
            .clone()
            .or_else(beside)
            .filter(|folder| folder.is_dir());
        Directories {
            shipped,
            sinks: self.sink_dir.clone(),
            grants: self.grant_dir.clone(),
        }
    }
}

impl Settings {
    /// What the flags mean for the journal, with so many sinks.
    pub(crate) fn journal(&self, directory: &Path, sinks: usize) -> journal::Options {
        let on_full = match self.on_full {
            Some(OnFull::Block) => journal::OnFull::Block,
            Some(OnFull::Shed) => journal::OnFull::Shed,
            None if sinks > 1 => journal::OnFull::Shed,
            None => journal::OnFull::Block,
        };
        let (retain, durable, event_ttl) = (self.retain, self.from.is_none(), self.event_ttl);
        let max_size = self
            .max_size
            .or_else(|| journal::half_of_volume(directory))
            .filter(|_| durable);
        let [spare, stays] =
            [COMPILED, KEPT].map(|folder| Some(directory.join(folder)).filter(|_| durable));
        journal::Options {
            retain,
            durable,
            event_ttl,
            max_size,
            on_full,
            spare,
            stays,
            ..journal::Options::new(directory)
        }
    }
}

/// The folder of compiled code in the data folder.
pub(crate) const COMPILED: &str = "compiled";
/// And that of the versions of sinks that opened last.
pub(crate) const KEPT: &str = "sinks";

/// The name of a namespace that is watched. `all` is a name like others, but nobody means it.
fn namespace(text: &str) -> Result<String, String> {
    if text == "all" {
        return Err(
            "\"all\" would be a namespace of that name: leave --namespace out for all namespaces"
                .to_owned(),
        );
    }
    name::label(text)
}
