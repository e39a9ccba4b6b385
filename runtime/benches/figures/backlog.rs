//! A start on a journal with a million undelivered events.

use std::path::Path;
use std::time::{Duration, Instant};

use kubedl_events::journal::{self, Journal};
use testkit::apiserver::ApiServer;
use testkit::program::{Program, Start};
use testkit::sls::{self, Order};

use crate::events::{ONE_KB, fill};
use crate::machine::{Waited, disk};
use crate::{Done, PATIENCE, PROGRAM, length};

/// How long the program is watched while the destination is down.
const DOWN: Duration = Duration::from_secs(20);
const MOST: Duration = Duration::from_secs(600);

/// A million rows, or `BENCH_ROWS`.
pub fn backlog() -> Done<()> {
    let rows = length("BENCH_ROWS", 1_000_000)?;
    let folder = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in(testkit::memory_folder())?;
    let server = ApiServer::start(&memory.path().join("cluster"), &[])?;
    println!("backlog: {}", disk(folder.path())?);
    fill_folder(&folder.path().join("data"), rows)?;
    let sls = sls::Server::start(sls::Options::default())?;
    compile(folder.path(), &sls)?;

    sls.order(Order::answer(503, "ServerBusy", "The server is busy."));
    let (program, _) = start(folder.path(), "down", &server, &sls)?;
    sls.wait_for_requests(1, PATIENCE)?;
    std::thread::sleep(DOWN);
    let down = program.peak_memory()?;
    program.terminate()?;
    sls.clear_orders();

    let waited = Waited::begin();
    let (program, began) = start(folder.path(), "up", &server, &sls)?;
    let first = sls
        .wait_for(1, PATIENCE)?
        .first()
        .map(|log| log.arrived.duration_since(began))
        .ok_or("nothing arrived")?;
    while sls.count() < rows as usize && began.elapsed() < MOST {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (time, cpu, stored) = (began.elapsed(), program.cpu()?, sls.count());
    println!("backlog: {waited}");
    println!(
        "backlog: {rows} rows; from process start to the first event at the destination {:.0} ms; {stored} delivered in {:.1} s, {:.0}/s, CPU {:.4} ms an \
         event; peak {} MiB while down, {} MiB while delivering",
        first.as_secs_f64() * 1e3,
        time.as_secs_f64(),
        stored as f64 / time.as_secs_f64(),
        cpu.as_secs_f64() * 1e3 / stored as f64,
        down >> 20,
        program.peak_memory()? >> 20,
    );
    Ok(())
}

/// A journal with so many rows, closed.
pub fn fill_folder(folder: &Path, rows: u32) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let journal = Journal::open(&journal::Options {
            durable: false,
            ..journal::Options::new(folder)
        })?;
        fill(&journal, rows, ONE_KB).await?;
        Ok::<_, Box<dyn std::error::Error>>(journal.close().await?)
    })?;
    // Else the first fsync of what is measured would write it all.
    Ok(std::fs::File::open(folder.join("journal.sqlite"))?.sync_all()?)
}

/// Leaves the compiled sink in the cache.
fn compile(folder: &Path, sls: &sls::Server) -> Done<()> {
    let recording = folder.join("empty.jsonl");
    std::fs::write(&recording, "")?;
    let (status, _, log) = Start::new(Path::new(PROGRAM), folder, "compile")
        .to_sls(sls)
        .with("--from", &recording)
        .flag("--once")
        .run()?;
    if status.success() {
        Ok(())
    } else {
        Err(log.into())
    }
}

fn start(
    folder: &Path,
    log: &str,
    server: &ApiServer,
    sls: &sls::Server,
) -> Done<(Program, Instant)> {
    let start = Start::new(Path::new(PROGRAM), folder, log)
        .to_sls(sls)
        .with("--kubeconfig", &server.kubeconfig);
    let began = Instant::now();
    Ok((start.start()?, began))
}
