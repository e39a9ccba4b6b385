//! The figures of `benches/README.md`: ready time, latency, CPU an event, memory, the cost of wasm.
//!
//! `cargo xtask bench [FILTER]`. Each figure is of the release build as a process of its own; CPU is user and system time of that process
//! alone, by `/proc/PID/stat`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aliyun_sls as native;
use kubedl_events::event;
use kubedl_events::journal::{self, Batch, Entry, Journal, Kept};
use kubedl_events::relay::{self, Attempt, Destination, Item, Limits, Outcome, Policy, Progress};
use kubedl_events::sink::grant::{Document, Grant};
use kubedl_events::sink::http::{self, Gate};
use kubedl_events::sink::{Blueprint, Engine, Sink, Term};
use testkit::apiserver::ApiServer;
use testkit::load::{Account, Load};
use testkit::program::{Program, Start, sinks};
use testkit::sls;
use tokio::sync::watch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubedl-events");
const PATIENCE: Duration = Duration::from_secs(300);
/// Events that the wasm sink and the native one save in turn.
const ROUNDS: usize = 5;
const EVENTS: u32 = 20_000;

type Done<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Done<()> {
    // cargo bench adds `--bench`.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let wanted = |name: &str| name.contains(&filter);
    if wanted("ready") {
        ready()?;
    }
    for rate in [1_000, 2_000] {
        if wanted("steady") || filter == rate.to_string() {
            under_load(&format!("steady, {rate}/s"), EVENTS, 1.0 / 3.0, rate)?;
        }
    }
    if wanted("burst") {
        under_load("burst", EVENTS, 0.0, 0)?;
    }
    if wanted("boundary") {
        boundary()?;
    }
    Ok(())
}

/// From the start of loading to "ready to open", cold and from the cache.
fn ready() -> Done<()> {
    let server = sls::Server::start(sls::Options::default())?;
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir()?;
        let recording = folder.path().join("empty.jsonl");
        std::fs::write(&recording, "")?;
        for times in [&mut cold, &mut cached] {
            let start = Start::new(Path::new(PROGRAM), folder.path(), "log").to_sls(&server).with("--from", &recording).flag("--once");
            let (_, _, log) = start.run()?;
            let ms = log.split("\"ready_ms\":").nth(1).and_then(|rest| rest.split([',', '}']).next()).and_then(|ms| ms.parse::<u64>().ok());
            times.push(ms.ok_or("the log does not say ready_ms")?);
        }
    }
    cold.sort_unstable();
    cached.sort_unstable();
    println!("ready: cold {cold:?} ms, from the cache {cached:?} ms");
    Ok(())
}

fn service(folder: &Path, server: &ApiServer, sls: &sls::Server) -> Done<Program> {
    let start = Start::new(Path::new(PROGRAM), folder, "log").to_sls(sls).with("--kubeconfig", &server.kubeconfig);
    let mut program = start.start()?;
    program.wait_for_log("The list is read.", PATIENCE)?;
    Ok(program)
}

/// How long the disk takes for an fsync of one page.
fn disk(folder: &Path) -> Done<String> {
    let mut file = std::fs::File::create(folder.join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    Ok(format!("fsync of this disk: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms", at(249), at(494), at(499)))
}

/// Microseconds in which something on the machine waited for the disk, for a CPU (Linux `Documentation/accounting/psi.rst`).
fn pressure() -> Vec<(&'static str, u64)> {
    let total = |what| {
        let text = std::fs::read_to_string(format!("/proc/pressure/{what}")).unwrap_or_default();
        text.split("total=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    vec![("io", total("io")), ("cpu", total("cpu"))]
}

fn under_load(name: &str, events: u32, updates: f64, rate: u32) -> Done<()> {
    let folder = tempfile::tempdir()?;
    // etcd's pages on the journal's disk would make fsync wait for them, which is not ours to measure.
    let memory = tempfile::tempdir_in(testkit::memory_folder())?;
    let server = ApiServer::start(&memory.path().join("cluster"), &[])?;
    Load::set_up(&server)?;
    let sls = sls::Server::start(sls::Options::default())?;
    println!("{name}: {}", disk(folder.path())?);
    let program = service(folder.path(), &server, &sls)?;
    let (before, pressure) = (program.cpu()?, pressure());
    let put = Load::start(&server, folder.path(), events, updates, rate)?.finish()?;
    let stored = sls.wait_for(put.len(), PATIENCE).map_err(|why| format!("{why:?}"))?;
    let cpu = program.cpu()?.saturating_sub(before);
    let waited: Vec<String> =
        pressure.into_iter().zip(self::pressure()).map(|((what, before), (_, after))| format!("{what} {} ms", (after - before) / 1_000)).collect();
    println!("{name}: something on the machine waited for {}", waited.join(", "));
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

/// The same events from a journal to SLS, by the component and by the same code called natively, in turn.
fn boundary() -> Done<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = std::process::Command::new(Path::new(PROGRAM).with_file_name("sls-server"))
        .arg("--stdin-lifeline")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut server = Killed(server);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.0.stdout.take().ok_or("no stdout")?), &mut line)?;
    let endpoint = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
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
        fill(&journal).await?;
        let engine = Engine::new(Some(&folder.path().join("compiled")))?;
        let blueprint = Blueprint::load(&engine, &sinks().join("aliyun-sls.wasm")).await?;
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

async fn fill(journal: &Journal) -> Done<()> {
    let now = jiff::Timestamp::now();
    let entry = |n: u32| {
        let raw = format!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"mnist-worker-0.{n:x}","namespace":"training","uid":"4b0173e5-7482-44d5-add8-{n:012x}","resourceVersion":"{n}","creationTimestamp":"{time}"}},"involvedObject":{{"kind":"Pod","namespace":"training","name":"mnist-worker-0","uid":"1048da4b-7482-44d5-add8-63beb2bc7419","apiVersion":"v1","resourceVersion":"712","fieldPath":"spec.containers{{main}}"}},"reason":"BackOff","message":"Back-off restarting failed container main in pod mnist-worker-0","source":{{"component":"kubelet","host":"node-1"}},"firstTimestamp":"{time}","lastTimestamp":"{time}","count":3,"type":"Warning","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-1"}}"#,
            time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        );
        let job = r#"{"api_version":"training.kubedl.io/v1alpha1","kind":"PyTorchJob","namespace":"training","name":"mnist","uid":"1048da4b"}"#;
        let kept = Kept { observed_at: 1_790_000_000_000_000_000, job: Some(job.to_owned()), labels: None, raw, repeats: false };
        Entry { uid: format!("u{n}"), resource_version: n.to_string(), rule: "controlled", kept: Some(kept) }
    };
    for page in 0..EVENTS / 1_000 {
        let entries = (page * 1_000..(page + 1) * 1_000).map(entry).collect();
        journal.append(Batch { scope: "*".to_owned(), entries, ..Batch::default() }).await?;
    }
    Ok(())
}

/// CPU of this process while a destination takes the whole journal.
async fn drain<D: Destination>(mut destination: D, journal: &Journal, name: &str) -> Done<Duration> {
    let options = relay::Options {
        sink: name.to_owned(),
        policy: Policy::default(),
        grace: Duration::from_secs(1),
        event: event::Options::default(),
        spread: || 0.0,
    };
    let (stop, mut stopped) = watch::channel(false);
    relay::open(&mut destination, &options, &mut stopped, || ()).await?;
    let cursor = journal.register(name, journal::Start::Oldest).await?;
    let progress = Progress::default();
    let before = own_cpu()?;
    let began = Instant::now();
    let head = *journal.head().borrow();
    let work = relay::run(&mut destination, journal.clone(), cursor, &options, &progress, stopped);
    let watched = async {
        let _ = progress.position().wait_for(|position| *position >= head).await;
        stop.send_replace(true);
    };
    tokio::join!(work, watched).0?;
    assert_eq!(progress.delivered(), u64::from(EVENTS), "after {:?}", began.elapsed());
    Ok(own_cpu()?.saturating_sub(before))
}

fn own_cpu() -> Done<Duration> {
    // schedstat has nanoseconds, for each thread (Documentation/scheduler/sched-stats.rst).
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        total += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}

/// The sink's own code, in this process, behind the same gate.
struct Native {
    sink: native::Sink,
    way: Way,
}

struct Way(Gate);

impl Native {
    fn new(grant: &Grant, environment: &dyn Fn(&str) -> Option<String>) -> Done<Self> {
        let settings = native::Settings::from_env(environment).map_err(|why| format!("{why:?}"))?;
        Ok(Self { sink: native::Sink::new(settings), way: Way(Gate::new("aliyun-sls", Arc::new(grant.clone()), Term::endless())) })
    }
}

impl native::Transport for Way {
    fn send(&mut self, request: &native::Request) -> Result<native::Response, native::HttpError> {
        let request = http::Request {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            timeout: None,
        };
        let answer = self.0.send(request, Duration::from_secs(60)).map_err(|why| native::HttpError::Other(why.to_string()))?;
        Ok(native::Response { status: answer.status, headers: answer.headers, body: answer.body, truncated: answer.truncated })
    }

    fn send_all(&mut self, requests: &[native::Request]) -> Vec<Result<native::Response, native::HttpError>> {
        requests.iter().map(|request| self.send(request)).collect()
    }
}

impl Destination for Native {
    fn limits(&self) -> Limits {
        Limits { events: 4_096, bytes: 3 << 20 }
    }

    async fn open(&mut self) -> Outcome {
        Outcome::Stored(vec![])
    }

    async fn save(&mut self, _: Attempt, items: &[Arc<Item>]) -> Outcome {
        let events: Vec<native::Event> = items.iter().map(|item| event_of(item)).collect();
        let clock = || time_of(jiff::Timestamp::now());
        match self.sink.save(&events, &clock, &mut self.way) {
            Ok(failures) if failures.is_empty() => Outcome::Stored(vec![]),
            other => Outcome::Refused { reason: format!("{other:?}") },
        }
    }

    async fn close(&mut self) {}
}

fn time_of(time: jiff::Timestamp) -> native::Timestamp {
    native::Timestamp { seconds: time.as_second(), nanoseconds: time.subsec_nanosecond().unsigned_abs() }
}

fn reference_of(object: &event::ObjectReference) -> native::ObjectReference {
    native::ObjectReference {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uid: object.uid.clone(),
        field_path: object.field_path.clone(),
    }
}

fn event_of(item: &Item) -> native::Event {
    let event = &item.event;
    native::Event {
        uid: event.uid.clone(),
        resource_version: event.resource_version.clone(),
        namespace: event.namespace.clone(),
        name: event.name.clone(),
        type_: event.kind.clone(),
        reason: event.reason.clone(),
        action: event.action.clone(),
        message: event.message.clone(),
        count: event.count,
        first_timestamp: time_of(event.first_timestamp),
        last_timestamp: time_of(event.last_timestamp),
        observed_at: time_of(event.observed_at),
        component: event.component.clone(),
        host: event.host.clone(),
        instance: event.instance.clone(),
        regarding: reference_of(&event.regarding),
        related: event.related.as_ref().map(reference_of),
        job: event.job.as_ref().map(reference_of),
        region: event.region.clone(),
        cluster: event.cluster.clone(),
        labels: event.labels.clone(),
        attributes: vec![],
    }
}
