//! Reading the body of a watch.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::line::{Assembler, Line, parse_lines};
use super::{Deletion, Error, Raw, Unreadable};

/// Handed over at the latest when so many events are waiting, or so many bytes of them.
const MOST_COLLECTED: usize = 2_000;
const MOST_BYTES: usize = 4 << 20;
/// When nothing more comes for so long, what has gathered is read.
const DRAINED: Duration = Duration::from_millis(1);

/// Never, where nobody can change it any more.
pub(super) async fn changed(signal: &mut tokio::sync::watch::Receiver<u64>) {
    if signal.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What a watch brought at once.
pub(super) struct Gathered {
    pub events: Vec<Raw>,
    /// Lines that can't be read.
    pub unreadable: Vec<Unreadable>,
    /// The newest resource version among it.
    pub reached: Option<String>,
    /// Events that were deleted.
    pub deleted: Vec<Deletion>,
    /// False at the end of the body.
    pub open: bool,
    /// What ended it; nothing after it may count as seen.
    pub failed: Option<Error>,
}

impl Gathered {
    /// Takes in lines, up to one that ends the watch; gives their bytes.
    fn take_in(&mut self, came: &[Vec<u8>], lines: &mut Assembler) -> usize {
        let mut bytes = 0;
        for line in came.iter().flat_map(|line| parse_lines(line)) {
            match line {
                Ok(Line::Event {
                    raw,
                    resource_version,
                }) => {
                    lines.understood();
                    bytes += raw.json().len();
                    self.events.push(raw);
                    self.reach(resource_version);
                }
                Ok(Line::Progress { resource_version }) => {
                    lines.understood();
                    self.reach(resource_version);
                }
                Ok(Line::Deleted(deletion)) => {
                    lines.understood();
                    self.reach(deletion.resource_version.clone());
                    self.deleted.push(deletion);
                }
                Ok(Line::Unreadable {
                    unreadable,
                    of_watch,
                }) => {
                    bytes += unreadable.text.len();
                    lines.garbled(unreadable, of_watch);
                }
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        bytes
    }

    fn reach(&mut self, version: String) {
        if !version.is_empty() {
            self.reached = Some(version);
        }
    }
}

/// Reads lines for as long as they follow each other closely.
pub(super) async fn gather(
    body: &mut Body,
    lines: &mut Assembler,
    open: bool,
) -> Result<Gathered, Error> {
    let mut gathered = Gathered {
        events: Vec::new(),
        unreadable: Vec::new(),
        reached: None,
        deleted: Vec::new(),
        open,
        failed: None,
    };
    let mut bytes = 0;
    loop {
        let mut came = lines.lines()?;
        if !gathered.open {
            came.extend(lines.last_line());
        }
        bytes += gathered.take_in(&came, lines);
        if gathered.failed.is_none() {
            gathered.failed = lines.is_no_watch(!gathered.open);
        }
        if gathered.failed.is_some()
            || !gathered.open
            || gathered.events.len() >= MOST_COLLECTED
            || bytes >= MOST_BYTES
        {
            break;
        }
        match timeout_at(Instant::now() + DRAINED, frame(body, lines)).await {
            Ok(Ok(more)) => gathered.open = more,
            Ok(Err(error)) => gathered.failed = Some(error),
            Err(_) => break,
        }
    }
    gathered.unreadable = lines.unreadable();
    Ok(gathered)
}

/// Reads one piece of the body; false at its end.
pub(super) async fn frame(body: &mut Body, lines: &mut Assembler) -> Result<bool, Error> {
    match body.frame().await {
        None => Ok(false),
        Some(Ok(frame)) => {
            if let Some(data) = frame.data_ref() {
                lines.push(data);
            }
            Ok(true)
        }
        Some(Err(why)) => Err(Error::Unreachable(format!("the watch broke: {why}"))),
    }
}
