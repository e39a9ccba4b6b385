//! `status`: how the running service is. And `completions`.

use anyhow::bail;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::telemetry::words;

use super::args::Args;
use super::tasks::Look;

use crate::service::Exit;
use crate::service::control;
use crate::service::settings::Format;

/// Prints it.
pub(super) fn run(look: &Look) -> anyhow::Result<Exit> {
    let Some(status) = control::ask_status(&look.data_dir)? else {
        bail!(
            "no service runs with the data folder {}: give its folder with --data-dir. `kubedl-events gaps` and `dead-letters list` read the journal of one that is stopped",
            look.data_dir.display()
        );
    };
    match look.format {
        Format::Text => words(&status).iter().for_each(|line| say!("{line}")),
        Format::Json => say_json!("{}", serde_json::to_string_pretty(&status)?),
    }
    Ok(Exit::Stopped)
}

/// Writes what a shell sources.
pub(super) fn completions(shell: Shell) -> Result<Exit, (anyhow::Error, Exit)> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kubedl-events", &mut script);
    // Nobody reads any more, as after `| head`.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
    Ok(Exit::Stopped)
}
