//! How a subcommand changes the journal of a running service: one line of JSON through a socket in
//! the data folder, one line back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream as Client};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::cluster::Seldom;
use crate::journal::{self, Choice, Journal};
use crate::sink::Exchange;
use crate::telemetry::{Observer, Status};

use super::settings::ShownSetting;

/// Longer requests are not ours.
const LONGEST: u64 = 1 << 20;
/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take to say what it wants, and to take the answer.
const SILENT: Duration = Duration::from_secs(5);
/// Clients at a time; others wait. Those that say nothing hold none up for longer than [`SILENT`].
const MOST: usize = 64;
/// After a client that could not be taken, as when there are no file descriptors left.
const AGAIN: Duration = Duration::from_millis(500);

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Try dead letters again.
    Retry(Letters),
    /// Throw dead letters away.
    Drop(Letters),
    /// Say how the service is.
    Status,
    /// Say which settings hold.
    Settings,
    /// Say what was sent where.
    Egress,
}

/// Which dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Letters {
    /// By number.
    Ids(Vec<i64>),
    /// All of a sink.
    Sink(String),
}

/// The answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// So many were changed.
    Changed(u64),
    /// How the service is.
    Status(Box<Status>),
    /// Which settings hold.
    Settings(Vec<ShownSetting>),
    /// What was sent where, by sink.
    Egress(BTreeMap<String, Vec<Exchange>>),
    /// Nothing was changed.
    Error(String),
}

fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// None for what changes nothing.
async fn perform(journal: &Journal, request: Request) -> Result<Option<u64>, journal::Error> {
    let choice = |letters| match letters {
        Letters::Ids(ids) => Choice::Ids(ids),
        Letters::Sink(sink) => Choice::Sink(sink),
    };
    match request {
        Request::Retry(letters) => journal.requeue(choice(letters)).await.map(Some),
        Request::Drop(letters) => journal.discard(choice(letters)).await.map(Some),
        Request::Status | Request::Settings | Request::Egress => Ok(None),
    }
}

/// Serves requests for as long as it is polled. The folder is this process's alone, so an old
/// socket is one that a crash left.
pub(crate) async fn serve(
    data_dir: PathBuf,
    journal: Journal,
    observer: Arc<Observer>,
    settings: Vec<ShownSetting>,
) {
    let path = socket(&data_dir);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).and_then(|listener| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    let listener = match listener {
        Ok(listener) => listener,
        Err(why) => {
            return warn!(
                "No subcommand can reach this service: cannot listen on {}: {why}.",
                path.display()
            );
        }
    };
    let desk = Arc::new(Desk {
        journal,
        observer,
        settings,
    });
    let (places, mut clients, mut seldom) = (
        Arc::new(Semaphore::new(MOST)),
        JoinSet::new(),
        Seldom::default(),
    );
    loop {
        // Ended ones leave nothing behind.
        while clients.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = seldom.over();
                let desk = desk.clone();
                clients.spawn(async move {
                    desk.serve(stream).await;
                    drop(place);
                });
            }
            Err(why) => {
                if let Some(times) = seldom.fails("accept") {
                    warn!(
                        times,
                        "A subcommand can't reach this service: cannot take its connection: {why}. Trying again."
                    );
                }
                sleep(AGAIN).await;
            }
        }
    }
}

/// What clients ask about.
struct Desk {
    journal: Journal,
    observer: Arc<Observer>,
    settings: Vec<ShownSetting>,
}

impl Desk {
    /// One client: a request, and its answer.
    async fn serve(&self, stream: Client) {
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        let mut reading = tokio::io::BufReader::new(reading.take(LONGEST));
        match timeout(SILENT, reading.read_line(&mut line)).await {
            Ok(Ok(1..)) => {}
            ended => return debug!("A client of the control socket asked nothing: {ended:?}."),
        }
        let mut answer = serde_json::to_string(&self.answer(&line).await).unwrap_or_default();
        answer.push('\n');
        if !matches!(
            timeout(SILENT, writing.write_all(answer.as_bytes())).await,
            Ok(Ok(()))
        ) {
            debug!("A client of the control socket did not take its answer.");
        }
    }

    async fn answer(&self, line: &str) -> Answer {
        match serde_json::from_str(line) {
            Ok(Request::Settings) => Answer::Settings(self.settings.clone()),
            Ok(Request::Egress) => Answer::Egress(self.observer.board().exchanges()),
            Ok(request) => match perform(&self.journal, request).await {
                Ok(Some(changed)) => Answer::Changed(changed),
                Ok(None) => status(self.observer.clone()).await,
                Err(why) => Answer::Error(why.to_string()),
            },
            Err(why) => Answer::Error(format!("not a request that this version knows: {why}")),
        }
    }
}

async fn status(observer: Arc<Observer>) -> Answer {
    // The disk may be slow, and this thread has more to do.
    let looked = tokio::task::spawn_blocking(move || observer.wait()).await;
    looked.map_or_else(
        |why| Answer::Error(why.to_string()),
        |status| Answer::Status(Box::new(status)),
    )
}

/// How the running service is; none where none runs.
pub(crate) fn ask_status(data_dir: &Path) -> anyhow::Result<Option<Status>> {
    let Some(stream) = connect(data_dir)? else {
        return Ok(None);
    };
    match exchange(&stream, &Request::Status)? {
        Answer::Status(status) => Ok(Some(*status)),
        _ => bail!("the service's answer is no status: is it another version?"),
    }
}

/// Which settings of the running service hold; none where none runs.
pub(crate) fn ask_settings(data_dir: &Path) -> anyhow::Result<Option<Vec<ShownSetting>>> {
    let Some(stream) = connect(data_dir)? else {
        return Ok(None);
    };
    match exchange(&stream, &Request::Settings)? {
        Answer::Settings(settings) => Ok(Some(settings)),
        _ => bail!("the service's answer is no list of settings: is it another version?"),
    }
}

/// What the sinks of the running service sent where; none where none runs.
pub(crate) fn ask_egress(
    data_dir: &Path,
) -> anyhow::Result<Option<BTreeMap<String, Vec<Exchange>>>> {
    let Some(stream) = connect(data_dir)? else {
        return Ok(None);
    };
    match exchange(&stream, &Request::Egress)? {
        Answer::Egress(exchanges) => Ok(Some(exchanges)),
        _ => bail!("the service's answer is no account of requests: is it another version?"),
    }
}

/// Asks the running service, or does it where none runs. Gives how many were changed.
pub(crate) async fn ask(data_dir: &Path, request: Request) -> anyhow::Result<u64> {
    let Some(stream) = connect(data_dir)? else {
        if !data_dir.join(journal::FILE).is_file() {
            bail!(
                "there is no journal in {}: give the folder of the service with --data-dir",
                data_dir.display()
            );
        }
        let journal = Journal::open_inline(&journal::Options::new(data_dir))?;
        return Ok(perform(&journal, request).await?.unwrap_or(0));
    };
    match exchange(&stream, &request)? {
        Answer::Changed(changed) => Ok(changed),
        _ => bail!("the service's answer is no number: is it another version?"),
    }
}

/// None where no service runs.
fn connect(data_dir: &Path) -> anyhow::Result<Option<UnixStream>> {
    match UnixStream::connect(socket(data_dir)) {
        Ok(stream) => Ok(Some(stream)),
        Err(why)
            if matches!(
                why.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(why) => {
            Err(why).with_context(|| format!("cannot reach the service of {}", data_dir.display()))
        }
    }
}

/// One request, and its answer, unless that is a refusal.
fn exchange(mut stream: &UnixStream, request: &Request) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .context("the service did not answer in time")?;
    match serde_json::from_str(&answer)
        .context("the service's answer can't be read: is it another version?")?
    {
        Answer::Error(why) => bail!("the service refused: {why}"),
        answer => Ok(answer),
    }
}
