//! The command line.

use clap::Parser;

use crate::service::Settings;

use super::tasks::Task;

/// Keeps Kubernetes events: hands every event of KubeDL jobs to a WebAssembly-sandboxed sink, and
/// loses none silently.
///
/// Exit codes: 0 stopped, or all is well; 1 failed; 2 wrong usage or grant; 3 some events could not
/// be stored (--once, audit) or read (explain); 4 --timeout passed (--once, audit); 5 audit: events
/// are missing; 6 audit: events are still to be delivered; 7 sink diff: the new version wants more;
/// 8 sink test: the sink does not do what the contract asks; 9 sink replay: it does something else
/// than was recorded.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubedl-events",
    version,
    max_term_width = 120,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Args {
    /// What else to do than to run
    #[command(subcommand)]
    pub task: Option<Task>,

    /// The settings of the service.
    #[command(flatten)]
    pub service: Settings,
}
