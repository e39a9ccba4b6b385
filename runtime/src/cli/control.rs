//! How a subcommand changes the journal of a running service: one line of JSON through a socket in the data folder, one line back.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tracing::warn;

use crate::journal::{self, Choice, Journal};
use crate::telemetry::{Observer, Status};

use super::config::Setting;

/// Longer requests are not ours.
const LONGEST: u64 = 1 << 20;
/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// Try dead letters again.
    Retry(Letters),
    /// Throw dead letters away.
    Drop(Letters),
    /// Say how the service is.
    Status,
    /// Say which settings hold.
    Settings,
}

/// Which dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Letters {
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
    Settings(Vec<Setting>),
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
        Request::Status | Request::Settings => Ok(None),
    }
}

/// Serves requests for as long as it is polled. The folder is this process's alone, so an old socket is one that a crash left.
pub(super) async fn serve(data_dir: PathBuf, journal: Journal, observer: Arc<Observer>, settings: Vec<Setting>) {
    let path = socket(&data_dir);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).and_then(|listener| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    let listener = match listener {
        Ok(listener) => listener,
        Err(why) => return warn!("No subcommand can reach this service: cannot listen on {}: {why}.", path.display()),
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        if tokio::io::BufReader::new(reading.take(LONGEST)).read_line(&mut line).await.is_err() {
            continue;
        }
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Settings) => Answer::Settings(settings.clone()),
            Ok(request) => match perform(&journal, request).await {
                Ok(Some(changed)) => Answer::Changed(changed),
                Ok(None) => status(observer.clone()).await,
                Err(why) => Answer::Error(why.to_string()),
            },
            Err(why) => Answer::Error(format!("not a request that this version knows: {why}")),
        };
        let mut line = serde_json::to_string(&answer).unwrap_or_default();
        line.push('\n');
        let _ = writing.write_all(line.as_bytes()).await;
    }
}

async fn status(observer: Arc<Observer>) -> Answer {
    // The disk may be slow, and this thread has more to do.
    let looked = tokio::task::spawn_blocking(move || observer.wait()).await;
    looked.map_or_else(|why| Answer::Error(why.to_string()), |status| Answer::Status(Box::new(status)))
}

/// How the running service is; none where none runs.
pub(super) fn ask_status(data_dir: &Path) -> anyhow::Result<Option<Status>> {
    let Some(stream) = connect(data_dir)? else { return Ok(None) };
    match exchange(&stream, &Request::Status)? {
        Answer::Status(status) => Ok(Some(*status)),
        _ => bail!("the service's answer is no status: is it another version?"),
    }
}

/// Which settings of the running service hold; none where none runs.
pub(super) fn ask_settings(data_dir: &Path) -> anyhow::Result<Option<Vec<Setting>>> {
    let Some(stream) = connect(data_dir)? else { return Ok(None) };
    match exchange(&stream, &Request::Settings)? {
        Answer::Settings(settings) => Ok(Some(settings)),
        _ => bail!("the service's answer is no list of settings: is it another version?"),
    }
}

/// Asks the running service, or does it where none runs. Gives how many were changed.
pub(super) async fn ask(data_dir: &Path, request: Request) -> anyhow::Result<u64> {
    let Some(stream) = connect(data_dir)? else {
        if !data_dir.join(journal::FILE).is_file() {
            bail!("there is no journal in {}: give the folder of the service with --data-dir", data_dir.display());
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
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(why) => Err(why).with_context(|| format!("cannot reach the service of {}", data_dir.display())),
    }
}

/// One request, and its answer, unless that is a refusal.
fn exchange(mut stream: &UnixStream, request: &Request) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).context("the service did not answer in time")?;
    match serde_json::from_str(&answer).context("the service's answer can't be read: is it another version?")? {
        Answer::Error(why) => bail!("the service refused: {why}"),
        answer => Ok(answer),
    }
}
