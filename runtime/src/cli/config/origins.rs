//! Where settings come from: the command line, the environment, or the file.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};

use crate::cli::args::Args;

use super::file::File;
use super::settable::flags;

/// Where the settings come from.
pub(in crate::cli) struct Origins {
    pub(super) matches: ArgMatches,
    pub(super) file: Option<File>,
    /// The file's sinks don't count, since others are given.
    pub(super) outdone: bool,
}

impl Origins {
    /// The file whose sinks don't count, since a flag or variable names others.
    pub fn outdone(&self) -> Option<&Path> {
        self.file
            .as_ref()
            .filter(|_| self.outdone)
            .map(|file| file.path.as_path())
    }

    /// Whether the command line itself has a setting, besides where to look.
    pub(super) fn on_command_line(&self) -> bool {
        let (command, matches) = (Args::command(), chosen(&self.matches));
        let mut ids = flags(&command)
            .map(|flag| flag.get_id().as_str())
            .filter(|id| *id != "data_dir");
        ids.any(|id| source(matches, id) == Some(ValueSource::CommandLine))
    }
}

/// Where an argument's value comes from; none where the command has no such argument.
pub(super) fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    matches
        .try_contains_id(id)
        .ok()
        .and_then(|_| matches.value_source(id))
}

/// Of the innermost subcommand.
pub(super) fn chosen(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| chosen(inner))
}
