//! Watches: opened, catching up, cut, and dead without a word.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Change;
use crate::bugs::Bug;
use crate::world::{STALL, World};

type Lines = UnboundedSender<Result<String, String>>;

pub(super) struct Watcher {
    pub(super) namespace: Option<String>,
    pub(super) lines: Lines,
    /// Dead: sends nothing any more, and doesn't end.
    pub(super) stalled: bool,
}

impl World {
    pub fn cut(&mut self, how: &str) {
        self.tell(format!("watches cut: {how}"));
        for watcher in self.storage.watchers.drain(..) {
            if how == "broken" {
                let _ = watcher.lines.send(Err("connection reset".to_owned()));
            }
        }
    }

    pub fn stall(&mut self) {
        self.tell("watches stall");
        for watcher in &mut self.storage.watchers {
            watcher.stalled = true;
            let _ = watcher.lines.send(Err(STALL.to_owned()));
        }
    }

    pub fn bookmark(&mut self) {
        let version = self.storage.version;
        let line = format!(
            "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Event\",\"metadata\":{{\"resourceVersion\":\"{version}\"}}}}}}\n"
        );
        self.storage
            .watchers
            .retain(|watcher| watcher.stalled || watcher.lines.send(Ok(line.clone())).is_ok());
    }

    /// Opens a watch; what it sends comes through the channel. Err: the answer is an ERROR line
    /// with 410.
    pub fn watch(
        &mut self,
        namespace: Option<String>,
        from: u64,
    ) -> Result<UnboundedReceiver<Result<String, String>>, ()> {
        let from = match self.storage.last_page {
            Some((first, last)) if self.has(Bug::WatchFromLastPage) && from == first => last,
            _ => from,
        };
        if from < self.storage.compacted {
            return Err(());
        }
        let (lines, receiver) = unbounded_channel();
        if self.short_watches {
            return Ok(receiver);
        }
        // From a future resource version it hangs in silence.
        let stalled = from > self.storage.version;
        let of = |change: &&Change| {
            change.version > from
                && namespace
                    .as_deref()
                    .is_none_or(|only| only == change.namespace)
        };
        let behind: Vec<String> = self
            .storage
            .history
            .iter()
            .filter(of)
            .map(|change| change.line.clone())
            .collect();
        let cut_short = !self.calm && behind.len() > 2 && self.random.percent(15);
        for line in behind.iter().take(if cut_short {
            behind.len() / 2
        } else {
            behind.len()
        }) {
            let _ = lines.send(Ok(line.clone()));
        }
        if cut_short {
            self.tell("a watch that catches up is cut, and the rest of the history is gone");
            self.compact(if self.shape.loses_disks { 0 } else { from });
            // For so long that the service may have to begin anew from where it stood then.
            self.api_down = self.random.percent(50);
            return Ok(receiver);
        }
        self.storage.watchers.push(Watcher {
            namespace,
            lines,
            stalled,
        });
        Ok(receiver)
    }
}
