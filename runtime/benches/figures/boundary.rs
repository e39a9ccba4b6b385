//! The cost of wasm.

use std::path::Path;
use std::time::{Duration, Instant};

use kubedl_events::event;
use kubedl_events::journal::{self, Journal};
use kubedl_events::relay::{self, Destination, Policy, Progress};
use kubedl_events::sink::grant::Document;
use kubedl_events::sink::{Artifact, Blueprint, Compiler, Engine, Sink};
use testkit::program::sinks;
use testkit::sls;
use tokio::sync::watch;

use crate::events::{Shape, fill};
use crate::machine::own_cpu;
use crate::native::Native;
use crate::{Done, PROGRAM};

/// Times that the wasm sink and the native one take all events in turn.
const ROUNDS: usize = 5;
const EVENTS: u32 = 20_000;

/// The same events from a journal to SLS, by the component and by the same code called natively, in
/// turn.
pub fn boundary() -> Done<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let server = std::process::Command::new(Path::new(PROGRAM).with_file_name("sls-server"))
        .arg("--stdin-lifeline")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut server = Killed(server);
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(server.0.stdout.take().ok_or("no stdout")?),
        &mut line,
    )?;
    let endpoint = line
        .trim()
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    let known = sls::Options::default();
    let environment = move |name: &str| {
        Some(match name {
            "SLS_ENDPOINT" => endpoint.clone(),
            "SLS_KEY_ID" => known.access_key_id.clone(),
            "SLS_KEY_SECRET" => known.access_key_secret.clone(),
            "SLS_PROJECT" => known.project.clone(),
            "SLS_LOG_STORE" => known.log_store.clone(),
            _ => return None,
        })
    };
    runtime.block_on(async {
        let journal = Journal::open(&journal::Options { durable: false, ..journal::Options::new(folder.path()) })?;
        fill(&journal, EVENTS, Shape { hosts: 1, words: "" }).await?;
        let engine = Engine::new(Compiler::Here, Some(&folder.path().join("compiled")))?;
        let blueprint = Blueprint::load(&engine, &Artifact::read(&sinks().join("aliyun-sls.wasm"))?).await?;
        let grant = Document::read(&sinks().join("aliyun-sls.yaml"))?.resolve("aliyun-sls", None, &environment)?;
        let (mut wasm, mut plain) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let sink = Sink::new("aliyun-sls", blueprint.clone(), grant.clone())?;
            wasm.push(drain(sink, &journal, &format!("wasm-{round}")).await?);
            plain.push(drain(Native::new(&grant, &environment)?, &journal, &format!("native-{round}")).await?);
        }
        let mean = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64() * 1e3 / (times.len() as f64 * f64::from(EVENTS));
        println!(
            "boundary: from the journal to SLS, CPU an event: wasm {:.4} ms, native {:.4} ms, difference {:.4} ms, ratio {:.2}",
            mean(&wasm),
            mean(&plain),
            mean(&wasm) - mean(&plain),
            mean(&wasm) / mean(&plain)
        );
        Ok(())
    })
}

struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU of this process while a destination takes the whole journal.
async fn drain<D: Destination>(
    mut destination: D,
    journal: &Journal,
    name: &str,
) -> Done<Duration> {
    let options = relay::Options {
        sink: name.to_owned(),
        policy: Policy::default(),
        grace: Duration::from_secs(1),
        event: event::Options::default(),
        select: None,
        spread: || 0.0,
        now: std::time::SystemTime::now,
    };
    let (stop, mut stopped) = watch::channel(false);
    relay::open(&mut destination, &options, &mut stopped, |_| ()).await?;
    let cursor = journal.register(name, journal::Start::Oldest).await?;
    let progress = Progress::default();
    let before = own_cpu()?;
    let began = Instant::now();
    let head = *journal.head().borrow();
    let work = relay::run(
        &mut destination,
        journal.clone(),
        cursor,
        &options,
        &progress,
        stopped,
    );
    let watched = async {
        let _ = progress
            .position()
            .wait_for(|position| *position >= head)
            .await;
        stop.send_replace(true);
    };
    tokio::join!(work, watched).0?;
    assert_eq!(
        progress.delivered(),
        u64::from(EVENTS),
        "after {:?}",
        began.elapsed()
    );
    Ok(own_cpu()?.saturating_sub(before))
}
