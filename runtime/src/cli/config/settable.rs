//! Which flags are settings, and so may stand in the file.

use clap::{Arg, Command};

/// The flag's own name: it can't be set in the file.
pub(super) const FLAG: &str = "config";

/// The flags of a command that are settings.
pub(super) fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|flag| {
        flag.get_long()
            .is_some_and(|name| name != "help" && name != "version")
    })
}
