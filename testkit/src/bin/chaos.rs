//! Faults of every kind against the real thing: is any event lost silently?
//!
//! Ends with 0 only when nothing is missing outside of reported gaps, and nothing is stored twice
//! beyond the bound.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use testkit::chaos::{self, Class, Error, Load, Options, Stop};

/// How long the API server keeps an event here: a destination can be down for longer without the
/// run taking hours.
const EVENT_TTL: Duration = Duration::from_secs(60);

#[derive(Parser)]
#[command(name = "cargo xtask chaos")]
struct Args {
    /// The built `kubedl-events`.
    #[arg(long, hide = true)]
    program: PathBuf,
    /// How long faults are caused; each class comes three times at least, however long that takes
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// Puts a second: new events, and a quarter of updates
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Repeats the order and the lengths of faults [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// One class of faults alone
    #[arg(long)]
    only: Option<Class>,
    /// How the report looks, which is the last that standard output gets; progress goes to standard
    /// error
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Keep the folder with logs, journal and the API server's data, and say where it is
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let stop = Stop::default();
    if let Err(why) = stop_at_signals(stop.clone()) {
        eprintln!("error: {why}");
        return ExitCode::FAILURE;
    }
    let folder =
        testkit::memory_folder().join(format!("kubedl-events-chaos-{}", std::process::id()));
    let options = Options {
        program: args.program,
        folder: folder.clone(),
        time: Duration::from_secs(u64::from(args.minutes) * 60),
        rounds: 3,
        event_ttl: EVENT_TTL,
        load: Load {
            rate: args.rate,
            updates: 25,
        },
        seed: args
            .seed
            .unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs()),
        only: args.only,
        keep: args.keep,
    };
    let result = chaos::run(&options, &stop, &mut |line| eprintln!("{line}"));
    if args.keep {
        eprintln!("kept: {}", folder.display());
    } else {
        let _ = std::fs::remove_dir_all(&folder);
    }
    match result {
        Ok(report) => {
            println!(
                "{}",
                if args.format == Format::Json {
                    report.json().to_string()
                } else {
                    report.text()
                }
            );
            if report.is_good() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(Error::Stopped) => {
            eprintln!("{}", Error::Stopped);
            ExitCode::from(130)
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// SIGINT and SIGTERM end it in order: children die, and the small disk is unmounted.
fn stop_at_signals(stop: Stop) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut int, mut term) = runtime.block_on(async {
        Ok::<_, std::io::Error>((
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        ))
    })?;
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
        });
        stop.set();
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .map(drop)
}
