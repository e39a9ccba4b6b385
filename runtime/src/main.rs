//! `kubedl-events`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubedl_events::cli::main()
}
