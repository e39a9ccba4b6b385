//! Puts events at a steady rate, on a thread of its own, and writes down what the API server took.
//!
//! A worker whose answer was lost first finds out what became of that put, for as long as it takes
//! the server to answer again: so an outage leaves one put in doubt for each worker, and nobody
//! waits for the generator.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use tokio::time::{Instant, sleep, sleep_until};

use super::put::{Made, Outcome, Subject, create, settle, update};
use super::record::Put;

/// Puts on their way at a time, at most.
const WORKERS: u32 = 12;
/// Events of each worker that may get another version.
const RECENT: usize = 400;
/// Slots that were missed for longer are not made up for.
const MISSED: Duration = Duration::from_millis(250);
/// After the end, how long a put in doubt is asked for.
const LAST_QUESTIONS: Duration = Duration::from_secs(20);

/// How much is put.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Puts a second, new events and updates together.
    pub rate: u32,
    /// Updates among them, for each hundred.
    pub updates: u32,
}

/// A generator at work; ends when it is dropped.
#[derive(Debug)]
pub struct Generator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    load: Load,
    puts: Mutex<Vec<Put>>,
    last_number: AtomicU64,
    next_slot: Mutex<Instant>,
    ended: AtomicBool,
    /// Nobody wants to know any more.
    abandoned: AtomicBool,
}

impl Generator {
    /// Starts it, for the Pods and jobs of these namespaces.
    ///
    /// # Errors
    /// When the API server can't be asked for Pods, or has none.
    pub fn start(kubeconfig: &Path, scopes: &[&str], load: Load) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (client, subjects) = runtime
            .block_on(subjects(kubeconfig, scopes))
            .map_err(io::Error::other)?;
        if subjects.is_empty() {
            return Err(io::Error::other(
                "there are no Pods on the cluster that events could be about",
            ));
        }
        let shared = Arc::new(Shared {
            load,
            puts: Mutex::default(),
            last_number: AtomicU64::new(0),
            next_slot: Mutex::new(Instant::now()),
            ended: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        let (work, subjects) = (shared.clone(), Arc::new(subjects));
        let thread = std::thread::Builder::new()
            .name("generator".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let mut workers = tokio::task::JoinSet::new();
                    for number in 0..WORKERS {
                        let worker = Worker {
                            client: client.clone(),
                            subjects: subjects.clone(),
                            shared: work.clone(),
                            number,
                            recent: VecDeque::new(),
                        };
                        workers.spawn(worker.run());
                    }
                    while workers.join_next().await.is_some() {}
                });
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What is settled, from a place on.
    #[must_use]
    pub fn puts_from(&self, place: usize) -> Vec<Put> {
        self.shared.puts().get(place..).unwrap_or_default().to_vec()
    }

    /// Ends it after the puts that are on their way.
    pub fn finish(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        self.finish();
    }
}

/// A client, and the Pods of these namespaces with the jobs that control them.
async fn subjects(
    kubeconfig: &Path,
    scopes: &[&str],
) -> Result<(kube::Client, Vec<Subject>), Box<dyn std::error::Error + Send + Sync>> {
    let client = crate::apiserver::client(kubeconfig).await?;
    let pods: Api<Pod> = Api::all(client.clone());
    let mut subjects: Vec<Subject> = Vec::new();
    for pod in pods.list_metadata(&ListParams::default()).await? {
        let metadata = pod.metadata;
        let namespace = metadata.namespace.unwrap_or_default();
        if !scopes.contains(&namespace.as_str()) {
            continue;
        }
        for owner in metadata.owner_references.unwrap_or_default() {
            let (api_version, kind, name, uid) =
                (owner.api_version, owner.kind, owner.name, owner.uid);
            if !subjects.iter().any(|subject| subject.uid == uid) {
                subjects.push(Subject {
                    api_version,
                    kind,
                    namespace: namespace.clone(),
                    name,
                    uid,
                });
            }
        }
        let (name, uid) = (
            metadata.name.unwrap_or_default(),
            metadata.uid.unwrap_or_default(),
        );
        subjects.push(Subject {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace,
            name,
            uid,
        });
    }
    Ok((client, subjects))
}

impl Shared {
    fn puts(&self) -> std::sync::MutexGuard<'_, Vec<Put>> {
        self.puts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next slot of the rate; false when there are no more.
    async fn slot(&self) -> bool {
        let at = {
            let mut next = self
                .next_slot
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let earliest = Instant::now().checked_sub(MISSED).unwrap_or(*next);
            let at = (*next).max(earliest);
            *next = at + Duration::from_secs(1) / self.load.rate.max(1);
            at
        };
        sleep_until(at).await;
        !self.ended.load(Ordering::Relaxed)
    }

    fn note(&self, number: u64, identity: Option<(String, String)>, scope: &str, sent_ns: u64) {
        self.puts().push(Put {
            number,
            identity,
            scope: scope.to_owned(),
            sent_ns,
            settled_ns: now_ns(),
        });
    }
}

struct Worker {
    client: kube::Client,
    subjects: Arc<Vec<Subject>>,
    shared: Arc<Shared>,
    number: u32,
    recent: VecDeque<Made>,
}

impl Worker {
    async fn run(mut self) {
        while self.shared.slot().await {
            let number = self.shared.last_number.fetch_add(1, Ordering::Relaxed) + 1;
            // Spread evenly over the numbers: 37 and 100 have no common divisor.
            let is_update = number * 37 % 100 < u64::from(self.shared.load.updates);
            let old = match (is_update, number % 2) {
                (false, _) => None,
                // A moment after the version before, or many seconds.
                (true, 0) => self.recent.pop_back(),
                (true, _) => self.recent.pop_front(),
            };
            match old {
                Some(made) => self.update(made, number).await,
                None => self.create(number).await,
            }
        }
    }

    async fn create(&mut self, number: u64) {
        let place = usize::try_from(number).unwrap_or(0) % self.subjects.len().max(1);
        let Some(subject) = self.subjects.get(place).cloned() else {
            return;
        };
        let made = Made {
            namespace: subject.namespace.clone(),
            name: format!("chaos-{}.{number:x}", self.number),
            count: 1,
        };
        let sent_ns = now_ns();
        let outcome = create(&self.client, &subject, &made, number).await;
        self.take(made, number, sent_ns, outcome).await;
    }

    async fn update(&mut self, mut made: Made, number: u64) {
        made.count += 1;
        let sent_ns = now_ns();
        let outcome = update(&self.client, &made, number).await;
        self.take(made, number, sent_ns, outcome).await;
    }

    /// Writes down what is sure; a put without an answer is asked for until the server answers.
    async fn take(&mut self, made: Made, number: u64, sent_ns: u64, mut outcome: Outcome) {
        let was_lost = outcome == Outcome::Lost;
        let mut since_the_end = None;
        while outcome == Outcome::Lost {
            if self.shared.ended.load(Ordering::Relaxed)
                && since_the_end.get_or_insert_with(Instant::now).elapsed() > LAST_QUESTIONS
            {
                break;
            }
            if self.shared.abandoned.load(Ordering::Relaxed) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
            outcome = settle(&self.client, &made, number).await;
        }
        match outcome {
            Outcome::Taken(uid, version) => {
                self.shared
                    .note(number, Some((uid, version)), &made.namespace, sent_ns);
                self.recent.push_back(made);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
            }
            // The server said no: there is no such version, and perhaps no such event any more.
            Outcome::Refused(_) if !was_lost => {}
            // It may have been there and be gone again.
            Outcome::Refused(_) | Outcome::Lost => {
                self.shared.note(number, None, &made.namespace, sent_ns)
            }
        }
    }
}

/// Nanoseconds since 1970.
pub(super) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|time| u64::try_from(time.as_nanos()).ok())
        .unwrap_or(0)
}
