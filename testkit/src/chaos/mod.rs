//! Causes faults of every kind while events are put at a steady rate, and shows whether any of them was lost silently.
//!
//! The program, the API server with its etcd and the sink are the real ones; the destination is the strict SLS server of this crate.
//!
//! # Layout
//! - [`class`]: which faults there are. `fault`: causes them. [`dice`]: chance that can be repeated.
//! - `generator`, `put`: what is put, as the API server acknowledged it.
//! - `stage`: everything that runs. `follow`: what has arrived so far.
//! - [`account`]: what was put against what the journal (`journal`) and the destination have: pure.
//! - [`report`]: the account for people and for machines.

pub mod account;
pub mod class;
pub mod dice;
mod fault;
mod follow;
mod generator;
mod journal;
mod put;
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

use account::{Account, Window};
use generator::now_ns;
use stage::Stage;

/// How long the program may take to recover from one fault.
const RECOVERY: Duration = Duration::from_secs(60);
/// The name of the sink.
const SINK: &str = "aliyun-sls";

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
/// When `stop` is set, or something other than the program fails. What the program does wrong is in the report.
pub fn run(options: &Options, stop: &Stop, say: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let began = Instant::now();
    let result = act(options, stop, say, began);
    // Whoever stops us with the keyboard stops the servers, too, which we see as their failures.
    if stop.is_set() { Err(Error::Stopped) } else { result }
}

fn act(options: &Options, stop: &Stop, say: &mut dyn FnMut(&str), began: Instant) -> Result<Report, Error> {
    let mut stage = Stage::set(options, stop)?;
    let mut skipped: Vec<(Class, String)> = Vec::new();
    if let Err(why) = &stage.disk {
        skipped.push((Class::DiskFull, why.clone()));
    }
    say(&format!("everything runs after {:.1} s; seed {}, {} puts a second", began.elapsed().as_secs_f64(), options.seed, options.load.rate));
    if !stage.recover(now_ns(), stage::PATIENCE)? {
        return Err(Error::Stage(io::Error::other("no event arrived at the destination, before any fault")));
    }
    let mut windows = Vec::new();
    let mut remarks = Vec::new();
    let chaos = Instant::now();
    let mut round = 0;
    while round < options.rounds || chaos.elapsed() < options.time {
        for class in class::round(options.only, &mut stage.dice) {
            let over = round >= options.rounds && chaos.elapsed() >= options.time;
            if over || skipped.iter().any(|(skipped, _)| *skipped == class) {
                continue;
            }
            let (window, remark) = one(class, &mut stage)?;
            say(&progress(&window, &stage, began, remark.as_deref()));
            windows.push(window);
            remarks.extend(remark.map(|remark| (class, remark)));
            let rest = stage.dice.time(300..=1_500);
            stage.pass(rest)?;
        }
        round += 1;
    }
    say("no more faults: waiting for what is on its way");
    let in_order = stage.end()?;
    if options.keep {
        stage.keep_journal()?;
    }
    let journal = journal::read(&stage.folder.join("data"), SINK).map_err(Error::Journal)?;
    let account = Account::of(&stage.follow.puts, &journal, &stage.follow.arrivals, &windows, SINK);
    let took = began.elapsed();
    Ok(Report { account, gaps: journal.gaps, skipped, remarks, own_ends: stage.own_ends, in_order, seed: options.seed, took })
}

/// One fault, with time to recover.
fn one(class: Class, stage: &mut Stage<'_>) -> Result<(Window, Option<String>), Error> {
    let (began_ns, kills, unanswered) = (now_ns(), stage.kills, stage.unanswered());
    let mut remark = fault::cause(class, stage)?;
    let healed_ns = now_ns();
    if !stage.recover(healed_ns, RECOVERY)? {
        remark.get_or_insert(format!("no event that was put afterwards arrived within {} s", RECOVERY.as_secs()));
    }
    // A write that hangs is given up only now.
    let in_doubt = if class.leaves_in_doubt() { stage.unanswered() - unanswered } else { 0 };
    let doubts = stage.kills - kills + in_doubt;
    Ok((Window { class, began_ns, healed_ns, doubts }, remark))
}

fn progress(window: &Window, stage: &Stage<'_>, began: Instant, remark: Option<&str>) -> String {
    let seconds = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from)).as_secs_f64();
    let follow = &stage.follow;
    format!(
        "{:>5.0} s  {:<13} for {:>4.1} s, then {:>4.1} s to recover; {} put, {} arrived{}{}",
        began.elapsed().as_secs_f64(),
        window.class.name(),
        seconds(window.began_ns, window.healed_ns),
        seconds(window.healed_ns, now_ns()),
        follow.puts.len(),
        follow.arrived(),
        if remark.is_some() { "; " } else { "" },
        remark.unwrap_or_default(),
    )
}
