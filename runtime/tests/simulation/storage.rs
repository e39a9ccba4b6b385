//! The API server's storage: objects, their history, watches, lists and backups.

// Long: one question, with all of its cases.

mod watches;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use watches::Watcher;

use super::world::{Cause, NAMESPACES, Nature, TTL, World, Write};

#[derive(Clone, Debug)]
struct Object {
    uid: String,
    namespace: &'static str,
    serial: u64,
    version: u64,
    count: u32,
    json: String,
    expires: Duration,
}

#[derive(Clone, Debug)]
struct Change {
    version: u64,
    namespace: &'static str,
    line: String,
}

/// A copy of the storage.
#[derive(Clone, Debug)]
struct Backup {
    writes: u64,
    version: u64,
    objects: BTreeMap<String, Object>,
}

/// What the service could know a set-back storage by.
#[derive(Clone, Debug)]
struct SetBack {
    /// Writes before the backup was taken.
    writes: u64,
    /// When the service saw the newest event that the backup doesn't have.
    known_by: SystemTime,
    /// Its checkpoint.
    committed: u64,
}

/// An object that somebody deleted.
struct DeletedByHand {
    uid: String,
    namespace: &'static str,
    /// Of the deletion.
    version: u64,
    /// The version up to which the service had surely seen everything then.
    seen: u64,
}

/// What a page of a list is: its version, its items, and what the next one is asked for by.
type Page = (u64, Vec<String>, Option<String>);

/// A list as of a version: each object with its namespace.
type Listed = (u64, Vec<(String, &'static str)>);

#[derive(Default)]
pub struct Storage {
    version: u64,
    compacted: u64,
    objects: BTreeMap<String, Object>,
    history: Vec<Change>,
    names: u64,
    lists: BTreeMap<u64, Listed>,
    watchers: Vec<Watcher>,
    backup: Option<Backup>,
    /// A restored backup that the service has not looked at yet, by scopes.
    unseen: HashMap<String, SetBack>,
    /// Objects that were deleted by hand.
    by_hand: Vec<DeletedByHand>,
    last_page: Option<(u64, u64)>,
}

impl Storage {
    /// Of a cluster that has lived for a moment.
    pub fn new() -> Self {
        Self {
            version: 10,
            ..Self::default()
        }
    }

    /// Of a scope nothing is known any more but what the Lease says.
    pub fn is_known_by(&mut self, noted: &HashMap<(String, String), u64>) {
        for (scope, unseen) in &mut self.unseen {
            unseen.committed = noted
                .iter()
                .filter(|((_, of), _)| of == scope)
                .map(|(_, version)| *version)
                .max()
                .unwrap_or(0);
        }
    }

    /// The service has not looked at a scope since the storage was set back.
    pub fn is_set_back(&self, scope: &str) -> bool {
        self.unseen.contains_key(scope)
    }
}

impl World {
    fn change(&mut self, kind: &str, namespace: &'static str, json: &str) {
        let line = format!("{{\"type\":\"{kind}\",\"object\":{json}}}\n");
        self.storage.history.push(Change {
            version: self.storage.version,
            namespace,
            line: line.clone(),
        });
        let twice = !self.calm && self.random.percent(3);
        self.storage.watchers.retain(|watcher| {
            if watcher.stalled
                || watcher
                    .namespace
                    .as_deref()
                    .is_some_and(|only| only != namespace)
            {
                return !watcher.lines.is_closed();
            }
            let sent = watcher.lines.send(Ok(line.clone())).is_ok();
            sent && (!twice || watcher.lines.send(Ok(line.clone())).is_ok())
        });
    }

    /// Writes a new event, or a new version of one.
    pub fn write(&mut self) {
        // Long: what a world does, one case after the other.
        if self.api_down {
            return;
        }
        // The very event that could tell must not be written again.
        let old = (self.storage.unseen.is_empty() && self.random.percent(35)).then(|| {
            let place =
                usize::try_from(self.random.below(self.storage.objects.len() as u64)).unwrap();
            self.storage
                .objects
                .iter()
                .nth(place)
                .map(|(name, object)| (name.clone(), object.clone()))
        });
        self.storage.version += 1 + self.random.below(3);
        let serial = self.writes.len() as u64;
        let nature = match self.random.below(100) {
            _ if self.calm => Nature::Good,
            0 | 1 => Nature::Refused,
            2 => Nature::Poison,
            3 => Nature::Failing,
            _ => Nature::Good,
        };
        let namespace = NAMESPACES[usize::try_from(self.random.below(4)).unwrap()];
        let (kind, name, uid, namespace, count) = match old.flatten() {
            Some((name, object)) => {
                self.gone(object.serial);
                (
                    "MODIFIED",
                    name,
                    object.uid,
                    object.namespace,
                    object.count + 1,
                )
            }
            None => {
                self.storage.names += 1;
                (
                    "ADDED",
                    format!("e{:05}-{}", self.random.below(100_000), self.storage.names),
                    format!("uid-{serial}"),
                    namespace,
                    1,
                )
            }
        };
        // That an event has the same version in two histories is a coincidence that nobody can see
        // through; with versions as small as these it would be common.
        while self
            .writes
            .iter()
            .any(|write| write.uid == uid && write.version == self.storage.version)
        {
            self.storage.version += 1;
        }
        let version = self.storage.version;
        let created = super::beginning() + super::elapsed();
        let created = jiff::Timestamp::try_from(created)
            .unwrap()
            .strftime("%Y-%m-%dT%H:%M:%SZ");
        let json = format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{namespace}\",\"uid\":\"{uid}\",\
             \"resourceVersion\":\"{version}\",\"creationTimestamp\":\"{created}\"}},\"involvedObject\":{{\"kind\":\"Thing\",\"name\":\"t{}\",\
             \"namespace\":\"{namespace}\",\"uid\":\"t\"}},\"reason\":\"{nature:?}\",\"message\":\"{serial}\",\"count\":{count}}}",
            uid.len() % 2
        );
        let object = Object {
            uid: uid.clone(),
            namespace,
            serial,
            version,
            count,
            json: json.clone(),
            expires: super::elapsed() + TTL,
        };
        self.storage.objects.insert(name, object);
        self.writes.push(Write {
            serial,
            at: super::clock(),
            truly_at: super::beginning() + super::elapsed(),
            gone: Vec::new(),
            nature,
            namespace,
            uid,
            version,
            count,
        });
        self.change(kind, namespace, &json);
    }

    fn remove(&mut self, name: &str) {
        let Some(object) = self.storage.objects.remove(name) else {
            return;
        };
        self.gone(object.serial);
        self.storage.version += 1;
        let version = |version: u64| format!("\"resourceVersion\":\"{version}\"");
        let json = object
            .json
            .replace(&version(object.version), &version(self.storage.version));
        self.change("DELETED", object.namespace, &json);
    }

    /// Deletes what is past its time.
    pub fn expire(&mut self) {
        let now = super::elapsed();
        let gone: Vec<String> = self
            .storage
            .objects
            .iter()
            .filter(|(_, object)| object.expires <= now)
            .map(|(name, _)| name.clone())
            .collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    /// Somebody deletes the events of a namespace; they are not of their age, which nothing shows
    /// to who is blind meanwhile.
    pub fn delete_by_hand(&mut self, seen: u64) {
        if self.api_down || !self.storage.unseen.is_empty() {
            return;
        }
        let namespace = NAMESPACES[usize::try_from(self.random.below(4)).unwrap()];
        self.tell(format!("the events of {namespace} are deleted by hand"));
        self.because(Cause::DeletedByHand);
        if self.disks_lost > 0 {
            // It may be taken for a set-back, after which what the Lease said before the disk was
            // lost counts no more.
            self.explain(0..self.writes.len() as u64);
        }
        let names: Vec<String> = self
            .storage
            .objects
            .iter()
            .filter(|(_, object)| object.namespace == namespace)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            let uid = self.storage.objects[&name].uid.clone();
            self.remove(&name);
            self.storage.by_hand.push(DeletedByHand {
                uid,
                namespace,
                version: self.storage.version,
                seen,
            });
        }
    }

    /// Forgets the history. `seen` is the resource version up to which the service has surely seen
    /// everything.
    pub fn compact(&mut self, seen: u64) {
        self.tell("compacted");
        self.storage.compacted = self.storage.version;
        self.storage.history.clear();
        self.because(Cause::Compacted);
        self.forget_by_hand(seen);
    }

    /// The known exception: what is deleted by hand before it is seen leaves no trace.
    fn forget_by_hand(&mut self, seen: u64) {
        for deleted in std::mem::take(&mut self.storage.by_hand) {
            if deleted.version > seen {
                self.taken_back.extend(
                    self.writes
                        .iter()
                        .filter(|write| write.uid == deleted.uid)
                        .map(|write| write.serial),
                );
            }
        }
    }

    /// The same where a list is read in place of the history: what the service had not seen before
    /// is not in it.
    fn list_without_deleted(&mut self, namespace: Option<&str>) {
        let World {
            storage,
            writes,
            taken_back,
            ..
        } = self;
        for deleted in storage
            .by_hand
            .iter()
            .filter(|deleted| namespace.is_none_or(|only| only == deleted.namespace))
        {
            let unseen = writes
                .iter()
                .filter(|write| write.uid == deleted.uid && write.version > deleted.seen);
            taken_back.extend(unseen.map(|write| write.serial));
        }
    }

    pub fn back_up(&mut self) {
        let Self {
            storage, writes, ..
        } = self;
        let objects = storage.objects.clone();
        storage.backup = Some(Backup {
            writes: writes.len() as u64,
            version: storage.version,
            objects,
        });
    }

    /// Puts a copy of the storage back. `standing` are, for each scope, the service's checkpoint,
    /// the newest event in its journal and when it came.
    pub fn restore(&mut self, standing: &[(String, u64, (u64, SystemTime))], seen: u64) {
        // Long: what a world does, one case after the other.
        let Some(backup) = self.storage.backup.take() else {
            return;
        };
        self.tell(format!(
            "storage set back from {} to {}; the service has {standing:?}",
            self.storage.version, backup.version
        ));
        self.because(Cause::SetBack);
        self.cut("closed");
        self.forget_by_hand(seen);
        let objects: Vec<(u64, String)> = self
            .storage
            .objects
            .values()
            .map(|object| (object.serial, object.uid.clone()))
            .collect();
        objects.iter().for_each(|(serial, _)| self.gone(*serial));
        self.reordered
            .extend(backup.objects.values().map(|object| object.uid.clone()));
        if self.disks_lost > 0 {
            // What the Lease said before the disk was lost counts no more.
            self.explain(0..self.writes.len() as u64);
        }
        if self.forgets_identities() {
            self.explain(
                backup
                    .objects
                    .values()
                    .map(|object| object.serial)
                    .collect::<Vec<_>>(),
            );
        }
        self.storage.version = backup.version;
        self.storage.objects = backup.objects.clone();
        self.storage.history.clear();
        self.storage.compacted = backup.version;
        self.notes_due = self.notes_due.max(1);
        for (scope, committed, witnessed) in standing {
            if *committed <= backup.version {
                // What the storage takes back before anybody has seen it leaves no trace that could
                // be noticed.
                self.take_back(scope, backup.writes);
            }
            let known_by = if witnessed.0 > backup.version {
                witnessed.1
            } else {
                SystemTime::UNIX_EPOCH
            };
            let before = self.storage.unseen.remove(scope).unwrap_or(SetBack {
                writes: backup.writes,
                known_by,
                committed: *committed,
            });
            let both = SetBack {
                writes: before.writes.min(backup.writes),
                known_by: before.known_by.min(known_by),
                committed: before.committed.min(*committed),
            };
            self.storage.unseen.insert(scope.clone(), both);
        }
    }

    fn take_back(&mut self, scope: &str, from: u64) {
        let of_scope = |write: &&Write| {
            write.serial >= from && self.shape.scope_of(write.namespace) == Some(scope)
        };
        self.taken_back.extend(
            self.writes
                .iter()
                .filter(of_scope)
                .map(|write| write.serial),
        );
    }

    /// Nothing is left by which a set-back storage could be known.
    pub fn forget_witnesses(&mut self) {
        self.storage
            .unseen
            .values_mut()
            .for_each(|unseen| unseen.known_by = SystemTime::UNIX_EPOCH);
    }

    /// The service looks at the storage. One that has grown beyond where the service stood is only
    /// known by an event that it should have, and while that is young; otherwise nothing shows what
    /// was lost by it.
    fn look(&mut self, scope: &str) {
        let Some(SetBack {
            writes,
            known_by,
            committed,
        }) = self.storage.unseen.remove(scope)
        else {
            return;
        };
        self.notes_due = 2;
        let young = super::clock()
            .duration_since(known_by)
            .is_ok_and(|age| age + Duration::from_secs(1) < TTL / 2);
        if self.storage.version >= committed && !young {
            self.tell("a storage that was set back can't be known any more");
            self.take_back(scope, writes);
        }
    }

    /// A page of a list of a namespace, or of all.
    pub fn page(
        &mut self,
        namespace: Option<&str>,
        limit: usize,
        next: Option<&str>,
    ) -> Result<Page, u16> {
        // Long: what a world does, one case after the other.
        self.look(namespace.unwrap_or("*"));
        let (token, start) = match next.and_then(|next| next.split_once('.')) {
            Some((token, start)) => (
                token.parse().map_err(|_| 400_u16)?,
                start.parse().map_err(|_| 400_u16)?,
            ),
            None => {
                let token = self.storage.lists.len() as u64;
                let of = |object: &&Object| namespace.is_none_or(|only| only == object.namespace);
                let listed: Vec<(String, u64, &'static str)> = self
                    .storage
                    .objects
                    .values()
                    .filter(of)
                    .map(|object| (object.json.clone(), object.serial, object.namespace))
                    .collect();
                if limit > 1 {
                    self.list_without_deleted(namespace);
                }
                if limit > 1 && self.forgets_identities() {
                    self.explain(
                        listed
                            .iter()
                            .map(|(_, serial, _)| *serial)
                            .collect::<Vec<_>>(),
                    );
                }
                self.storage.lists.insert(
                    token,
                    (
                        self.storage.version,
                        listed
                            .into_iter()
                            .map(|(json, _, namespace)| (json, namespace))
                            .collect(),
                    ),
                );
                (token, 0_usize)
            }
        };
        let (version, all) = self.storage.lists.get(&token).cloned().ok_or(410_u16)?;
        if next.is_some() && (version < self.storage.compacted || version > self.storage.version) {
            return Err(410);
        }
        let items: Vec<String> = all
            .iter()
            .skip(start)
            .take(limit)
            .map(|(json, _)| json.clone())
            .collect();
        let end = start + items.len();
        let next = (end < all.len()).then(|| format!("{token}.{end}"));
        if next.is_none() {
            self.storage.last_page = Some((version, self.storage.version));
        }
        Ok((version, items, next))
    }

    /// The event of a name, if there is one; now, or as it was written in one version. Err: 410,
    /// that version is compacted; 504, it is still to come.
    pub fn one(&self, name: &str, exact: Option<u64>) -> Result<(u64, String), u16> {
        let storage = &self.storage;
        let Some(exact) = exact else {
            return Ok((
                storage.version,
                storage
                    .objects
                    .get(name)
                    .map(|object| object.json.clone())
                    .unwrap_or_default(),
            ));
        };
        if exact > storage.version {
            return Err(504);
        }
        if exact <= storage.compacted {
            return Err(410);
        }
        let named = format!("\"name\":\"{name}\"");
        let change = storage.history.iter().find(|change| {
            change.version == exact
                && change.line.contains(&named)
                && !change.line.contains("DELETED")
        });
        let json = change.and_then(|change| {
            Some(
                change
                    .line
                    .split_once("\"object\":")?
                    .1
                    .trim_end()
                    .strip_suffix('}')?
                    .to_owned(),
            )
        });
        Ok((exact, json.unwrap_or_default()))
    }
}
