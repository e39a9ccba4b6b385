//! Who controls an object: from a metadata-only watch of Pods, and single look-ups for the rest.
//!
//! For each Pod only its uid and its controller are kept, and for an hour after its deletion too, since events may follow it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::client::{About, Client, sort};
use super::{Error, Scope, Seldom};

/// How long a deleted Pod's controller is remembered: the API server's default time to live of events, so that none outlives it.
const TOMBSTONE: Duration = Duration::from_secs(3600);
/// Look-ups at a time.
const LOOKUPS: usize = 8;
/// Remembered answers of single look-ups; beyond it all are forgotten and asked again.
const MOST_REMEMBERED: usize = 20_000;

/// A controller: the owner reference of an object that has `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name; the namespace is that of the object.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// What is known of the controllers above an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// The object's controller, the controller's controller, ... up to the first that isn't a ReplicaSet or Deployment. May be empty.
    Owners(Vec<Owner>),
    /// The object no longer exists, or another one has its name now.
    Gone,
}

/// The key of a look-up: an object by kind, namespace, name and uid.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

#[derive(Clone)]
struct Known {
    owner: Option<Arc<Owner>>,
    deleted: Option<Instant>,
}

/// The owners of objects. Clones share what they know.
#[derive(Clone)]
pub struct Owners(Arc<Inner>);

struct Inner {
    /// None for a recording: what isn't known is gone.
    client: Option<Client>,
    pods: Mutex<HashMap<Box<str>, Known>>,
    others: Mutex<HashMap<Box<str>, Chain1>>,
    lookups: Semaphore,
    listed: Notify,
    /// Of the lists and watches of Pods, in all scopes.
    unseen: Mutex<Seldom>,
}

/// One step of a chain.
type Chain1 = Option<Option<Arc<Owner>>>;

impl Owners {
    /// For a cluster. Nothing is known until [`Owners::follow_pods`] runs; look-ups work from the start.
    pub fn new(client: Client) -> Self {
        Self::with(Some(client))
    }

    /// For a recording: knows what [`Owners::learn`] is told, and takes the rest as gone.
    pub fn recorded() -> Self {
        Self::with(None)
    }

    fn with(client: Option<Client>) -> Self {
        let (pods, others) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { client, pods, others, lookups: Semaphore::new(LOOKUPS), listed: Notify::new(), unseen: Mutex::default() }))
    }

    /// Takes in an object's metadata.
    pub fn learn(&self, meta: &ObjectMeta) {
        let Some(uid) = &meta.uid else { return };
        let known = Known { owner: controller(meta), deleted: None };
        lock(&self.0.pods).insert(uid.as_str().into(), known);
    }

    /// Waits until the Pods have been listed once, but not longer than `patience`: after it, look-ups serve.
    pub async fn listed(&self, patience: Duration) {
        if timeout(patience, self.0.listed.notified()).await.is_err() {
            warn!("The list of Pods has not been read in time: their owners are looked up one by one until it has.");
        }
    }

    /// Follows the Pods of a scope, for ever. Ends only with an error of the very first list that waiting can't heal.
    pub async fn follow_pods(&self, scope: &Scope) -> Result<(), Error> {
        let Some(client) = &self.0.client else { return Ok(()) };
        let api: kube::Api<PartialObjectMeta<Pod>> = match scope {
            Scope::All => kube::Api::all(client.kube.clone()),
            Scope::Namespace(name) => kube::Api::namespaced(client.kube.clone(), name),
        };
        let mut events = watcher(api, watcher::Config::default().page_size(500)).default_backoff().boxed();
        let mut listed = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => {}
                Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) => self.learn(&pod.metadata),
                Ok(watcher::Event::Delete(pod)) => self.bury(&pod.metadata, Instant::now()),
                Ok(watcher::Event::InitDone) => {
                    listed = true;
                    let _ = lock(&self.0.unseen).over();
                    self.0.listed.notify_waiters();
                    self.0.listed.notify_one();
                    info!(%scope, pods = lock(&self.0.pods).len(), "Pods are listed.");
                }
                Err(error) => {
                    let error = sort_watcher(error, scope);
                    if error.is_fatal() && !listed {
                        return Err(error);
                    }
                    if let Some(times) = lock(&self.0.unseen).fails("unseen") {
                        warn!(%scope, times, "Cannot see Pods: {error}. Trying again.");
                    }
                }
            }
        }
        Ok(())
    }

    fn bury(&self, meta: &ObjectMeta, now: Instant) {
        let mut pods = lock(&self.0.pods);
        pods.retain(|_, known| known.deleted.is_none_or(|at| now.duration_since(at) < TOMBSTONE));
        if let Some(uid) = &meta.uid {
            pods.insert(uid.as_str().into(), Known { owner: controller(meta), deleted: Some(now) });
        }
    }

    /// The controllers above an object. Kinds other than Pod, Service, ReplicaSet and Deployment have none as far as this knows.
    /// Waits for as long as the API server can't be asked.
    pub async fn chain(&self, kind: &str, namespace: &str, name: &str, uid: &str) -> Chain {
        let mut owners: Vec<Owner> = Vec::new();
        let mut target = (kind.to_owned(), name.to_owned(), uid.to_owned());
        // Pod, ReplicaSet, Deployment, and what controls that.
        for _ in 0..3 {
            let (kind, name, uid) = &target;
            let step = self.controller_of(Target { kind, namespace, name, uid }).await;
            match step {
                None if owners.is_empty() => return Chain::Gone,
                None | Some(None) => break,
                Some(Some(owner)) => {
                    target = (owner.kind.clone(), owner.name.clone(), owner.uid.clone());
                    owners.push(Owner::clone(&owner));
                    if !matches!(owner.kind.as_str(), "ReplicaSet" | "Deployment") {
                        break;
                    }
                }
            }
        }
        Chain::Owners(owners)
    }

    async fn controller_of(&self, target: Target<'_>) -> Chain1 {
        if let Some(known) = lock(&self.0.pods).get(target.uid) {
            return Some(known.owner.clone());
        }
        if let Some(step) = lock(&self.0.others).get(target.uid) {
            return step.clone();
        }
        let client = self.0.client.as_ref()?;
        let step = self.look_up(client, target).await;
        let mut others = lock(&self.0.others);
        if others.len() >= MOST_REMEMBERED {
            others.clear();
        }
        others.insert(target.uid.into(), step.clone());
        step
    }

    async fn look_up(&self, client: &Client, target: Target<'_>) -> Chain1 {
        let _permit = self.0.lookups.acquire().await;
        let mut pause = Duration::from_millis(200);
        loop {
            let (kube, Target { namespace, name, .. }) = (client.kube.clone(), target);
            let found = match target.kind {
                "Pod" => metadata::<Pod>(kube, namespace, name, "pods", "").await,
                "Service" => metadata::<Service>(kube, namespace, name, "services", "").await,
                "ReplicaSet" => metadata::<ReplicaSet>(kube, namespace, name, "replicasets", "apps").await,
                "Deployment" => metadata::<Deployment>(kube, namespace, name, "deployments", "apps").await,
                _ => return Some(None),
            };
            match found {
                Ok(Some(meta)) if meta.uid.as_deref() == Some(target.uid) => return Some(controller(&meta)),
                Ok(_) => return None,
                Err(error) => {
                    warn!(kind = target.kind, namespace, name, "Cannot look up who controls an object, and its event waits: {error}.");
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
            }
        }
    }
}

async fn metadata<K>(
    client: kube::Client,
    namespace: &str,
    name: &str,
    resource: &'static str,
    group: &'static str,
) -> Result<Option<ObjectMeta>, Error>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: kube::Api<K> = kube::Api::namespaced(client, namespace);
    let found: Option<PartialObjectMeta<K>> = api
        .get_metadata_opt(name)
        .await
        .map_err(|error| sort(error, About { verb: "get", resource, group, scope: Scope::Namespace(namespace.to_owned()) }))?;
    Ok(found.map(|object| object.metadata))
}

fn controller(meta: &ObjectMeta) -> Option<Arc<Owner>> {
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Arc::new(Owner { api_version: owner.api_version.clone(), kind: owner.kind.clone(), name: owner.name.clone(), uid: owner.uid.clone() }))
}

fn sort_watcher(error: watcher::Error, scope: &Scope) -> Error {
    let about = |verb| About { verb, resource: "pods", group: "", scope: scope.clone() };
    match error {
        watcher::Error::InitialListFailed(error) => sort(error, about("list")),
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => sort(error, about("watch")),
        other => Error::Protocol(other.to_string()),
    }
}

/// The maps hold whole entries, so that a panic elsewhere leaves nothing half done in them.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
