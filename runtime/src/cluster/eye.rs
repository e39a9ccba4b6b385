//! One scope as it is seen: its list, and its watch.

use kube::client::Body;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::line::Assembler;
use super::list::{Pages, about, escaped, path};
use super::stream::{Gathered, changed, frame, gather};
use super::watch::{Eye, LAG, LIVED, UNREAD};
use super::{Deletion, Ending, Error, Forgotten, Observation, Resume, Witness, is_before};

impl Eye<'_> {
    /// Reads the whole list in pages, and stands at the first page's resource version: all that
    /// came later, a watch from there shows. With `keep` it stands where it stood, which is
    /// earlier, and leaves out what was written since: the watch shows that.
    pub(super) async fn list(&mut self, keep: bool) -> Result<(), Error> {
        let began = (self.options.now)();
        let mut first: Option<String> = None;
        let (client, scope) = (self.client.clone(), self.scope.clone());
        let mut pages = Pages::new(&client, &scope, self.options.page);
        while let Some(page) = pages.next().await? {
            if first.is_none()
                && let Some(lost) = self.set_back(page.version())
            {
                self.stand = None;
                self.say_lost(lost).await;
            }
            let stand = self.stand.clone().filter(|_| keep);
            let (events, newest, unreadable) =
                page.events(stand.as_ref().map(|stand| &*stand.resource_version));
            let newest = newest.and_then(|place| Witness::of(events.get(place)?, began));
            newest
                .into_iter()
                .for_each(|witness| self.witnesses.add(witness));
            let resource_version = first
                .get_or_insert_with(|| page.version().to_owned())
                .clone();
            let reached = page.is_last().then(|| {
                stand.unwrap_or(Resume {
                    resource_version,
                    at: began,
                })
            });
            drop(page);
            self.hand_over(Observation {
                events,
                unreadable,
                reached: reached.clone(),
                ..Observation::of(self.scope.clone())
            })
            .await;
            if let Some(reached) = reached {
                info!(scope = %self.scope, resource_version = reached.resource_version, "The list is read.");
                self.sight.listed();
                self.stand = Some(reached);
            }
            if self.out.is_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Watches from where it stands, and moves that with everything handed over. Ok when the server
    /// ended the watch.
    pub(super) async fn follow(&mut self) -> Result<(), Error> {
        let Some(from) = self
            .stand
            .as_ref()
            .map(|stand| stand.resource_version.clone())
        else {
            return Err(Error::Expired);
        };
        let mut reopen = self.options.reopen.clone();
        reopen.mark_unchanged();
        let mut body = self.open(&from).await?;
        let began = Instant::now();
        let silence = self.options.watch_timeout + std::time::Duration::from_secs(20);
        let (mut lines, mut well) = (Assembler::default(), false);
        loop {
            let open = tokio::select! {
                biased;
                open = timeout_at(Instant::now() + silence, frame(&mut body, &mut lines)) => match open {
                    Ok(open) => open?,
                    Err(_) => return Err(Error::Unreachable("the watch went silent beyond its time".to_owned())),
                },
                () = changed(&mut reopen) => {
                    self.sight.closed(Ending::Blind);
                    return Err(Error::Unreachable("the watch does not show what was written".to_owned()));
                }
                () = tokio::time::sleep_until(began + LIVED), if !well => {
                    well = true;
                    self.is_well();
                    continue;
                }
            };
            // What follows closely is handed over with it: the kernel collects while the thread
            // sleeps, so that one wake-up and one commit serve many events. A task that slept would
            // be woken for every packet all the same.
            if !self.options.collect.is_zero() {
                std::thread::sleep(self.options.collect);
            }
            let mut gathered = gather(&mut body, &mut lines, open).await?;
            let failed = gathered.failed.take();
            let ended = !gathered.open && failed.is_none();
            // At the end of its time, a silent watch proves that there was nothing more. One that
            // ends earlier proves nothing.
            let whole = ended && began.elapsed() + LAG >= self.options.watch_timeout;
            if let Some(seen) = self.take_in(gathered, whole, &mut well) {
                if !self.is_read().await {
                    drop(body);
                    self.close_unread(seen).await;
                    return Ok(());
                }
                self.hand_over(seen).await;
            }
            match failed {
                Some(error) => return Err(error),
                None if ended && !well => return Err(ended_at_once(began.elapsed())),
                None if ended || self.out.is_closed() => return Ok(()),
                None => {}
            }
        }
    }

    /// Opens a watch from a resource version.
    async fn open(&self, from: &str) -> Result<Body, Error> {
        let seconds = self.options.watch_timeout.as_secs().max(1);
        let query = format!(
            "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}",
            escaped(from)
        );
        self.sight.tried();
        let body = self
            .client
            .get(&path(&self.scope, &query), about(&self.scope, "watch"))
            .await?;
        self.sight.opened();
        Ok(body)
    }

    /// Whether the next stage takes what is handed over, now or soon.
    async fn is_read(&self) -> bool {
        self.out.try_reserve().is_ok()
            || timeout_at(Instant::now() + UNREAD, self.out.reserve())
                .await
                .is_ok()
    }

    /// Nobody takes events at the moment, and an open watch that nobody reads burdens the API
    /// server.
    async fn close_unread(&self, seen: Observation) {
        self.sight.closed(Ending::Unread);
        warn!(scope = %self.scope, "The watch is closed until the journal takes events again.");
        self.hand_over(seen).await;
    }

    /// What to hand over of what the watch brought, if anything; moves where it stands. `whole`:
    /// the watch was open for its whole time.
    fn take_in(&mut self, gathered: Gathered, whole: bool, well: &mut bool) -> Option<Observation> {
        let Gathered {
            events,
            unreadable,
            reached,
            deleted,
            ..
        } = gathered;
        let Some(stand) = self.proven(reached, whole) else {
            // Nothing of it has a resource version.
            let any = !events.is_empty() || !unreadable.is_empty();
            return any.then(|| Observation {
                events,
                unreadable,
                ..Observation::of(self.scope.clone())
            });
        };
        if !*well
            && self
                .stand
                .as_ref()
                .is_none_or(|before| before.resource_version != stand.resource_version)
        {
            *well = true;
            self.is_well();
        }
        self.stand = Some(stand.clone());
        let written_at = deleted.last().and_then(|deletion| deletion.written_at);
        let lifetime =
            written_at.and_then(|written_at| (self.options.now)().duration_since(written_at).ok());
        let forgotten = self.forget(deleted);
        let newest = events
            .last()
            .and_then(|raw| Witness::of(raw, (self.options.now)()));
        newest
            .into_iter()
            .for_each(|witness| self.witnesses.add(witness));
        Some(Observation {
            events,
            unreadable,
            reached: Some(stand),
            forgotten,
            lifetime,
            ..Observation::of(self.scope.clone())
        })
    }

    /// Where the watch stands by what it has shown, or by having been silent for its whole time:
    /// then there was nothing up to the version that the storage had reached before it began.
    fn proven(&self, reached: Option<String>, whole: bool) -> Option<Resume> {
        let stood = self.stand.as_ref();
        let resource_version = match (reached, stood) {
            (Some(reached), _) if whole && is_before(&reached, &self.target) == Some(true) => {
                self.target.clone()
            }
            (Some(reached), _) => reached,
            (None, Some(stood))
                if whole && is_before(&stood.resource_version, &self.target) == Some(true) =>
            {
                self.target.clone()
            }
            (None, Some(stood)) if whole => stood.resource_version.clone(),
            (None, _) => return None,
        };
        // A watch that catches up shows old things.
        let behind = !whole && is_before(&resource_version, &self.target) == Some(true);
        let at = stood.map(|stood| stood.at).filter(|_| behind);
        Some(Resume {
            resource_version,
            at: at.unwrap_or_else(self.options.now),
        })
    }

    /// Events that were deleted are no witnesses any more; gives those that were, since the journal
    /// knows them, too.
    fn forget(&mut self, deleted: Vec<Deletion>) -> Vec<Forgotten> {
        let was_witness = |gone: &Deletion| {
            self.witnesses
                .iter()
                .any(|witness| witness.namespace == gone.namespace && witness.name == gone.name)
        };
        let forgotten: Vec<Forgotten> = deleted
            .into_iter()
            .filter(was_witness)
            .map(|gone| Forgotten {
                namespace: gone.namespace,
                resource_version: gone.resource_version,
            })
            .collect();
        forgotten
            .iter()
            .for_each(|gone| self.witnesses.forget(&gone.namespace));
        forgotten
    }
}

/// As client-go takes a very short watch without any line (`reflector.go`, `VeryShortWatchError`).
fn ended_at_once(lived: std::time::Duration) -> Error {
    let milliseconds = lived.as_millis();
    Error::Cut(format!(
        "a watch was ended after {milliseconds} ms and had shown nothing: does a proxy before the API server end or buffer watches?"
    ))
}
