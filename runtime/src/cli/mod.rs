//! The edge: the command line, configuration, and a thin module for each subcommand.

mod args;
mod audit;
mod config;
mod dead_letters;
mod egress;
mod explain;
mod gaps;
mod sink;
mod status;
mod tasks;

use std::process::ExitCode;

use config::Origins;

pub use args::Args;

use crate::service::{self, Exit};
use crate::sink::child;
use crate::telemetry;

use tasks::Task;

/// What a shell says of a program that SIGPIPE ended (128 and the signal): not 0, with which
/// `audit` says that everything is stored.
const UNREAD: i32 = 141;

/// The program: reads the command line, runs, and says in one sentence what went wrong.
pub fn main() -> ExitCode {
    heed_readers_that_go();
    let config::Parsed { mut args, origins } =
        config::parse(std::env::args_os()).unwrap_or_else(|why| why.exit());
    if let Some(Task::CompileSink {
        memory,
        cpu,
        unpack,
    }) = args.task
    {
        return child(
            unpack.map_or(child::Task::Compile, child::Task::Unpack),
            memory,
            cpu,
        );
    }
    if args.task.is_none() {
        args.service.shown = config::shown(&origins, variable);
    }
    let ended = start(&args, &origins);
    if let Err((error, _)) = &ended {
        note!("error: {error:#}");
    }
    ended.unwrap_or_else(|(_, exit)| exit).into()
}

/// Ends the program in silence when nobody reads what it prints, as after `| head`: println! would
/// take that for a fault.
fn heed_readers_that_go() {
    let said = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.payload_as_str().unwrap_or_default();
        if words.starts_with("failed printing to stdout") && words.contains("Broken pipe") {
            std::process::exit(UNREAD);
        }
        said(panic);
    }));
}

/// The process that looks into foreign bytes for another one, which reads its words.
fn child(task: child::Task, memory: u64, cpu: u64) -> ExitCode {
    match child::main(task, memory, cpu) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            note!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args, origins: &Origins) -> Result<Exit, (anyhow::Error, Exit)> {
    telemetry::init(
        &args.service.log_level,
        args.service.log_format.map(Into::into),
    )
    .map_err(|why| (why.into(), Exit::Usage))?;
    let failed = |why: std::io::Error| {
        (
            anyhow::Error::new(why).context("cannot start the asynchronous runtime"),
            Exit::Failed,
        )
    };
    // One thread is enough for the watch; each sink and the journal have their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let ended = runtime.block_on(async {
        let told = |why: anyhow::Error| (why, Exit::Failed);
        match &args.task {
            Some(Task::Gaps(look)) => return gaps::run(look).map_err(told),
            Some(Task::DeadLetters(task)) => return dead_letters::run(task).await.map_err(told),
            Some(Task::Status(look)) => return status::run(look).map_err(told),
            Some(Task::Egress(task)) => return egress::run(task).map_err(told),
            Some(Task::Completions { shell }) => return status::completions(*shell),
            Some(Task::Audit(audit)) => return audit::run(audit).await.map_err(told),
            Some(Task::Sink(command)) => return sink::run(command).await.map_err(|why| (why, Exit::Usage)),
            Some(Task::Config(task)) => return config::run(task, origins, variable).await,
            Some(Task::Explain(explain)) => {
                // A file without events, or a cluster that can't be asked, is no mistake in the
                // flags.
                return explain::run(explain, variable).await.map_err(|why| {
                    let exit = if why.is::<crate::cluster::Error>() { Exit::Failed } else { Exit::Usage };
                    (why, exit)
                });
            }
            Some(Task::CompileSink { .. }) | None => {}
        }
        if let Some(file) = origins.outdone() {
            tracing::warn!("What {} has under event-storage does not count: --event-storage, or its variable, names other sinks.", file.display());
        }
        let stop = service::stop_signal().map_err(failed)?;
        service::run(&args.service, variable, stop).await
    });
    // What blocks a thread must not hold up the end.
    runtime.shutdown_background();
    ended
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
