//! Everything that runs: the API server, the SLS server, the program, the generator.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::apiserver::ApiServer;
use crate::load;
use crate::program::{Program, Start, sinks};
use crate::sls;
use crate::small_disk::SmallDisk;

use super::dice::Dice;
use super::follow::Follow;
use super::generator::{Generator, now_ns};
use super::{Error, Options, Stop};

/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(50);
/// How long the start of everything, and the end, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// When nothing of what is still open has arrived for so long, though later events have, the rest will never come.
const QUIET: Duration = Duration::from_secs(4);
/// What was put so long before the youngest event that has arrived, in nanoseconds, and is not there itself, will never come.
const SETTLED: u64 = 2_000_000_000;
/// A call of the sink may take so long here, where a destination that hangs is to be noticed soon.
const CALL: &str = "call: 6s";
/// Bytes of the journal for each version that is put, with room to spare.
const JOURNAL_BYTES: u64 = 6_000;

/// Dropped in this order: whoever uses something goes before it.
pub(super) struct Stage<'a> {
    pub generator: Generator,
    program: Option<Program>,
    pub sls: sls::Server,
    pub server: ApiServer,
    pub disk: Result<SmallDisk, String>,
    pub folder: PathBuf,
    options: &'a Options,
    pub stop: &'a Stop,
    pub dice: Dice,
    pub follow: Follow,
    starts: u32,
    /// Processes killed.
    pub kills: u64,
    /// How often the program ended by itself.
    pub own_ends: u32,
}

impl<'a> Stage<'a> {
    pub fn set(options: &'a Options, stop: &'a Stop) -> Result<Self, Error> {
        let folder = options.folder.clone();
        fs::create_dir_all(&folder)?;
        let puts = u64::from(options.load.rate) * options.time.as_secs().max(120);
        let disk = SmallDisk::mount(&folder.join("data"), (64 << 20) + puts * JOURNAL_BYTES).map_err(|why| why.to_string());
        grant(&folder)?;
        let server = ApiServer::start(&folder.join("cluster"), &["--port", &steady_port()?.to_string()])?;
        load::Load::set_up(&server)?;
        let sls = sls::Server::start(sls::Options::default())?;
        let program = Self::program(options, &folder, 1, &sls, &server)?;
        let generator = Generator::start(&server.kubeconfig, options.load)?;
        let dice = Dice::new(options.seed, options.is_short());
        let follow = Follow::default();
        let program = Some(program);
        Ok(Self { generator, program, sls, server, disk, folder, options, stop, dice, follow, starts: 1, kills: 0, own_ends: 0 })
    }

    fn program(options: &Options, folder: &Path, number: u32, sls: &sls::Server, server: &ApiServer) -> io::Result<Program> {
        let start = Start::new(&options.program, folder, &format!("program-{number}")).to_sls(sls);
        let mut program = start.with("--kubeconfig", &server.kubeconfig).with("--grant-dir", folder.join("grants")).start()?;
        if number == 1 {
            // Of what is put before the first list, only the newest version of each event can be seen: no promise covers it.
            program.wait_for_log("The list is read.", PATIENCE)?;
        }
        Ok(program)
    }

    /// Starts the program.
    pub fn start(&mut self) -> Result<(), Error> {
        self.starts += 1;
        self.program = Some(Self::program(self.options, &self.folder, self.starts, &self.sls, &self.server)?);
        Ok(())
    }

    /// SIGKILL; it stays down.
    pub fn kill(&mut self) -> Result<(), Error> {
        if let Some(program) = self.program.take() {
            program.kill()?;
            self.kills += 1;
        }
        Ok(())
    }

    /// Lets time pass, looks on, and starts the program again if it ended by itself, as a cluster would.
    pub fn pass(&mut self, time: Duration) -> Result<(), Error> {
        let until = Instant::now() + time;
        loop {
            self.follow.look(&self.generator, &self.sls);
            self.supervise()?;
            let left = until.saturating_duration_since(Instant::now());
            if self.stop.wait(left.min(LOOK)) {
                return Err(Error::Stopped);
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn supervise(&mut self) -> Result<(), Error> {
        let ended = match &mut self.program {
            Some(program) => program.ended()?,
            None => None,
        };
        if ended.is_none() {
            return Ok(());
        }
        self.own_ends += 1;
        self.program = None;
        self.start()
    }

    /// Waits until something holds; false when the time is over.
    pub fn wait_until(&mut self, patience: Duration, holds: impl Fn(&Self) -> bool) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        while !holds(self) {
            if Instant::now() > until {
                return Ok(false);
            }
            self.pass(LOOK)?;
        }
        Ok(true)
    }

    /// Waits until nothing arrives any more for a time; false when something still does.
    pub fn wait_for_silence(&mut self, silence: Duration, patience: Duration) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        let (mut arrived, mut since) = (0, Instant::now());
        while since.elapsed() < silence {
            if Instant::now() > until {
                return Ok(false);
            }
            self.pass(LOOK)?;
            if self.follow.arrivals.len() != arrived {
                (arrived, since) = (self.follow.arrivals.len(), Instant::now());
            }
        }
        Ok(true)
    }

    /// Waits until everything that was put up to a time has arrived, or nothing more of it comes though later events do. False when not
    /// even these come in time.
    pub fn recover(&mut self, healed_ns: u64, patience: Duration) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        let (mut open, mut since) = (usize::MAX, Instant::now());
        loop {
            self.pass(LOOK)?;
            let left = self.follow.open_before(healed_ns);
            if left < open {
                (open, since) = (left, Instant::now());
            }
            let flows = self.follow.reached_ns > healed_ns;
            if flows && left == 0 {
                return Ok(true);
            }
            if flows && since.elapsed() > QUIET {
                // What was lost on the way to recovery, too.
                self.follow.give_up_before(self.follow.reached_ns.saturating_sub(SETTLED).max(healed_ns));
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
        }
    }

    /// Ends the generator, waits for the rest, and ends the program. Gives whether it ended in order.
    pub fn end(&mut self) -> Result<bool, Error> {
        self.generator.finish();
        let last = now_ns();
        let all = self.wait_until(QUIET, |stage| stage.follow.open_before(last) == 0)?;
        // Doubles may follow what was waited for.
        self.wait_for_silence(if all { QUIET } else { 2 * QUIET }, PATIENCE)?;
        let Some(program) = self.program.take() else { return Ok(false) };
        let in_order = program.terminate()?.success();
        self.follow.look(&self.generator, &self.sls);
        Ok(in_order)
    }

    /// Copies the journal from the small disk, which goes with the stage, to where it stays.
    pub fn keep_journal(&self) -> io::Result<()> {
        let kept = self.folder.join("journal");
        fs::create_dir_all(&kept)?;
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            let from = self.folder.join("data").join(name);
            if from.is_file() {
                fs::copy(from, kept.join(name))?;
            }
        }
        Ok(())
    }

    /// Writes left without an answer so far.
    pub fn unanswered(&self) -> u64 {
        self.sls.requests().iter().filter(|request| request.is_write && request.status.is_none()).count() as u64
    }
}

/// The shipped grant with a shorter call.
fn grant(folder: &Path) -> io::Result<()> {
    let shipped = sinks().join("aliyun-sls.yaml");
    let text = fs::read_to_string(&shipped).map_err(|why| io::Error::other(format!("{}: {why}. Run `cargo xtask sinks`", shipped.display())))?;
    let shorter = text.replace("call: 60s", CALL);
    if shorter == text {
        return Err(io::Error::other(format!("{} does not say \"call: 60s\", which is to be shorter here", shipped.display())));
    }
    fs::create_dir_all(folder.join("grants"))?;
    fs::write(folder.join("grants/aliyun-sls.yaml"), shorter)
}

/// A free port that no client gets by chance while the server is down: below those that the system hands out (ip(7),
/// `ip_local_port_range`).
fn steady_port() -> io::Result<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or(0);
    let mut ports = first..first + 2_000;
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).ok_or_else(|| io::Error::other("no free port"))
}
