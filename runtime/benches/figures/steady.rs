//! Latency, CPU an event and memory under a steady load.

use testkit::apiserver::ApiServer;
use testkit::load::{Account, Load};
use testkit::sls;

use crate::machine::{Waited, disk};
use crate::{Done, PATIENCE, service};

const EVENTS: u32 = 20_000;

pub fn under_load(name: &str, updates: f64, rate: u32) -> Done<()> {
    let folder = tempfile::tempdir()?;
    // etcd's pages on the journal's disk would make fsync wait for them, which is not ours to
    // measure.
    let memory = tempfile::tempdir_in(testkit::memory_folder())?;
    let server = ApiServer::start(&memory.path().join("cluster"), &[])?;
    Load::set_up(&server)?;
    let sls = sls::Server::start(sls::Options::default())?;
    println!("{name}: {}", disk(folder.path())?);
    let program = service(folder.path(), &server, &sls)?;
    let (before, waited) = (program.cpu()?, Waited::begin());
    let put = Load::start(&server, folder.path(), EVENTS, updates, rate)?.finish()?;
    let stored = sls
        .wait_for(put.len(), PATIENCE)
        .map_err(|why| format!("{why:?}"))?;
    let cpu = program.cpu()?.saturating_sub(before);
    println!("{name}: {waited}");
    let account = Account::of(&put, &stored);
    let requests = sls.requests().len();
    println!(
        "{name}: {} versions, missing {}, doubled {}, disordered {}; p50 {:.1} ms, p99 {:.1} ms; CPU {:.4} ms an event; peak {} MiB; {requests} requests",
        put.len(),
        account.missing.len(),
        account.doubled.len(),
        account.disordered,
        account.percentile(50).as_secs_f64() * 1e3,
        account.percentile(99).as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3 / put.len() as f64,
        program.peak_memory()? >> 20,
    );
    Ok(())
}
