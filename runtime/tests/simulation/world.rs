//! The world outside: what happens to the API server's storage and to the destinations. Everything
//! in it is decided by the seed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use kubedl_events::cluster::Scope;
use kubedl_events::journal::{FILE, Gap, Letter, OnFull, Reader};

use super::bugs::Bug;
use super::lease::Lease;
use super::random::Random;
use super::storage::Storage;

/// How long an event lives; short, so that it matters.
pub const TTL: Duration = Duration::from_secs(60);

/// What makes a watch die in silence.
pub const STALL: &str = "stall";

/// Namespaces in which events are written.
pub const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];

/// One write of an event that the API server has acknowledged.
#[derive(Clone, Debug)]
pub struct Write {
    /// Also in the event's text, so that no two writes are the same, whatever resource version they
    /// got.
    pub serial: u64,
    /// By the service's wall clock.
    pub at: SystemTime,
    /// By a clock that is right.
    pub truly_at: SystemTime,
    /// When a list no longer showed it; a backup may bring it back.
    pub gone: Vec<SystemTime>,
    pub nature: Nature,
    pub namespace: &'static str,
    pub uid: String,
    pub version: u64,
    pub count: u32,
}

/// What an event is like for the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Good,
    /// Named as never to be stored, or refused with all its neighbours.
    Refused,
    /// Breaks every instance that gets it.
    Poison,
    /// Answered as by a destination that is down, for ever.
    Failing,
}

/// What a seed's service and its surroundings are.
#[derive(Clone, Debug)]
pub struct Shape {
    pub scopes: Vec<Scope>,
    pub sinks: Vec<String>,
    pub cap: Option<(u64, OnFull)>,
    /// The journal's folder is taken away in some crashes.
    pub loses_disks: bool,
    /// Pages of the journal are overwritten between some lives.
    pub damages: bool,
    /// The wall clock jumps between lives.
    pub clock_jumps: bool,
    /// More than one elect who delivers.
    pub replicas: usize,
}

impl Shape {
    fn of(seed: u64) -> Self {
        let sinks: &[&str] = if seed % 2 == 1 || seed % 8 == 6 {
            &["x", "y"]
        } else {
            &["x"]
        };
        let scopes = if seed % 3 == 2 {
            ["a", "b"]
                .map(|name| Scope::Namespace(name.to_owned()))
                .to_vec()
        } else {
            vec![Scope::All]
        };
        let cap = match seed % 8 {
            1 => Some((CAP, OnFull::Shed)),
            5 => Some((CAP, OnFull::Block)),
            _ => None,
        };
        Self {
            scopes,
            sinks: sinks.iter().map(|name| (*name).to_owned()).collect(),
            cap,
            loses_disks: matches!(seed % 8, 2 | 6 | 7),
            damages: seed % 16 == 3,
            clock_jumps: matches!(seed % 16, 4 | 11),
            replicas: if matches!(seed % 16, 8 | 12 | 14 | 15) {
                2
            } else {
                1
            },
        }
    }

    /// The key of the scope that covers a namespace.
    pub fn scope_of(&self, namespace: &str) -> Option<&str> {
        self.scopes
            .iter()
            .map(Scope::key)
            .find(|key| *key == "*" || *key == namespace)
    }
}

/// Bytes: an empty journal has some eighty thousand.
const CAP: u64 = 180 << 10;

/// What explains a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Compacted,
    SetBack,
    DeletedByHand,
    DiskLost,
    Damaged,
}

/// A destination, and what it has.
#[derive(Debug, Default)]
pub struct Store {
    pub down: bool,
    /// Serials in the order in which they were stored.
    pub stored: Vec<u64>,
    /// Copies of a serial that something done to the service explains.
    pub explained: HashMap<u64, u64>,
    /// Places in the present journal of each replica at which something was stored.
    pub places: HashMap<(usize, i64), u64>,
    /// Serials that may be stored after later ones of their object: named by the destination as not
    /// stored, held back, or failed often.
    pub displaced: HashSet<u64>,
    /// How often a serial was among what was not stored, and nothing was.
    pub failed: HashMap<u64, u32>,
    /// What it was told that isn't so.
    pub misled: Option<String>,
}

pub struct World {
    pub random: Random,
    pub bug: Option<Bug>,
    pub shape: Shape,
    pub storage: Storage,
    pub writes: Vec<Write>,
    /// Serials of writes that nobody can know of.
    pub taken_back: HashSet<u64>,
    pub stores: BTreeMap<String, Store>,
    /// What the API server has of it.
    pub lease: Option<Lease>,
    /// Notes in the Lease, of every sink and scope, that are still to be written until a lost disk
    /// is no loss: before the first one; after the storage was set back; and when that was looked
    /// at, since a note of before may be on its way.
    pub notes_due: u32,
    /// The data folder of each replica.
    pub folders: Vec<PathBuf>,
    /// Of their present journals, each with the file's number: one that is damaged is replaced.
    pub readers: Vec<Option<(u64, Reader)>>,
    /// The newest place in the journal of each replica when it began to lead.
    pub led_from: Vec<i64>,
    /// Processes that were started.
    pub started: u64,
    /// Replicas that can't ask the API server anything.
    pub cut_off: BTreeSet<usize>,
    /// Of disks that were lost.
    pub old_gaps: Vec<Gap>,
    pub old_letters: Vec<Letter>,
    pub disks_lost: u64,
    /// Serials by the present journal's places, before it was damaged.
    pub rows: HashMap<i64, u64>,
    pub causes: Vec<(SystemTime, Cause)>,
    /// Objects whose versions may be seen in another order: a list stood before older versions.
    pub reordered: HashSet<String>,
    /// When watches were opened and lists begun, by the virtual clock.
    pub watches: Vec<Duration>,
    pub lists: Vec<Duration>,
    pub api_down: bool,
    /// Watches end as soon as they are open.
    pub short_watches: bool,
    /// No faults any more.
    pub calm: bool,
    pub settled: bool,
    /// What happened, for a failing seed.
    pub story: Vec<String>,
}

pub type Shared = Arc<Mutex<World>>;

/// The world of a seed.
pub fn world(seed: u64, bug: Option<Bug>, folder: &Path) -> Shared {
    let shape = Shape::of(seed);
    let stores = shape
        .sinks
        .iter()
        .map(|name| (name.clone(), Store::default()))
        .collect();
    let folders: Vec<PathBuf> = (0..shape.replicas)
        .map(|replica| folder.join(replica.to_string()))
        .collect();
    folders
        .iter()
        .for_each(|folder| std::fs::create_dir(folder).unwrap());
    Arc::new(Mutex::new(World {
        random: Random::new(seed),
        bug,
        shape,
        storage: Storage::new(),
        writes: Vec::new(),
        taken_back: HashSet::new(),
        stores,
        lease: None,
        notes_due: 1,
        readers: folders.iter().map(|_| None).collect(),
        led_from: vec![0; folders.len()],
        folders,
        started: 0,
        cut_off: BTreeSet::new(),
        old_gaps: Vec::new(),
        old_letters: Vec::new(),
        disks_lost: 0,
        rows: HashMap::new(),
        causes: Vec::new(),
        reordered: HashSet::new(),
        watches: Vec::new(),
        lists: Vec::new(),
        api_down: false,
        short_watches: false,
        calm: false,
        settled: false,
        story: Vec::new(),
    }))
}

pub fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap()
}

impl World {
    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Looks into the journal of a replica.
    pub fn read<T>(
        &mut self,
        replica: usize,
        look: impl FnOnce(&Self, &Reader) -> Option<T>,
    ) -> Option<T> {
        let file = std::fs::metadata(self.folders[replica].join(FILE))
            .ok()?
            .ino();
        let open = self.readers[replica].take().filter(|(of, _)| *of == file);
        let (_, reader) =
            open.or_else(|| Some((file, Reader::open(&self.folders[replica]).ok()?)))?;
        let seen = look(self, &reader);
        self.readers[replica] = Some((file, reader));
        seen
    }

    pub fn is_cut_off(&self, replica: usize) -> bool {
        self.api_down || self.cut_off.contains(&replica)
    }

    pub fn replicas(&self) -> std::ops::Range<usize> {
        0..self.shape.replicas
    }

    pub fn tell(&mut self, what: impl Into<String>) {
        let line = format!("{:9.3} {}", super::elapsed().as_secs_f64(), what.into());
        tracing::info!("{line}");
        self.story.push(line);
    }

    pub fn because(&mut self, cause: Cause) {
        self.causes.push((super::clock(), cause));
    }

    /// A write is no longer what a list shows.
    pub fn gone(&mut self, serial: u64) {
        self.writes[usize::try_from(serial).unwrap()]
            .gone
            .push(super::clock());
    }

    /// Copies of these may be stored in every destination.
    pub fn explain(&mut self, serials: impl IntoIterator<Item = u64>) {
        for serial in serials {
            self.stores
                .values_mut()
                .for_each(|store| *store.explained.entry(serial).or_default() += 1);
        }
    }

    /// The journal may have forgotten what a list shows: at its cap identities go early, and by a
    /// clock that jumps all of them are old.
    pub fn forgets_identities(&self) -> bool {
        self.shape.cap.is_some() || self.shape.clock_jumps
    }
}
