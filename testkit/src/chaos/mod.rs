//! Causes faults of every kind while events are put at a steady rate, and shows whether any of them
//! was lost silently.
//!
//! The program, the API server with its etcd and the sinks are the real ones; each of its two sinks
//! has a destination of its own, the strict SLS server of this crate.
//!
//! # Layout
//! - [`class`]: which faults there are. `fault`: causes them. [`dice`]: chance that can be
//!   repeated.
//! - `generator`, `put`: what is put, as the API server acknowledged it.
//! - `stage`: everything that runs. `destination`: a sink and its server. `follow`: what has
//!   arrived there so far.
//! - [`record`]: what is compared. `journal`: reads it from the file.
//! - [`account`]: what was put against what the journal and a destination have; [`gaps`]: what gaps
//!   excuse, and what caused them. Pure.
//! - [`report`]: the account for people and for machines.

pub mod account;
pub mod class;
mod destination;
pub mod dice;
mod fault;
mod follow;
pub mod gaps;
mod generator;
mod journal;
mod put;
pub mod record;
pub mod report;
mod stage;
mod stop;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use class::Class;
pub use generator::Load;
pub use report::Report;
pub use stop::Stop;

use account::Account;
use destination::Destination;
use generator::now_ns;
use record::Window;
use stage::Stage;

/// How long the program may take to recover from one fault.
const RECOVERY: Duration = Duration::from_secs(60);

/// What is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// The built `kubedl-events`.
    pub program: PathBuf,
    /// For everything that is written; the caller removes it.
    pub folder: PathBuf,
    /// After this time no further round of faults is begun.
    pub time: Duration,
    /// Every class comes so often, whatever the time.
    pub rounds: u32,
    /// What is put.
    pub load: Load,
    /// How long the API server keeps an event; whole seconds.
    pub event_ttl: Duration,
    /// For the order, the lengths and the numbers of faults.
    pub seed: u64,
    /// This class alone.
    pub only: Option<Class>,
    /// Leave a copy of the journal in the folder, as `journal`.
    pub keep: bool,
}

impl Options {
    /// With no time beyond one round, every fault is as small as it can be.
    fn is_short(&self) -> bool {
        self.time.is_zero()
    }
}

/// Why there is no report.
#[derive(Debug)]
pub enum Error {
    /// It was asked to stop.
    Stopped,
    /// What is not the program's fault: a server can't be started, a file can't be read.
    Stage(io::Error),
    /// The journal can't be read.
    Journal(rusqlite::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => write!(f, "stopped before the end: there is no report"),
            Self::Stage(why) => write!(f, "chaos itself failed: {why}"),
            Self::Journal(why) => write!(f, "cannot read the program's journal: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(why: io::Error) -> Self {
        Self::Stage(why)
    }
}

/// Runs it all; `say` gets a line for each step.
///
/// # Errors
/// When `stop` is set, or something other than the program fails. What the program does wrong is in
/// the report.
pub fn run(options: &Options, stop: &Stop, say: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let began = Instant::now();
    let result = act(options, stop, say, began);
    // Whoever stops us with the keyboard stops the servers, too, which we see as their failures.
    if stop.is_set() {
        Err(Error::Stopped)
    } else {
        result
    }
}

fn act(
    options: &Options,
    stop: &Stop,
    say: &mut dyn FnMut(&str),
    began: Instant,
) -> Result<Report, Error> {
    let mut stage = Stage::set(options, stop)?;
    let mut skipped: Vec<(Class, String)> = Vec::new();
    if let Err(why) = &stage.disk {
        skipped.push((Class::DiskFull, why.clone()));
    }
    let (took, seed, rate) = (
        began.elapsed().as_secs_f64(),
        options.seed,
        options.load.rate,
    );
    say(&format!(
        "everything runs after {took:.1} s; seed {seed}, {rate} puts a second"
    ));
    if !stage.recover(now_ns(), stage::PATIENCE)? {
        return Err(Error::Stage(io::Error::other(
            "no event arrived at one of the destinations, before any fault",
        )));
    }
    let (windows, remarks) = cause_faults(&mut stage, &skipped, began, say)?;
    say("no more faults: waiting for what is on its way");
    let in_order = stage.end()?;
    if options.keep {
        stage.keep_journal("journal")?;
    }
    let journal = stage.readings.all().map_err(Error::Journal)?;
    let accounts = settle_accounts(&stage, &journal, &windows);
    let uncaused = gaps::uncaused(&journal.gaps, windows.first().map_or(&[], Vec::as_slice));
    let took = began.elapsed();
    Ok(Report {
        accounts,
        gaps: journal.gaps,
        uncaused,
        skipped,
        remarks,
        own_ends: stage.own_ends,
        in_order,
        seed: options.seed,
        took,
    })
}

/// For each destination the windows of its faults, and what is to be known about them.
type Caused = (Vec<Vec<Window>>, Vec<(Class, String)>);

/// Causes faults until the time is over and each class came often enough.
fn cause_faults(
    stage: &mut Stage<'_>,
    skipped: &[(Class, String)],
    began: Instant,
    say: &mut dyn FnMut(&str),
) -> Result<Caused, Error> {
    let mut windows: Vec<Vec<Window>> = vec![Vec::new(); stage.destinations.len()];
    let mut remarks = Vec::new();
    let chaos = Instant::now();
    let mut round = 0;
    while round < stage.options.rounds || chaos.elapsed() < stage.options.time {
        for class in class::round(stage.options.only, &mut stage.dice) {
            let over = round >= stage.options.rounds && chaos.elapsed() >= stage.options.time;
            if over || skipped.iter().any(|(skipped, _)| *skipped == class) {
                continue;
            }
            let (found, remark) = one(class, stage)?;
            say(&progress(&found, stage, began, remark.as_deref()));
            windows
                .iter_mut()
                .zip(found)
                .for_each(|(windows, window)| windows.push(window));
            remarks.extend(remark.map(|remark| (class, remark)));
            let rest = stage.dice.time(300..=1_500);
            stage.pass(rest)?;
        }
        round += 1;
    }
    Ok((windows, remarks))
}

/// The account of each destination, by its sink's name.
fn settle_accounts(
    stage: &Stage<'_>,
    journal: &record::Journal,
    windows: &[Vec<Window>],
) -> Vec<(String, Account)> {
    let of = |(Destination { sink, follow, .. }, windows): (&Destination, &Vec<Window>)| {
        let account = Account::of(&stage.puts, journal, &follow.arrivals, windows, sink);
        ((*sink).to_owned(), account)
    };
    stage.destinations.iter().zip(windows).map(of).collect()
}

/// One fault, with time to recover; a window for each destination.
fn one(class: Class, stage: &mut Stage<'_>) -> Result<(Vec<Window>, Option<String>), Error> {
    let (began_ns, kills) = (now_ns(), stage.kills);
    let before: Vec<u64> = stage
        .destinations
        .iter()
        .map(Destination::unanswered)
        .collect();
    let mut remark = fault::cause(class, stage)?;
    let healed_ns = now_ns();
    if !stage.recover(healed_ns, RECOVERY)? {
        remark.get_or_insert(format!(
            "no event that was put afterwards arrived everywhere within {} s",
            RECOVERY.as_secs()
        ));
    }
    let kills = stage.kills - kills;
    let lost = stage.lost_disk.take();
    let disk_lost_ns = lost.as_ref().map(|lost| lost.at_ns);
    let windows =
        stage
            .destinations
            .iter()
            .zip(before)
            .enumerate()
            .map(|(place, (destination, before))| {
                // A write that hangs is given up only now.
                let in_doubt = if class.leaves_in_doubt() {
                    destination.unanswered() - before
                } else {
                    0
                };
                let unrenewed = lost
                    .as_ref()
                    .and_then(|lost| lost.unrenewed.get(place))
                    .copied()
                    .unwrap_or(0);
                let forgotten = if class.sets_back() {
                    stage.before_the_journal(destination, began_ns)
                } else {
                    0
                };
                Window {
                    class,
                    began_ns,
                    healed_ns,
                    doubts: kills + in_doubt,
                    disk_lost_ns,
                    unrenewed,
                    forgotten,
                }
            });
    Ok((windows.collect(), remark))
}

/// One line: the fault, and for each destination what has arrived so far.
fn progress(windows: &[Window], stage: &Stage<'_>, began: Instant, remark: Option<&str>) -> String {
    let Some(window) = windows.first() else {
        return String::new();
    };
    let seconds = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from)).as_secs_f64();
    let of = |(destination, window): (&Destination, &Window)| {
        let Destination { sink, follow, .. } = destination;
        format!(
            "{sink}: {} arrived, {} doubled (+{} may be)",
            follow.arrived(),
            follow.doubled(),
            window.copies()
        )
    };
    let arrived: Vec<String> = stage.destinations.iter().zip(windows).map(of).collect();
    format!(
        "{:>5.0} s  {:<13} for {:>4.1} s, then {:>4.1} s to recover; {} put; {}{}{}",
        began.elapsed().as_secs_f64(),
        window.class.name(),
        seconds(window.began_ns, window.healed_ns),
        seconds(window.healed_ns, now_ns()),
        stage.puts.len(),
        arrived.join("; "),
        if remark.is_some() { "; " } else { "" },
        remark.unwrap_or_default(),
    )
}
