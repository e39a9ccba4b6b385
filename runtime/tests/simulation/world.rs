//! The world outside: an API server with its storage, and a destination. Everything in it is decided by the seed.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::random::Random;

/// How long an event lives; short, so that it matters.
pub const TTL: Duration = Duration::from_secs(60);

/// What makes a watch die in silence.
pub const STALL: &str = "stall";

/// One write of an event that the API server has acknowledged.
#[derive(Clone, Debug)]
pub struct Write {
    /// Also in the event's text, so that no two writes are the same, whatever resource version they got.
    pub serial: u64,
    pub at: SystemTime,
    pub nature: Nature,
    /// Uid, resource version and count, for people.
    pub name: String,
}

/// What an event is like for the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Good,
    /// Named as never to be stored, or refused with all its neighbours.
    Refused,
    /// Breaks every instance that gets it.
    Poison,
}

/// Planted bugs, each of which the invariants must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The checkpoint is stored before the events up to it.
    CheckpointBeforeCommit,
    /// Events count as stored before the destination has them.
    CursorBeforeOk,
    /// What the destination's outage breaks is blamed on events.
    PoisonOnOutage,
    /// The watch begins at the resource version of the list's last page.
    WatchFromLastPage,
}

#[derive(Clone, Debug)]
struct Object {
    uid: String,
    version: u64,
    count: u32,
    json: String,
    expires: SystemTime,
}

#[derive(Clone, Debug)]
struct Change {
    version: u64,
    line: String,
}

/// A copy of the storage.
#[derive(Clone, Debug)]
struct Backup {
    at: SystemTime,
    version: u64,
    objects: BTreeMap<String, Object>,
    names: u64,
}

/// What the service could know a set-back storage by.
#[derive(Clone, Debug)]
struct SetBack {
    /// When the backup was taken.
    since: SystemTime,
    /// When the service saw the newest event that the backup doesn't have.
    known_by: SystemTime,
    /// Its checkpoint.
    committed: u64,
}

pub struct Watcher {
    lines: UnboundedSender<Result<String, String>>,
    /// Dead: sends nothing any more, and doesn't end.
    stalled: bool,
}

pub struct World {
    pub random: Random,
    pub bug: Option<Bug>,
    version: u64,
    compacted: u64,
    objects: BTreeMap<String, Object>,
    history: Vec<Change>,
    names: u64,
    lists: BTreeMap<u64, (u64, Vec<String>)>,
    watchers: Vec<Watcher>,
    backup: Option<Backup>,
    /// A restored backup that the service has not looked at yet.
    unseen: Option<SetBack>,
    pub writes: Vec<Write>,
    /// Serials of writes that nobody can know of.
    pub taken_back: HashSet<u64>,
    /// Serials in the order in which the destination stored them.
    pub stored: Vec<u64>,
    /// Copies that may be stored again, by what was done to the service.
    pub allowed_doubles: u64,
    pub api_down: bool,
    pub sink_down: bool,
    /// No faults any more.
    pub calm: bool,
    /// What happened, for a failing seed.
    pub story: Vec<String>,
    last_page: Option<(u64, u64)>,
}

pub type Shared = Arc<Mutex<World>>;

/// The world of a seed.
pub fn world(seed: u64, bug: Option<Bug>) -> Shared {
    Arc::new(Mutex::new(World {
        random: Random::new(seed),
        bug,
        version: 10,
        compacted: 0,
        objects: BTreeMap::new(),
        history: Vec::new(),
        names: 0,
        lists: BTreeMap::new(),
        watchers: Vec::new(),
        backup: None,
        unseen: None,
        writes: Vec::new(),
        taken_back: HashSet::new(),
        stored: Vec::new(),
        allowed_doubles: 0,
        api_down: false,
        sink_down: false,
        calm: false,
        story: Vec::new(),
        last_page: None,
    }))
}

pub fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap()
}

impl World {
    pub fn tell(&mut self, what: impl Into<String>) {
        let at = super::clock().duration_since(super::beginning()).unwrap_or_default();
        let line = format!("{:9.3} {}", at.as_secs_f64(), what.into());
        tracing::info!("{line}");
        self.story.push(line);
    }

    fn change(&mut self, kind: &str, json: &str) {
        let line = format!("{{\"type\":\"{kind}\",\"object\":{json}}}\n");
        self.history.push(Change { version: self.version, line: line.clone() });
        let twice = !self.calm && self.random.percent(3);
        self.watchers.retain(|watcher| {
            if watcher.stalled {
                return !watcher.lines.is_closed();
            }
            let sent = watcher.lines.send(Ok(line.clone())).is_ok();
            sent && (!twice || watcher.lines.send(Ok(line.clone())).is_ok())
        });
    }

    /// Writes a new event, or a new version of one.
    pub fn write(&mut self) {
        if self.api_down {
            return;
        }
        // The very event that could tell must not be written again.
        let old = (self.unseen.is_none() && self.random.percent(35)).then(|| {
            let place = usize::try_from(self.random.below(self.objects.len() as u64)).unwrap();
            self.objects.iter().nth(place).map(|(name, object)| (name.clone(), object.clone()))
        });
        self.version += 1 + self.random.below(3);
        let serial = self.writes.len() as u64;
        let nature = match self.random.below(100) {
            _ if self.calm => Nature::Good,
            0 | 1 => Nature::Refused,
            2 => Nature::Poison,
            _ => Nature::Good,
        };
        let (kind, name, uid, count) = match old.flatten() {
            Some((name, object)) => ("MODIFIED", name, object.uid, object.count + 1),
            None => {
                self.names += 1;
                ("ADDED", format!("e{:05}-{}", self.random.below(100_000), self.names), format!("uid-{serial}"), 1)
            }
        };
        let version = self.version;
        let json = format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"n\",\"uid\":\"{uid}\",\
             \"resourceVersion\":\"{version}\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}},\"involvedObject\":{{\"kind\":\"Thing\",\"name\":\"t\",\
             \"namespace\":\"n\",\"uid\":\"t\"}},\"reason\":\"{nature:?}\",\"message\":\"{serial}\",\"count\":{count}}}"
        );
        let at = super::clock();
        let told = format!("{uid} at {version}, count {count}");
        self.objects.insert(name, Object { uid, version, count, json: json.clone(), expires: at + TTL });
        self.writes.push(Write { serial, at, nature, name: told });
        self.change(kind, &json);
    }

    /// Deletes what is past its time.
    pub fn expire(&mut self) {
        let now = super::clock();
        let gone: Vec<String> = self.objects.iter().filter(|(_, object)| object.expires <= now).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(object) = self.objects.remove(&name) {
                self.version += 1;
                let json =
                    object.json.replace(&format!("\"resourceVersion\":\"{}\"", object.version), &format!("\"resourceVersion\":\"{}\"", self.version));
                self.change("DELETED", &json);
            }
        }
    }

    pub fn compact(&mut self) {
        self.tell("compacted");
        self.compacted = self.version;
        self.history.clear();
    }

    pub fn cut(&mut self, how: &str) {
        self.tell(format!("watches cut: {how}"));
        for watcher in self.watchers.drain(..) {
            if how == "broken" {
                let _ = watcher.lines.send(Err("connection reset".to_owned()));
            }
        }
    }

    pub fn stall(&mut self) {
        self.tell("watches stall");
        for watcher in &mut self.watchers {
            watcher.stalled = true;
            let _ = watcher.lines.send(Err(STALL.to_owned()));
        }
    }

    pub fn bookmark(&mut self) {
        let line = format!("{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Event\",\"metadata\":{{\"resourceVersion\":\"{}\"}}}}}}\n", self.version);
        self.watchers.retain(|watcher| watcher.stalled || watcher.lines.send(Ok(line.clone())).is_ok());
    }

    pub fn back_up(&mut self) {
        self.backup = Some(Backup { at: super::clock(), version: self.version, objects: self.objects.clone(), names: self.names });
    }

    /// Puts a copy of the storage back. `committed` is the service's checkpoint, `witnessed` the newest event in its journal and when it came.
    pub fn restore(&mut self, committed: u64, witnessed: (u64, SystemTime)) {
        let Some(backup) = self.backup.take() else { return };
        if committed <= backup.version {
            // What the storage takes back before anybody has seen it leaves no trace that could be noticed.
            self.taken_back.extend(self.writes.iter().filter(|write| write.at >= backup.at).map(|write| write.serial));
        }
        self.tell(format!("storage set back from {} to {}; the service has {committed}", self.version, backup.version));
        self.cut("closed");
        // Names of events are never used again: the new timeline's objects are others.
        self.names = self.names.max(backup.names);
        self.version = backup.version;
        self.objects = backup.objects.clone();
        self.history.clear();
        self.compacted = self.version;
        let known_by = if witnessed.0 > self.version { witnessed.1 } else { SystemTime::UNIX_EPOCH };
        let before = self.unseen.take().unwrap_or(SetBack { since: backup.at, known_by, committed });
        self.unseen =
            Some(SetBack { since: before.since.min(backup.at), known_by: before.known_by.min(known_by), committed: before.committed.min(committed) });
    }

    /// The service looks at the storage. One that has grown beyond where the service stood is only known by an event that it should have, and
    /// while that is young; otherwise nothing shows what was lost by it.
    fn look(&mut self) {
        let Some(SetBack { since, known_by, committed }) = self.unseen.take() else { return };
        let young = super::clock().duration_since(known_by).is_ok_and(|age| age + Duration::from_secs(1) < TTL / 2);
        if self.version >= committed && !young {
            self.tell("a storage that was set back can't be known any more");
            self.taken_back.extend(self.writes.iter().filter(|write| write.at >= since).map(|write| write.serial));
        }
    }

    /// A page of a list: the resource version, the items, and what the next page is asked for by.
    pub fn page(&mut self, limit: usize, next: Option<&str>) -> Result<(u64, Vec<String>, Option<String>), u16> {
        self.look();
        let (token, start) = match next.and_then(|next| next.split_once('.')) {
            Some((token, start)) => (token.parse().map_err(|_| 400_u16)?, start.parse().map_err(|_| 400_u16)?),
            None => {
                let token = self.lists.len() as u64;
                self.lists.insert(token, (self.version, self.objects.values().map(|object| object.json.clone()).collect()));
                (token, 0_usize)
            }
        };
        let (version, all) = self.lists.get(&token).cloned().ok_or(410_u16)?;
        if next.is_some() && (version < self.compacted || version > self.version) {
            return Err(410);
        }
        let items: Vec<String> = all.iter().skip(start).take(limit).cloned().collect();
        let end = start + items.len();
        let next = (end < all.len()).then(|| format!("{token}.{end}"));
        if next.is_none() {
            self.last_page = Some((version, self.version));
        }
        Ok((version, items, next))
    }

    /// The event of a name, if there is one; now, or as it was written in one version. Err: 410, that version is compacted; 504, it is still to come.
    pub fn one(&self, name: &str, exact: Option<u64>) -> Result<(u64, String), u16> {
        let Some(exact) = exact else {
            return Ok((self.version, self.objects.get(name).map(|object| object.json.clone()).unwrap_or_default()));
        };
        if exact > self.version {
            return Err(504);
        }
        if exact <= self.compacted {
            return Err(410);
        }
        let named = format!("\"name\":\"{name}\"");
        let change = self.history.iter().find(|change| change.version == exact && change.line.contains(&named));
        let json = change.and_then(|change| Some(change.line.split_once("\"object\":")?.1.trim_end().strip_suffix('}')?.to_owned()));
        Ok((exact, json.unwrap_or_default()))
    }

    /// Opens a watch; what it sends comes through the channel. Err: the answer is an ERROR line with 410.
    pub fn watch(&mut self, from: u64) -> Result<tokio::sync::mpsc::UnboundedReceiver<Result<String, String>>, ()> {
        let from = match self.last_page {
            Some((first, last)) if self.bug == Some(Bug::WatchFromLastPage) && from == first => last,
            _ => from,
        };
        if from < self.compacted {
            return Err(());
        }
        let (lines, receiver) = unbounded_channel();
        // From a future resource version it hangs in silence.
        let stalled = from > self.version;
        for change in self.history.iter().filter(|change| change.version > from) {
            let _ = lines.send(Ok(change.line.clone()));
        }
        self.watchers.push(Watcher { lines, stalled });
        Ok(receiver)
    }
}
