//! What an outage of the destination costs: whether all arrives, and how fast what piled up drains.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::apiserver::ApiServer;
use testkit::load::{Account, Load, Put};
use testkit::sls::{self, Order, StoredLog};

use crate::machine::{Waited, disk};
use crate::{Done, length, service};

/// Events a second, before, during and after.
const RATE: u32 = 1_000;
/// Seconds before the outage.
const BEFORE: u32 = 5;
/// Delivery has caught up when what arrives was put at most so long ago.
const CAUGHT_UP: Duration = Duration::from_secs(1);

/// The destination answers 503 for five minutes, or `BENCH_SECONDS`, while events keep coming, then
/// and after.
pub fn outage() -> Done<()> {
    let down = length("BENCH_SECONDS", 300)?;
    // The sink may wait 38 s until it tries again; then five times the rate would drain a second in
    // a quarter of one.
    let after = 60 + down / 2;
    let folder = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in(testkit::memory_folder())?;
    let server = ApiServer::start(&memory.path().join("cluster"), &[])?;
    Load::set_up(&server)?;
    let sls = sls::Server::start(sls::Options::default())?;
    println!("outage: {}", disk(folder.path())?);
    let program = service(folder.path(), &server, &sls)?;
    let waited = Waited::begin();
    let versions = (BEFORE + down + after) * RATE;
    let load = Load::start(&server, folder.path(), versions / 4 * 3, 1.0 / 3.0, RATE)?;
    std::thread::sleep(Duration::from_secs(u64::from(BEFORE)));
    sls.order(Order::answer(503, "ServerBusy", "The server is busy."));
    std::thread::sleep(Duration::from_secs(u64::from(down)));
    let (back, cpu) = (since_1970(), program.cpu()?);
    let memory_down = program.peak_memory()?;
    sls.clear_orders();
    let put = load.finish()?;
    let stored = sls
        .wait_for(put.len(), Duration::from_secs(u64::from(60 + down)))
        .unwrap_or_else(|_| sls.stored());
    let cpu = program.cpu()?.saturating_sub(cpu);
    println!("outage: {waited}");
    let account = Account::of(&put, &stored);
    let drain = Drain::of(&put, &stored, back);
    println!(
        "outage: {down} s at {RATE}/s; tried again {:.1} s after it; {} waiting then drained in {:.1} s at {:.0}/s, {:.1} times the rate{}",
        drain.until_tried.as_secs_f64(),
        drain.waiting,
        drain.time.as_secs_f64(),
        drain.rate(),
        drain.rate() / f64::from(RATE),
        if drain.ended {
            ""
        } else {
            " (the load ended first: not caught up)"
        },
    );
    println!(
        "outage: {} versions, missing {}, doubled {}, disordered {}, foreign {}; CPU after it {:.3} ms an event; peak {} MiB while down, {} MiB in all",
        put.len(),
        account.missing.len(),
        account.doubled.len(),
        account.disordered,
        account.foreign,
        cpu.as_secs_f64() * 1e3
            / stored
                .iter()
                .filter(|log| log.arrived_ns > back)
                .count()
                .max(1) as f64,
        memory_down >> 20,
        program.peak_memory()? >> 20,
    );
    Ok(())
}

fn since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// From the first arrival after the outage until delivery has caught up.
struct Drain {
    until_tried: Duration,
    waiting: usize,
    delivered: usize,
    time: Duration,
    ended: bool,
}

impl Drain {
    fn of(put: &[Put], stored: &[StoredLog], back: u64) -> Self {
        let at = |ns: u64| put.partition_point(|put| put.at_ns <= ns);
        let before = stored.iter().filter(|log| log.arrived_ns <= back).count();
        let later: Vec<u64> = stored
            .iter()
            .map(|log| log.arrived_ns)
            .filter(|ns| *ns > back)
            .collect();
        let first = later.first().copied().unwrap_or(back);
        let lag = u64::try_from(CAUGHT_UP.as_nanos()).unwrap_or(u64::MAX);
        // Puts are in the order of resource versions, so nearly in that of time.
        let caught_up = later
            .iter()
            .enumerate()
            .find(|(n, ns)| before + n + 1 >= at(ns.saturating_sub(lag)));
        let (delivered, last) = caught_up.map_or(
            (later.len(), later.last().copied().unwrap_or(first)),
            |(n, ns)| (n + 1, *ns),
        );
        Self {
            until_tried: Duration::from_nanos(first - back),
            waiting: at(first).saturating_sub(before),
            delivered,
            time: Duration::from_nanos(last - first),
            ended: put.last().is_some_and(|put| put.at_ns >= last),
        }
    }

    fn rate(&self) -> f64 {
        self.delivered as f64 / self.time.as_secs_f64()
    }
}
