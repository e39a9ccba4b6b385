//! Settings: from flags, the environment and a file, the first of these winning, and where each
//! comes from.

mod check;
mod file;
mod origins;
mod schema;
mod settable;
mod show;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::args::Args;
use super::tasks::{Config, Task};

use crate::service::CONFIG_VARIABLE;
use crate::service::Exit;
use crate::service::control;

use file::File;
pub(super) use origins::Origins;
use origins::{chosen, source};
use settable::{FLAG, flags};
pub(super) use show::of as shown;

/// A command line that was read.
pub(super) struct Parsed {
    pub args: Args,
    pub origins: Origins,
}

/// Reads a command line, and the file that it or the environment names.
///
/// # Errors
/// As clap has them, ready to be printed.
pub(super) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Parsed, clap::Error> {
    let line: Vec<OsString> = line.into_iter().collect();
    let mut parsed = read(line.clone())?;
    if let Some(Task::Explain(explain)) = &parsed.args.task
        && !parsed.origins.on_command_line()
        && let Ok(Some(settings)) = control::ask_settings(&explain.service.data_dir)
    {
        // Of the service that runs there: in its Pod, this process sees neither its arguments nor
        // its file.
        parsed = read(line.into_iter().chain(show::as_flags(&settings)).collect())?;
    }
    let needs_sinks = match &parsed.args.task {
        None => Some(&parsed.args.service),
        Some(Task::Explain(explain)) => Some(&*explain.service),
        Some(Task::Config(Config::Check { service })) => Some(&**service),
        Some(_) => None,
    };
    if needs_sinks.is_some_and(|service| service.event_storage.is_empty()) {
        let why = "no sink is given: name one with --event-storage, or under event-storage in the file of --config";
        return Err(Args::command().error(ErrorKind::MissingRequiredArgument, why));
    }
    Ok(parsed)
}

fn read(line: Vec<OsString>) -> Result<Parsed, clap::Error> {
    let mut command = Args::command();
    let Some(path) = named(&command, &line) else {
        let matches = command.try_get_matches_from_mut(&line)?;
        return Ok(Parsed {
            args: Args::from_arg_matches(&matches)?,
            origins: Origins {
                matches,
                file: None,
                outdone: false,
            },
        });
    };
    let mut file = File::read(&path, &command).map_err(|why| command.error(ErrorKind::Io, why))?;
    let mut matches = merged(&file, &line)?;
    let outdone = file.has("event_storage")
        && source(chosen(&matches), "event_storage")
            .is_some_and(|source| source != ValueSource::DefaultValue);
    if outdone {
        file = file.without_its_sinks();
        matches = merged(&file, &line)?;
    }
    agree(&file, &command, &matches)
        .map_err(|why| command.error(ErrorKind::ArgumentConflict, why))?;
    Ok(Parsed {
        args: Args::from_arg_matches(&matches)?,
        origins: Origins {
            matches,
            file: Some(file),
            outdone,
        },
    })
}

fn merged(file: &File, line: &[OsString]) -> Result<ArgMatches, clap::Error> {
    file.under(Args::command())
        .try_get_matches_from_mut(line)
        .map_err(|mut why| {
            let flag = why.get(ContextKind::InvalidArg).map(ToString::to_string);
            let name = flag
                .as_deref()
                .and_then(|flag| flag.strip_prefix("--")?.split(' ').next())
                .unwrap_or_default()
                .to_owned();
            if file.has(&name.replace('-', "_")) {
                let note = format!("{name} is set in {}", file.path.display());
                why.insert(
                    ContextKind::Suggested,
                    ContextValue::StyledStrs(vec![note.into()]),
                );
            }
            why
        })
}

/// The file that a command line, or the environment, names.
fn named(command: &Command, line: &[OsString]) -> Option<PathBuf> {
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(line)
        .ok()?;
    let flag = chosen(&matches)
        .try_get_one::<PathBuf>(FLAG)
        .ok()
        .flatten()
        .cloned();
    flag.or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from))
        .filter(|path| !path.as_os_str().is_empty())
}

/// Flags that exclude each other do so when the file has one of them, too: a default value, as
/// which it goes in, excludes nothing by itself.
fn agree(file: &File, command: &Command, matches: &ArgMatches) -> Result<(), String> {
    let given = |flag: &Arg| {
        let id = flag.get_id().as_str();
        let off = matches.try_get_one::<bool>(id).ok().flatten() == Some(&false);
        !off && (file.has(id)
            || source(matches, id).is_some_and(|source| source != ValueSource::DefaultValue))
    };
    if matches.subcommand().is_some() {
        return Ok(());
    }
    for flag in flags(command).filter(|flag| given(flag)) {
        if let Some(other) = command
            .get_arg_conflicts_with(flag)
            .into_iter()
            .find(|other| other.get_id() != FLAG && given(other))
        {
            let name = |flag: &Arg| flag.get_long().unwrap_or_default().to_owned();
            return Err(format!(
                "{} and {} can't be used together; {} sets at least one of them",
                name(flag),
                name(other),
                file.path.display()
            ));
        }
    }
    Ok(())
}

/// `config ...`.
pub(super) async fn run(
    task: &Config,
    origins: &Origins,
    environment: fn(&str) -> Option<String>,
) -> Result<Exit, (anyhow::Error, Exit)> {
    match task {
        Config::Show { format, service } => {
            show::run(origins, &service.data_dir, *format, environment)
        }
        Config::Check { service } => {
            return check::run(service, environment)
                .await
                .map_err(|why| (why, Exit::Usage));
        }
        Config::Schema => say_json!("{:#}", schema::of(&Args::command())),
    }
    Ok(Exit::Stopped)
}
