//! Subcommands and their flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Flags, Subcommand};

use crate::sink::loading::Form;

use crate::service::settings::{Cluster, Format, Settings, time};

/// Subcommands: they look into the journal of a running service, or of one that is stopped, or
/// prepare a sink.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// List the intervals in which events may have come and gone unseen, or were given up
    Gaps(Look),
    /// Events that a sink will never store: look at them, have them tried again, or drop them
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Compare what the API server has with the journal: stored, pending, dead letters, filtered,
    /// missing
    Audit(Audit),
    /// Show how the running service is: who delivers, how far each sink is behind, and what fails
    Status(Look),
    /// Write the completions of this program for a shell
    Completions {
        /// Which
        shell: clap_complete::Shell,
    },
    /// Sinks: begin, try and measure one of your own; look at what one asks for, grant it, and pack
    /// it for a cluster
    #[command(subcommand)]
    Sink(super::sink::Command),
    /// The settings: show what holds and where it comes from, check it, print its schema
    #[command(subcommand)]
    Config(Config),
    /// Say which rule keeps or drops events, for each sink, and what is hidden in them
    Explain(Explain),
    /// Show which requests the sinks sent, to which host and address
    #[command(subcommand)]
    Egress(Egress),
    /// What a child process does: looks into a component from stdin and compiles it, or unpacks
    /// one, within limits, to stdout
    #[command(name = crate::sink::child::SUBCOMMAND, hide = true)]
    CompileSink {
        /// Bytes of data
        memory: u64,
        /// Seconds of a processor
        cpu: u64,
        /// Unpack what is packed in this form
        #[arg(long, value_parser = form)]
        unpack: Option<Form>,
    },
}

/// The form of what is packed, by the end of a file's name.
fn form(text: &str) -> Result<Form, String> {
    Form::ALL
        .into_iter()
        .find(|form| form.suffix() == text)
        .ok_or_else(|| format!("{text:?} is no form of a packed sink"))
}

/// Where the journal is, and how to print.
#[derive(Clone, Debug, Flags)]
pub struct Look {
    /// Folder of the journal
    #[arg(
        long,
        env = "KUBEDL_EVENTS_DATA_DIR",
        value_name = "DIR",
        default_value = "/var/lib/kubedl-events"
    )]
    pub data_dir: PathBuf,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `dead-letters`.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLetters {
    /// List them, the oldest first
    List {
        /// Of this sink only
        #[arg(long, value_name = "NAME")]
        sink: Option<String>,
        /// Where and how.
        #[command(flatten)]
        look: Look,
    },
    /// Show one, with the event as Kubernetes wrote it
    Show {
        /// Its number
        id: i64,
        /// Where and how.
        #[command(flatten)]
        look: Look,
    },
    /// Have the sink try them again
    Retry {
        /// Which.
        #[command(flatten)]
        choice: Choice,
        /// Where and how.
        #[command(flatten)]
        look: Look,
    },
    /// Throw them away: these events will not be at the destination
    Drop {
        /// Which.
        #[command(flatten)]
        choice: Choice,
        /// Where and how.
        #[command(flatten)]
        look: Look,
    },
}

/// Which dead letters.
#[derive(Clone, Debug, Flags)]
#[group(required = true, multiple = false)]
pub struct Choice {
    /// Numbers of dead letters
    #[arg(value_name = "ID")]
    pub ids: Vec<i64>,

    /// All of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
}

/// `audit`.
#[derive(Clone, Debug, Flags)]
pub struct Audit {
    /// Where and how.
    #[command(flatten)]
    pub look: Look,

    /// Which events, of which cluster
    #[command(flatten)]
    pub cluster_flags: Cluster,

    /// How long the service may take to see, and to deliver, what the list shows
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    pub wait: Duration,

    /// Give up when the API server has not shown its events after this time
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5m")]
    pub timeout: Duration,
}

/// `egress`.
#[derive(Clone, Debug, Subcommand)]
pub enum Egress {
    /// Print the newest requests of each sink, of the last day and 2,000 at most, the oldest first:
    /// never a value of them
    List {
        /// Of this sink only
        #[arg(long)]
        sink: Option<String>,
        /// Where and how.
        #[command(flatten)]
        look: Look,
    },
}

/// `config`.
#[derive(Clone, Debug, Subcommand)]
pub enum Config {
    /// Print every setting that holds, and where it comes from; secrets are not shown
    Show {
        /// The settings.
        #[command(flatten)]
        service: Box<Settings>,
        /// For people, or for machines
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check all that can be checked without a cluster: settings, selections, redaction rules,
    /// sinks and their grants
    Check {
        /// The settings.
        #[command(flatten)]
        service: Box<Settings>,
    },
    /// Print the JSON Schema of the file for --config, for an editor
    Schema,
}

/// `explain`.
#[derive(Clone, Debug, Flags)]
pub struct Explain {
    /// Events, and the Pods that they are about, as `kubectl get events,pods -o json` prints them,
    /// or in any form that --from reads; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Ask the cluster who controls Pods that are not in the file
    #[arg(long)]
    pub live: bool,

    /// The settings of the service.
    #[command(flatten)]
    pub service: Box<Settings>,

    /// For people, or for machines
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}
