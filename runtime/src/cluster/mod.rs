//! 1. Kubernetes (or a recording) -> [`Raw`] events, the resource version that a watch has reached,
//!    and the owners of objects.
//!
//! A *scope* is what one watch covers: all namespaces, or one. Each has a resume point of its own.
//! The loop is ours, over plain list and watch requests, since a resume point must be an argument
//! and every bookmark must be seen. What the loop promises: an [`Observation`] with `reached` comes
//! only after every event up to it has been handed over, in the order of the watch; pages of a list
//! carry none until the last. Where the API server can't show what came since a watch last saw
//! everything, an observation says so before the list: what follows from it is the journal's to
//! record.

mod access;
mod client;
mod exempt;
mod eye;
mod heartbeat;
mod history;
mod inventory;
pub mod lease;
mod line;
mod list;
pub mod name;
mod owner;
mod pulse;
mod raw;
mod recording;
mod seldom;
mod stats;
mod stream;
mod utf16;
mod version;
mod watch;
pub mod yaml;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use access::Access;
pub use access::trust::{Trust, words as tls_words};
pub use client::{Client, connect};
pub use exempt::{Exemptions, Subnet};
pub use heartbeat::{COMPONENT, REASON};
pub use inventory::{Listed, inventory};
pub use line::{Assembler, Line, parse_line, parse_lines};
pub use owner::{Chain, Object, Owner, Owners, Seen, has_controller};
pub use pulse::Pulse;
pub(crate) use raw::scalar;
pub use raw::{Raw, Unreadable};
pub use recording::Recording;
pub use seldom::Seldom;
pub use stats::{Ending, Sight, Stats};
pub use version::{Deletion, Forgotten, Witness, Witnesses, is_before};
pub use watch::{Mode, watch, watch_on_thread};

/// What one watch covers. Displays as `all namespaces` or `namespace NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Every namespace.
    All,
    /// One namespace.
    Namespace(String),
}

impl Scope {
    /// The key under which the journal keeps the scope's checkpoint: `*` or the namespace.
    pub fn key(&self) -> &str {
        match self {
            Self::All => "*",
            Self::Namespace(name) => name,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all namespaces"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
        }
    }
}

/// How to reach the cluster and what to watch.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--kubeconfig`; without it the usual places, then the Pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// `--context` of the kubeconfig.
    pub context: Option<String>,
    /// The way to the cluster, once it is found: those who have these options share it.
    pub access: Arc<Access>,
    /// What to watch; never empty.
    pub scopes: Vec<Scope>,
    /// Events a page of a list.
    pub page: u32,
    /// After how long the server is asked to end a watch, so that a dead connection is noticed.
    pub watch_timeout: Duration,
    /// How long arriving events are collected before they are handed over together; the watch's
    /// thread sleeps meanwhile.
    pub collect: Duration,
    /// How long the API server shows an event (its `--event-ttl`).
    pub event_ttl: Duration,
    /// A change closes an open watch, and opens it again from where it stands.
    pub reopen: tokio::sync::watch::Receiver<u64>,
    /// The clock.
    pub now: fn() -> SystemTime,
    /// A number from 0 to 1, another one each time: waits grow by up to a quarter, so that many
    /// clients don't come at once.
    pub spread: fn() -> f64,
    /// Where what is done is counted.
    pub stats: Arc<Stats>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            access: Arc::default(),
            scopes: vec![Scope::All],
            page: 500,
            watch_timeout: Duration::from_secs(240),
            collect: Duration::from_millis(8),
            event_ttl: Duration::from_secs(3600),
            reopen: tokio::sync::watch::channel(0).1,
            now: SystemTime::now,
            spread,
            stats: Arc::default(),
        }
    }
}

/// A number from 0 to 1, another one each time, from the operating system.
pub fn spread() -> f64 {
    let bits = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// Where a watch goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Everything up to this resource version has been seen.
    pub resource_version: String,
    /// When that was last known to be everything; 1970 where nobody knows.
    pub at: SystemTime,
}

/// Where a watch begins.
#[derive(Clone, Debug, Default)]
pub struct Begin {
    /// After this; none: with the list.
    pub from: Option<Resume>,
    /// The resource version that the storage is known to have reached, where that is further; or
    /// empty.
    pub reached: String,
    /// Events that were seen before, to know the storage by.
    pub witnesses: Witnesses,
    /// Reads the list before it goes on after `from`: there is a sink that has stored nothing yet.
    pub list_first: bool,
    /// Sight was lost before.
    pub lost: Option<Lost>,
}

/// Events may have come and gone since a watch last saw everything; a list follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where the watch stood.
    pub last: Resume,
    /// What happened, for people.
    pub reason: String,
    /// The API server's storage was set back: its resource versions begin anew from an earlier one.
    pub set_back: bool,
}

/// Something that a source has seen.
#[derive(Debug)]
pub struct Observation {
    /// Where.
    pub scope: Scope,
    /// Events, in the order in which they came.
    pub events: Vec<Raw>,
    /// What stood where an event should, and can't be read as one.
    pub unreadable: Vec<Unreadable>,
    /// When set: everything up to there has been handed over.
    pub reached: Option<Resume>,
    /// When set: sight was lost before this observation.
    pub lost: Option<Lost>,
    /// Namespaces whose newest event was deleted: the events seen of them before tell nothing about
    /// the storage any more.
    pub forgotten: Vec<Forgotten>,
    /// For how long the API server had an event that is gone now, since it was last written: its
    /// `--event-ttl`, where nobody deleted the event by hand.
    pub lifetime: Option<Duration>,
}

impl Observation {
    /// Of nothing yet.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            events: Vec::new(),
            unreadable: Vec::new(),
            reached: None,
            lost: None,
            forgotten: Vec::new(),
            lifetime: None,
        }
    }
}

/// Why the cluster can't be watched. `Forbidden`, `Unauthorized`, `Credentials` and `Kubeconfig`
/// end a start; the others are retried.
#[derive(Debug)]
pub enum Error {
    /// No usable way to a cluster was configured. Not retryable.
    Kubeconfig(String),
    /// There are no credentials to show, as when a credential plugin fails. Not retryable at a
    /// start.
    Credentials(String),
    /// A recording can't be read. Not retryable.
    Recording {
        /// The file.
        path: PathBuf,
        /// Why, with the place.
        why: String,
    },
    /// The API server refused the identity (401). Not retryable at a start.
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// RBAC refused (403). Not retryable at a start.
    Forbidden {
        /// `list` or `watch` or `get`.
        verb: &'static str,
        /// `events`, `pods`, ...
        resource: &'static str,
        /// The API group; empty for core.
        group: &'static str,
        /// Where.
        scope: Scope,
        /// The server's words.
        message: String,
    },
    /// The resource version is no longer (or not yet) known: list again.
    Expired,
    /// An answer that says to come again. Retryable after the time, if there is one.
    Busy {
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
        /// `Retry-After`.
        after: Option<Duration>,
    },
    /// A watch that was ended at once, again and again. Retryable.
    Cut(String),
    /// No connection, or a broken one. Retryable.
    Unreachable(String),
    /// An answer that isn't what the API promises. Retryable.
    Protocol(String),
}

impl Error {
    /// Whether waiting can't heal it, so that a start should end.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Kubeconfig(_)
                | Self::Credentials(_)
                | Self::Recording { .. }
                | Self::Unauthorized { .. }
                | Self::Forbidden { .. }
        )
    }

    /// Nothing was answered for so long.
    pub(crate) fn silent(time: Duration) -> Self {
        Self::Unreachable(format!("it has not answered for {} s", time.as_secs()))
    }

    /// How long the API server asks to be left alone; zero where it doesn't.
    pub fn after(&self) -> Duration {
        if let Self::Busy {
            after: Some(after), ..
        } = self
        {
            *after
        } else {
            Duration::ZERO
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig(why) => write!(f, "cannot find a cluster: {why}"),
            Self::Credentials(why) => write!(f, "cannot log in to the cluster: {why}"),
            Self::Recording { path, why } => {
                write!(f, "cannot read the recording {}: {why}", path.display())
            }
            Self::Unauthorized { message } => write!(
                f,
                "the API server does not accept these credentials (401: {message}). Renew the token or certificate of the kubeconfig or service account"
            ),
            Self::Forbidden {
                verb,
                resource,
                group,
                scope,
                message,
            } => {
                let (kind, place) = match scope {
                    Scope::All => ("ClusterRole", String::new()),
                    Scope::Namespace(name) => ("Role", format!(" in namespace {name}")),
                };
                let verbs = match *resource {
                    "leases" => r#""get", "create", "update""#,
                    "events" => r#""list", "watch""#,
                    "pods" if *verb != "get" => r#""list", "watch""#,
                    _ => r#""get""#,
                };
                // Its uid names the cluster; of others nothing is read.
                let names = if *resource == "namespaces" {
                    "    resourceNames: [\"kube-system\"]\n"
                } else {
                    ""
                };
                write!(
                    f,
                    "not permitted to {verb} {resource}{place}: {message}. A {kind} with this rule gives it, bound to that user:\n  \
                     - apiGroups: [\"{group}\"]\n    resources: [\"{resource}\"]\n{names}    verbs: [{verbs}]"
                )
            }
            Self::Expired => write!(
                f,
                "the resource version is too old: the list has to be read again"
            ),
            Self::Busy {
                status: 0, message, ..
            } => write!(f, "the API server answered with an error: {message}"),
            Self::Busy {
                status, message, ..
            } => write!(f, "the API server answered {status}: {message}"),
            Self::Cut(why) => write!(f, "{why}"),
            Self::Unreachable(why) => write!(f, "the API server can't be reached: {why}"),
            Self::Protocol(why) => write!(f, "the API server's answer can't be read: {why}"),
        }
    }
}

impl std::error::Error for Error {}
