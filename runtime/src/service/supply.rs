//! Where a sink's versions come from: its files at the start, what opened last when they can't be
//! used, and its files again when they change.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info, warn};

use crate::cluster::Pulse;
use crate::relay::{Cause, Destination, Outcome, Progress};
use crate::sink::loading::{Fingerprint, Kept, Loaded, Loader, files, fixed};
use crate::sink::{Artifact, Error, Found, Sink, Slot, Stats, Version};

/// Between two looks at the files.
const POLL: Duration = Duration::from_secs(1);
/// For so long files must not have changed: one that is being written is not read.
const SETTLED: Duration = Duration::from_millis(200);
/// Until a version that could not be opened is tried again: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// A sink, and where its next versions come from.
pub(crate) struct Supplied {
    pub sink: Sink,
    pub supply: Supply,
    /// Of all its relays, one after the other: counters never go back.
    pub progress: Arc<Progress>,
    /// Of the thread of its relay.
    pub pulse: Arc<Pulse>,
}

/// The files of a sink, and what is known of them.
pub(crate) struct Supply {
    /// As given to `--event-storage`.
    value: String,
    name: String,
    loader: Loader,
    kept: Kept,
    /// What serves, until it has opened and is kept.
    unkept: Option<Artifact>,
    /// The files when they were last read; none: they are to be read.
    seen: Option<Fingerprint>,
    /// When a version that could not be opened is tried again, and the wait after that.
    again: Option<(Instant, Duration)>,
    /// What was said last, so that it is not said each second.
    said: String,
    stats: Arc<Stats>,
}

impl Supplied {
    /// Reads a sink's files, or takes what opened last when they can't be used, or when the process
    /// was killed over them before. Where nothing opened before, they are tried once more, and
    /// again each time where no other sink could run without this one (`alone`).
    ///
    /// # Errors
    /// When neither can be used: what is wrong with the files.
    pub(super) async fn begin(
        value: &str,
        loader: Loader,
        kept: Kept,
        alone: bool,
    ) -> Result<Self, Error> {
        let (found, seen) = loader.look(value)?;
        kept.tidy();
        let kills = kept.kills(&found.name, &seen);
        let loaded = if (kills >= 1 && kept.digest(&found.name).is_some()) || (kills >= 2 && !alone)
        {
            // The next start tries it again: it may have been something else.
            kept.loaded(&found.name);
            Err(Error::Killed {
                path: found.component.clone(),
            })
        } else {
            if let Err(why) = kept.loads(&found.name, &seen) {
                debug!(
                    sink = found.name,
                    "It can't be marked that the sink is being loaded: {why}."
                );
            }
            let loaded = loader.load(&found).await;
            kept.loaded(&found.name);
            loaded
        };
        let Loaded { version, artifact } = match loaded {
            Ok(loaded) => loaded,
            Err(why) => last(&loader, &kept, &found, why).await?,
        };
        remark(&found, &version);
        let (name, value) = (found.name, value.to_owned());
        let sink = Sink::of(version);
        let stats = sink.slot().stats();
        let supply = Supply {
            value,
            name,
            loader,
            kept,
            unkept: Some(artifact),
            seen: Some(seen),
            again: None,
            said: String::new(),
            stats,
        };
        Ok(Self {
            sink,
            supply,
            progress: Arc::default(),
            pulse: Arc::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.sink.name()
    }
}

/// The version that opened last, and why it is taken; without one, why there is nothing.
async fn last(loader: &Loader, kept: &Kept, found: &Found, why: Error) -> Result<Loaded, Error> {
    let Some(artifact) = kept.find(&found.name) else {
        return Err(why);
    };
    let digest = artifact.digest;
    let loaded = match loader.make(found, artifact).await {
        Ok(loaded) => loaded,
        Err(unfit) => {
            warn!(sink = found.name, %digest, "The sink's file can't be used, and neither can the version that opened last: {unfit}.");
            return Err(why);
        }
    };
    error!(
        sink = found.name,
        %digest,
        "The sink's file can't be used, so that the version that opened last goes on in its place: mend the file, or put the one before back. {why}."
    );
    Ok(loaded)
}

/// Says what an operator may not have thought of.
fn remark(found: &Found, version: &Version) {
    let (sink, digest, grant) = (&found.name, version.digest(), version.grant());
    if !found.shipped && grant.sha256.is_none() && grant.env.iter().any(|variable| variable.secret)
    {
        warn!(
            sink,
            "The sink gets secrets, and its grant does not say for which component: whoever can change its file gets them. Write sha256: {digest} into the grant."
        );
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_fixed =
        |path: &&PathBuf| std::path::absolute(path).is_ok_and(|path| fixed(&path, &mounts));
    for path in files(found).iter().filter(is_fixed) {
        warn!(sink, path = %path.display(), "This file is mounted by itself (subPath): what changes is not seen before the Pod is made anew. Mount its whole volume.");
    }
}

impl Supply {
    /// Before a sink is opened: a secret may have changed while another replica delivered, and is
    /// taken as it is now. A version that is not the one that opened last is tried: when it can't
    /// be opened by its own fault, the one that did takes its place.
    pub(super) async fn first(&mut self, sink: &mut Sink) {
        if let Ok((found, _)) = self.loader.look(&self.value)
            && let Ok(Some(version)) = self.loader.renew(&found, &sink.slot().serving())
        {
            sink.replace(version);
        }
        let serving = sink.slot().serving().digest();
        if self
            .kept
            .digest(&self.name)
            .is_none_or(|kept| kept == serving)
        {
            return;
        }
        let Some(reason) = own_fault(sink.open().await) else {
            return;
        };
        let why = Error::Faulty {
            path: Path::new(&self.value).to_owned(),
            why: format!("it could not be opened: {reason}"),
        };
        let Ok((found, _)) = self.loader.look(&self.value) else {
            return;
        };
        match last(&self.loader, &self.kept, &found, why).await {
            Ok(loaded) => {
                sink.replace(loaded.version);
                self.unkept = None;
                self.try_again();
            }
            Err(why) => warn!(
                sink = self.name,
                "There is no version before that can take its place. {why}."
            ),
        }
    }

    /// Looks at the files again and again, and puts each new version that opens into the sink's
    /// slot.
    pub(super) async fn follow(&mut self, slot: &Slot) -> Infallible {
        loop {
            self.keep_what_opened(slot);
            sleep(POLL).await;
            self.turn(slot).await;
        }
    }

    /// When the sink has ended. The files are read again when it begins anew: they may have changed
    /// while nobody looked.
    pub(super) fn end(&mut self, slot: &Slot) {
        self.keep_what_opened(slot);
        self.seen = None;
    }

    fn keep_what_opened(&mut self, slot: &Slot) {
        if slot.has_opened()
            && let Some(artifact) = self.unkept.take()
        {
            self.keep(&artifact);
        }
    }

    async fn turn(&mut self, slot: &Slot) {
        let (found, now) = match self.loader.look(&self.value) {
            Ok(there) => there,
            Err(why) => return self.refuse(&why),
        };
        let due = self.again.is_some_and(|(at, _)| at <= Instant::now());
        if self.seen.as_ref() == Some(&now) && !due {
            return;
        }
        sleep(SETTLED).await;
        if self
            .loader
            .look(&self.value)
            .ok()
            .is_none_or(|(_, later)| later != now)
        {
            return;
        }
        if self.seen.replace(now.clone()) != Some(now) {
            // Another version may fail in the same words.
            (self.again, self.said) = (None, String::new());
        }
        match self.load(found, slot.serving()).await {
            Ok(Some(loaded)) => self.open(slot, loaded).await,
            Ok(None) => (self.again, self.said) = (None, String::new()),
            Err(why) => {
                self.again = None;
                self.refuse(&why);
            }
        }
    }

    /// On a thread of its own: compiling takes seconds of a processor, in which the version that
    /// serves goes on.
    async fn load(&self, found: Found, serving: Version) -> Result<Option<Loaded>, Error> {
        let (loader, (tell, told)) = (self.loader.clone(), oneshot::channel());
        let broke = |why: String| Error::Engine(format!("loading broke off: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| broke(why.to_string()))?;
        let work = move || drop(tell.send(runtime.block_on(loader.reload(&found, &serving))));
        std::thread::Builder::new()
            .name(format!("load {}", self.name))
            .spawn(work)
            .map_err(|why| broke(why.to_string()))?;
        told.await.map_err(|why| broke(why.to_string()))?
    }

    async fn open(&mut self, slot: &Slot, loaded: Loaded) {
        let Loaded { version, artifact } = loaded;
        let digest = artifact.digest;
        match slot.open(version).await {
            Ok(opened) => {
                self.keep(&artifact);
                slot.put(opened);
                (self.unkept, self.again, self.said) = (None, None, String::new());
                info!(sink = self.name, %digest, "The next version of the sink is open: it takes over after the batch in flight.");
            }
            Err(outcome) => {
                let reason = reason(outcome);
                self.say(format!("The next version of the sink ({digest}) could not be opened, and the one before goes on: {reason}."));
                self.try_again();
            }
        }
    }

    fn try_again(&mut self) {
        let wait = self.again.map_or(AGAIN.0, |(_, wait)| wait);
        self.again = Some((Instant::now() + wait, (wait * 2).min(AGAIN.1)));
    }

    fn keep(&self, artifact: &Artifact) {
        if let Err(why) = self.kept.keep(&self.name, artifact) {
            warn!(
                sink = self.name,
                "The version that opened can't be kept in the data folder for the next start: {why}."
            );
        }
    }

    fn refuse(&mut self, why: &Error) {
        let gone = match why {
            Error::Unknown { .. } => true,
            Error::Unreadable { why, .. } => why.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        self.say(match why {
            Error::Incomplete { .. } => format!("The next version of the sink is not whole yet, and is waited for: {why}."),
            _ if gone => format!("The sink's file is gone. The sink goes on until the next start, which will need it: {why}."),
            _ => format!("The next version of the sink is refused, and the one before goes on: {why}."),
        });
    }

    fn say(&mut self, text: String) {
        if self.said != text {
            error!(sink = self.name, "{text}");
            self.stats.refuse();
            self.said = text;
        }
    }
}

/// Why a version can't be opened, where no destination is to blame that waiting may bring back.
fn own_fault(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Stored(_)
        | Outcome::Retry { .. }
        | Outcome::Broken {
            cause: Cause::Waiting,
            ..
        } => None,
        other => Some(reason(other)),
    }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Stored(_) => String::new(),
        Outcome::Retry { reason, .. }
        | Outcome::Refused { reason }
        | Outcome::Misconfigured { reason }
        | Outcome::Broken { reason, .. } => reason,
    }
}
