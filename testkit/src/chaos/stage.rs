//! Everything that runs: the API server, the SLS servers, the program, the generator.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::apiserver::ApiServer;
use crate::load;
use crate::program::{Program, Start};
use crate::small_disk::SmallDisk;

use super::destination::{Destination, SINKS};
use super::dice::Dice;
use super::generator::{Generator, now_ns};
use super::journal::Readings;
use super::record::Put;
use super::{Error, Options, Stop};

/// Between two looks at what has arrived.
const LOOK: Duration = Duration::from_millis(50);
/// How long the start of everything, and the end, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// When nothing of what is still open has arrived for so long, though later events have, the rest
/// will never come.
const QUIET: Duration = Duration::from_secs(4);
/// What was put so long before the youngest event that has arrived, in nanoseconds, and is not
/// there itself, will never come.
const SETTLED: u64 = 2_000_000_000;
/// Bytes of the journal for each version that is put, with room to spare.
const JOURNAL_BYTES: u64 = 6_000;
/// Puts go to these namespaces, each of which the program watches as a scope of its own.
const SCOPES: [&str; 2] = ["load-0", "load-1"];
/// The Lease says what was delivered so long before a crash (`runtime/ARCHITECTURE.md`, "Two
/// replicas"), with a second for a busy machine.
const RENEWED: Duration = Duration::from_secs(4);

/// A program that begins with an empty disk notes nothing for so long: until it takes the Lease,
/// and renews it with what is delivered (the same section).
const UNNOTED: Duration = Duration::from_secs(5 + 2 + 2 + 1);

/// A disk that was taken away.
pub(super) struct LostDisk {
    pub at_ns: u64,
    /// For each destination, what it had got since the Lease may have been renewed last.
    pub unrenewed: Vec<u64>,
}

/// Dropped in this order: whoever uses something goes before it.
pub(super) struct Stage<'a> {
    pub generator: Generator,
    program: Option<Program>,
    /// As many as there are sinks, in their order.
    pub destinations: Vec<Destination>,
    pub server: ApiServer,
    pub disk: Result<SmallDisk, String>,
    pub folder: PathBuf,
    pub options: &'a Options,
    pub stop: &'a Stop,
    pub dice: Dice,
    pub puts: Vec<Put>,
    pub readings: Readings,
    /// Since it was asked for last.
    pub lost_disk: Option<LostDisk>,
    /// When the disk was taken away last.
    emptied_ns: Option<u64>,
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
        let puts = u64::from(options.load.rate) * options.time.as_secs().max(600);
        let disk = SmallDisk::mount(&folder.join("data"), (64 << 20) + puts * JOURNAL_BYTES)
            .map_err(|why| why.to_string());
        let destinations = SINKS
            .into_iter()
            .map(Destination::start)
            .collect::<io::Result<Vec<_>>>()?;
        for destination in &destinations {
            destination.write_grant(&folder.join("grants"))?;
        }
        let ttl = format!("{}s", options.event_ttl.as_secs());
        let server = ApiServer::start(
            &folder.join("cluster"),
            &["--port", &steady_port()?.to_string(), "--event-ttl", &ttl],
        )?;
        load::Load::set_up(&server)?;
        let program = Some(Self::program(options, &folder, 1, &destinations, &server)?);
        let generator = Generator::start(&server.kubeconfig, &SCOPES, options.load)?;
        let dice = Dice::new(options.seed, options.is_short());
        let (puts, readings, lost_disk, emptied_ns) =
            (Vec::new(), Readings::new(folder.join("data")), None, None);
        let (starts, kills, own_ends) = (1, 0, 0);
        let stage = Self {
            generator,
            program,
            destinations,
            server,
            disk,
            folder,
            options,
            stop,
            dice,
            puts,
            readings,
            lost_disk,
            emptied_ns,
            starts,
            kills,
            own_ends,
        };
        Ok(stage)
    }

    fn program(
        options: &Options,
        folder: &Path,
        number: u32,
        destinations: &[Destination],
        server: &ApiServer,
    ) -> io::Result<Program> {
        let mut start = Start::new(&options.program, folder, &format!("program-{number}"));
        start = start
            .with("--event-ttl", format!("{}s", options.event_ttl.as_secs()))
            .with("--grant-dir", folder.join("grants"));
        for scope in SCOPES {
            start = start.with("--namespace", scope);
        }
        for destination in destinations {
            start = destination.on(start);
        }
        let mut program = start.with("--kubeconfig", &server.kubeconfig).start()?;
        if number == 1 {
            // Of what is put before the first lists, only the newest version of each event can be
            // seen: no promise covers it.
            program.wait_for_lines("The list is read.", SCOPES.len(), PATIENCE)?;
        }
        Ok(program)
    }

    /// Starts the program.
    pub fn start(&mut self) -> Result<(), Error> {
        self.starts += 1;
        self.program = Some(Self::program(
            self.options,
            &self.folder,
            self.starts,
            &self.destinations,
            &self.server,
        )?);
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

    /// Lets time pass, looks on, and starts the program again if it ended by itself, as a cluster
    /// would.
    pub fn pass(&mut self, time: Duration) -> Result<(), Error> {
        let until = Instant::now() + time;
        loop {
            self.look();
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

    fn look(&mut self) {
        let new = self.puts.len();
        self.puts.extend(self.generator.puts_from(new));
        for destination in &mut self.destinations {
            destination.follow.look(&self.puts, new, &destination.sls);
        }
    }

    fn arrivals(&self) -> usize {
        self.destinations
            .iter()
            .map(|destination| destination.follow.arrivals.len())
            .sum()
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
    pub fn wait_until(
        &mut self,
        patience: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Result<bool, Error> {
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
    pub fn wait_for_silence(
        &mut self,
        silence: Duration,
        patience: Duration,
    ) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        let (mut arrived, mut since) = (0, Instant::now());
        while since.elapsed() < silence {
            if Instant::now() > until {
                return Ok(false);
            }
            self.pass(LOOK)?;
            if self.arrivals() != arrived {
                (arrived, since) = (self.arrivals(), Instant::now());
            }
        }
        Ok(true)
    }

    /// Waits until everything that was put up to a time has arrived everywhere, or nothing more of
    /// it comes though later events do. False when not even these come in time.
    pub fn recover(&mut self, healed_ns: u64, patience: Duration) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        let mut seen = vec![(usize::MAX, Instant::now()); self.destinations.len()];
        loop {
            self.pass(LOOK)?;
            let mut all = true;
            for (Destination { follow, .. }, (open, since)) in
                self.destinations.iter_mut().zip(&mut seen)
            {
                let left = follow.open_before(healed_ns);
                if left < *open {
                    (*open, *since) = (left, Instant::now());
                }
                let flows = follow.reached_ns > healed_ns;
                let rests = flows && left > 0 && since.elapsed() > QUIET;
                if rests {
                    // What was lost on the way to recovery, too.
                    follow.give_up_before(follow.reached_ns.saturating_sub(SETTLED).max(healed_ns));
                }
                all &= flows && (left == 0 || rests);
            }
            if all || Instant::now() > until {
                return Ok(all);
            }
        }
    }

    /// Ends the generator, waits for the rest, and ends the program. Gives whether it ended in
    /// order.
    pub fn end(&mut self) -> Result<bool, Error> {
        self.generator.finish();
        let last = now_ns();
        let all = self.wait_until(QUIET, |stage| {
            stage
                .destinations
                .iter()
                .all(|destination| destination.follow.open_before(last) == 0)
        })?;
        // Doubles may follow what was waited for.
        self.wait_for_silence(if all { QUIET } else { 2 * QUIET }, PATIENCE)?;
        let Some(program) = self.program.take() else {
            return Ok(false);
        };
        let in_order = program.terminate()?.success();
        self.look();
        Ok(in_order)
    }

    /// Copies the journal from the small disk, which goes with the stage, to where it stays.
    pub fn keep_journal(&self, name: &str) -> io::Result<()> {
        let kept = self.folder.join(name);
        fs::create_dir_all(&kept)?;
        for name in ["journal.sqlite", "journal.sqlite-wal"] {
            let from = self.folder.join("data").join(name);
            if from.is_file() {
                fs::copy(from, kept.join(name))?;
            }
        }
        Ok(())
    }

    /// What a destination got before the disk was taken away last, and the API server may still
    /// have at a time: a copy of etcd that is restored gives each event its whole life anew, once
    /// or twice.
    pub fn before_the_journal(&self, destination: &Destination, at_ns: u64) -> u64 {
        let Some(emptied) = self.emptied_ns else {
            return 0;
        };
        let lives = self.options.event_ttl * 5 / 2;
        let from = at_ns.saturating_sub(u64::try_from(lives.as_nanos()).unwrap_or(u64::MAX));
        let arrived = destination
            .follow
            .arrivals
            .iter()
            .filter(|arrival| (from..emptied).contains(&arrival.at_ns));
        arrived
            .filter_map(|arrival| arrival.number)
            .collect::<HashSet<_>>()
            .len() as u64
    }

    /// SIGKILL, and an empty data folder. What the journal had is read before, for the account.
    pub fn lose_disk(&mut self) -> Result<(), Error> {
        self.kill()?;
        self.look();
        let at_ns = now_ns();
        let before =
            |time: Duration| at_ns.saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(0));
        let began = self
            .emptied_ns
            .replace(at_ns)
            .filter(|began| *began > before(UNNOTED));
        let from = before(RENEWED).min(began.unwrap_or(at_ns));
        let unrenewed = self
            .destinations
            .iter()
            .map(|destination| destination.follow.since(from) as u64)
            .collect();
        self.lost_disk = Some(LostDisk { at_ns, unrenewed });
        if self.options.keep {
            self.keep_journal(&format!("journal-lost-{}", self.starts))?;
        }
        self.readings.lose(at_ns).map_err(Error::Journal)?;
        for entry in fs::read_dir(self.folder.join("data"))? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?
            } else {
                fs::remove_file(path)?
            }
        }
        Ok(())
    }
}

/// A free port that no client gets by chance while the server is down: below those that the system
/// hands out (ip(7), `ip_local_port_range`).
fn steady_port() -> io::Result<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or(0);
    let mut ports = first..first + 2_000;
    ports
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| io::Error::other("no free port"))
}
