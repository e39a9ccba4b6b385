//! The log, on stderr: text on a terminal, JSON elsewhere.

use std::fmt;
use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt as layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::sink::http::CARRIERS;

use super::terminal::Above;

/// What the lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A level that can't be read.
#[derive(Debug)]
pub struct Error {
    level: String,
    why: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--log-level {:?} can't be used: {}. Give a level (error, warn, info, debug, trace) or target=level pairs with commas",
            self.level, self.why
        )
    }
}

impl std::error::Error for Error {}

/// The compiler of guests traces every instruction, and kube and the judge of certificates say of
/// each request that fails what the stages say seldom: nobody asks for that with `--log-level
/// trace`. Who does, names the target.
const QUIET: &str = "kube_client=error,kube_runtime=error,rustls_platform_verifier=off,cranelift_codegen=warn,cranelift_frontend=warn,wasmtime_internal_cranelift=warn,wasmtime_environ=warn,regalloc2=warn";

/// Whether a target may say something of a level, whatever the operator asks for: what carries
/// sinks' requests, warnings only.
fn is_shown(target: &str, level: &Level) -> bool {
    *level <= Level::WARN || !CARRIERS.contains(&target.split("::").next().unwrap_or_default())
}

/// Starts the log. `level` has the syntax of `RUST_LOG`; without a `format`, a terminal gets text
/// and everything else JSON.
pub fn init(level: &str, format: Option<Format>) -> Result<(), Error> {
    let refuse = |why: String| Error {
        level: level.to_owned(),
        why,
    };
    // The library takes a word that it doesn't know for a target, and says nothing of all others
    // then.
    let unknown = |part: &&str| {
        !part.is_empty() && !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_err()
    };
    if let Some(word) = level.split(',').map(str::trim).find(unknown) {
        return Err(refuse(format!("{word:?} is no level")));
    }
    let filter =
        EnvFilter::try_new(format!("{QUIET},{level}")).map_err(|why| refuse(why.to_string()))?;
    let terminal = std::io::stderr().is_terminal();
    // no-color.org: whatever its value, if it has one.
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = layer::layer().with_writer(Above).with_ansi(colours);
    let log = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(|metadata| {
            is_shown(metadata.target(), metadata.level())
        }));
    // A second start in the same process keeps the first log.
    let _ = match format.unwrap_or(if terminal { Format::Text } else { Format::Json }) {
        Format::Text => log.with(lines.with_target(false)).try_init(),
        Format::Json => log.with(lines.json().flatten_event(true)).try_init(),
    };
    Ok(())
}
