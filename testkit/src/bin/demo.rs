//! The main job, to look at: the events of a KubeDL job on a real API server go through
//! `aliyun-sls.wasm` into an SLS server.
//!
//! Ends with 0 only when everything that should be stored is stored, once, and nothing else is.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use clap::Parser;
use testkit::apiserver::{ApiServer, client};
use testkit::life::{Life, Written};
use testkit::sls::{Options, Server, StoredLog};

/// How long the story may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Args {
    /// The built `kubedl-events`.
    #[arg(long)]
    program: PathBuf,
    /// The folder of built sinks.
    #[arg(long)]
    sinks: PathBuf,
    /// A recording to play in place of a cluster.
    #[arg(long)]
    recording: Option<PathBuf>,
    /// Write the story to this file, as a recording for machines that can't run a cluster.
    #[arg(long)]
    record: Option<PathBuf>,
    /// How long building took, to say it at the end.
    #[arg(long, default_value_t = 0)]
    built_ms: u64,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Outcome<bool> {
    let began = Instant::now();
    let folder = std::env::temp_dir().join(format!("kubedl-events-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let sls = Server::start(Options {
        project: "kubedl-project".into(),
        log_store: "kubedl".into(),
        ..Options::default()
    })?;
    println!(
        "SLS server        {} (project kubedl-project, log store kubedl)",
        sls.endpoint()
    );
    let good = match &args.recording {
        Some(recording) => played(args, &sls, recording, &folder),
        None => lived(args, &sls, &folder),
    };
    let _ = std::fs::remove_dir_all(&folder);
    let good = good?;
    let building = Duration::from_millis(args.built_ms);
    println!(
        "building took {:.1} s, the rest {:.1} s",
        building.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    Ok(good)
}

/// The program with the arguments and environment of KubeDL's page on events persistency.
fn program(args: &Args, sls: &Server, folder: &Path) -> Outcome<Command> {
    let known = Options::default();
    let mut command = Command::new(&args.program);
    command
        .args(["--event-storage", "aliyun-sls"])
        .arg("--shipped-sinks")
        .arg(&args.sinks);
    command
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--log-format", "json"]);
    command
        .env("SLS_ENDPOINT", sls.endpoint())
        .env("SLS_KEY_ID", known.access_key_id)
        .env("SLS_KEY_SECRET", known.access_key_secret);
    command
        .env("SLS_PROJECT", "kubedl-project")
        .env("SLS_LOG_STORE", "kubedl");
    command
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log"))?);
    Ok(command)
}

fn lived(args: &Args, sls: &Server, folder: &Path) -> Outcome<bool> {
    let server = ApiServer::start(&folder.join("cluster"), &[])?;
    println!("kube-apiserver    {}", server.url);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut command = program(args, sls, folder)?;
        let mut child = command
            .arg("--kubeconfig")
            .arg(&server.kubeconfig)
            .spawn()?;
        println!(
            "kubedl-events     --event-storage aliyun-sls, process {}",
            child.id()
        );
        let told = story(&server.kubeconfig, args.record.as_deref()).await;
        let wanted = told.as_ref().map_or(0, |written| {
            written.iter().filter(|event| event.belongs).count()
        });
        let arrived = sls.wait_for(wanted, PATIENCE);
        let ended = stop(&mut child)?;
        let written = told?;
        if let Err(why) = &arrived {
            println!(
                "{why:?}; the log of kubedl-events:\n{}",
                std::fs::read_to_string(folder.join("log"))?
            );
        }
        let stored = sls.stored();
        show(&stored, &written);
        Ok(verdict(&written, &stored) && ended)
    })
}

async fn story(kubeconfig: &Path, record: Option<&Path>) -> Outcome<Vec<Written>> {
    let mut life = Life::begin(client(kubeconfig).await?, "training").await?;
    life.train("mnist").await?;
    life.serve("classifier").await?;
    life.noise().await?;
    println!(
        "on the cluster    PyTorchJob mnist with 3 pods trained, Inference classifier served, a web server and a node made noise"
    );
    if let Some(file) = record {
        let lines: Vec<String> = life
            .recording()
            .await?
            .iter()
            .map(ToString::to_string)
            .collect();
        std::fs::write(file, lines.join("\n") + "\n")?;
    }
    Ok(life.written().to_vec())
}

fn played(args: &Args, sls: &Server, recording: &Path, folder: &Path) -> Outcome<bool> {
    println!("recording         {}", recording.display());
    let lines = std::fs::read_to_string(recording)?;
    let events: Vec<serde_json::Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let wanted = events
        .iter()
        .filter(|object| {
            object
                .pointer("/metadata/labels/belongs")
                .is_some_and(|belongs| belongs == "yes")
        })
        .count();
    let status = program(args, sls, folder)?
        .arg("--from")
        .arg(recording)
        .arg("--once")
        .status()?;
    let stored = sls.stored();
    show(&stored, &[]);
    println!(
        "stored {} of {wanted} events of the recording's jobs",
        stored.len()
    );
    Ok(status.success() && stored.len() == wanted)
}

/// SIGTERM, and whether it ended with 0.
fn stop(child: &mut Child) -> Outcome<bool> {
    Command::new("kill").arg(child.id().to_string()).status()?;
    let status = child.wait()?;
    println!("kubedl-events     ended with {status}");
    Ok(status.success())
}

fn show(stored: &[StoredLog], written: &[Written]) {
    let times: BTreeMap<(&str, &str), _> = written
        .iter()
        .map(|event| {
            (
                (event.uid.as_str(), event.resource_version.as_str()),
                event.at,
            )
        })
        .collect();
    println!("\nWhat SLS has of the job mnist (in the order of arrival):\n");
    println!(
        "{:<21} {:<8} {:<24} {:<30} {:>5}  {:>9}  message",
        "last timestamp", "type", "reason", "object", "count", "stored in"
    );
    for log in stored.iter().filter(|log| {
        log.get("Job").is_some_and(|job| job.contains("mnist"))
            || log.get("ObjName") == Some("mnist")
    }) {
        let field = |key| log.get(key).unwrap_or_default();
        let object = format!("{}/{}", field("Kind"), field("ObjName"));
        let at = times
            .get(&(field("EventUID"), field("ResourceVersion")))
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let took = at.map(|at| {
            Duration::from_nanos(log.arrived_ns)
                .saturating_sub(at)
                .as_millis()
        });
        let took = took.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        let message: String = field("Message").chars().take(60).collect();
        println!(
            "{:<21} {:<8} {:<24} {object:<30} {:>5}  {took:>9}  {message}",
            field("LastTimestamp"),
            field("Type"),
            field("Reason"),
            field("Count")
        );
    }
    println!();
}

/// Everything that belongs is stored once, and nothing else.
fn verdict(written: &[Written], stored: &[StoredLog]) -> bool {
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for log in stored {
        let key = (
            log.get("EventUID").unwrap_or_default().to_owned(),
            log.get("ResourceVersion").unwrap_or_default().to_owned(),
        );
        *times.entry(key).or_default() += 1;
    }
    let (mut missing, mut foreign, mut twice) = (0, 0, 0);
    for event in written {
        match (
            times
                .get(&(event.uid.clone(), event.resource_version.clone()))
                .copied()
                .unwrap_or(0),
            event.belongs,
        ) {
            (0, true) => {
                missing += 1;
                println!(
                    "MISSING: {} of {}, count {}",
                    event.reason, event.about, event.count
                );
            }
            (n, false) if n > 0 => foreign += 1,
            (n, true) if n > 1 => twice += 1,
            _ => {}
        }
    }
    let belong = written.iter().filter(|event| event.belongs).count();
    println!(
        "created {}, stored {}, filtered {}; missing {missing}, stored twice {twice}, stored though foreign {foreign}",
        written.len(),
        stored.len(),
        written.len() - belong
    );
    missing + foreign + twice == 0 && stored.len() == belong
}
